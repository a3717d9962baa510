"""Faults of the two certificate revocation lists and of the chain that vouches for the PCK CA's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtensionOID

from assay.endorsements.collateral import DcapCollateral
from assay.simulator.faults.attempt import Attempt, Fault, flip, lookalike, with_collateral
from assay.simulator.faults.certificates import pck_authority, with_authority
from assay.simulator.pck_extension import octet_string
from assay.simulator.pki import Authority, CrlProfile, PrivateKey, generate_key
from assay.simulator.sgx import SimulatedPlatform

_Apply = Callable[[SimulatedPlatform], Attempt]

_REVOKED_SERIAL: Final = 4712
_SECOND: Final = timedelta(seconds=1)
_UNKNOWN: Final = x509.ObjectIdentifier("1.3.6.1.4.1.311.105.9999")
_ONLY_SOME_REASONS: Final = bytes.fromhex("3002a300")
"""An issuing distribution point whose set of reasons is an empty BIT STRING."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _List:
    """One of the two lists: where it stands in the collateral, and how it is made."""

    field: str
    label: str
    profile: Callable[[SimulatedPlatform, datetime], CrlProfile]
    key: Callable[[SimulatedPlatform], PrivateKey]
    other_key: Callable[[SimulatedPlatform], PrivateKey]


_LISTS: Final = (
    _List(
        field="root_ca_crl",
        label="the root's list",
        profile=SimulatedPlatform.root_ca_crl_profile,
        key=lambda platform: platform.pki.root_ca.key,
        other_key=lambda platform: platform.pki.platform_ca.key,
    ),
    _List(
        field="pck_crl",
        label="the PCK CA's list",
        profile=SimulatedPlatform.pck_crl_profile,
        key=lambda platform: platform.pki.pck_ca(platform.settings.ca).key,
        other_key=lambda platform: platform.pki.root_ca.key,
    ),
)


def _bytes(which: _List, edit: Callable[[bytes], bytes]) -> _Apply:
    def change(_: SimulatedPlatform, collateral: DcapCollateral) -> DcapCollateral:
        changed: dict[str, Any] = {which.field: edit(getattr(collateral, which.field))}
        return replace(collateral, **changed)

    return with_collateral(change)


def _resigned(
    which: _List,
    edit: Callable[[CrlProfile, datetime], CrlProfile],
    key: Callable[[SimulatedPlatform], PrivateKey] | None = None,
) -> _Apply:
    def change(platform: SimulatedPlatform, collateral: DcapCollateral) -> DcapCollateral:
        at = platform.settings.created_at
        profile = edit(which.profile(platform, at), at)
        changed: dict[str, Any] = {which.field: profile.sign((key or which.key)(platform))}
        return replace(collateral, **changed)

    return with_collateral(change)


def _extended(which: _List, value: x509.ExtensionType, *, critical: bool) -> _Apply:
    extension = x509.Extension(value.oid, critical, value)
    return _resigned(which, lambda profile, _: replace(profile, extensions=(extension,)))


def _distribution_point() -> x509.IssuingDistributionPoint:
    return x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier("https://simulator.invalid/part")],
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )


def _list_faults(which: _List) -> Iterator[Fault]:
    name, check = which.field.replace("_", "-"), f"dcap.{which.field}"
    rows: tuple[tuple[str, str, str, _Apply], ...] = (
        ("empty", "is empty", "crl_format", _bytes(which, lambda _: b"")),
        ("garbage", "is no DER", "crl_format", _bytes(which, lambda _: b"\xff" * 64)),
        (
            "hex",
            "comes as hexadecimal text",
            "crl_format",
            _bytes(which, lambda crl: crl.hex().encode()),
        ),
        ("cut", "lacks its last byte", "crl_format", _bytes(which, lambda crl: crl[:-1])),
        (
            "trailing",
            "is followed by bytes",
            "crl_format",
            _bytes(which, lambda crl: crl + bytes(4)),
        ),
        (
            "delta",
            "only lists changes",
            "crl_format",
            _extended(which, x509.DeltaCRLIndicator(1), critical=True),
        ),
        (
            "partial",
            "covers one distribution point only",
            "crl_format",
            _extended(which, _distribution_point(), critical=True),
        ),
        (
            "partial-not-critical",
            "covers one distribution point, said in passing",
            "crl_format",
            _extended(which, _distribution_point(), critical=False),
        ),
        (
            "empty-reasons",
            "has an empty BIT STRING in an extension",
            "crl_format",
            _extended(
                which,
                x509.UnrecognizedExtension(
                    ExtensionOID.ISSUING_DISTRIBUTION_POINT, _ONLY_SOME_REASONS
                ),
                critical=True,
            ),
        ),
        (
            "unknown-critical-extension",
            "has a critical extension that nobody knows",
            "crl_format",
            _extended(
                which, x509.UnrecognizedExtension(_UNKNOWN, octet_string(b"?")), critical=True
            ),
        ),
        (
            "other-issuer",
            "names another issuer, signed by the right key",
            "crl_issuer",
            _resigned(which, lambda profile, _: replace(profile, issuer="Intel SGX Other CA")),
        ),
        (
            "signature-flipped",
            "has a bit of its signature flipped",
            "crl_signature",
            _bytes(which, flip),
        ),
        (
            "other-key",
            "is signed by another authority's key",
            "crl_signature",
            _resigned(which, lambda profile, _: profile, which.other_key),
        ),
        (
            "stranger-key",
            "is signed by a key that nobody vouches for",
            "crl_signature",
            _resigned(which, lambda profile, _: profile, lambda _: generate_key()),
        ),
        (
            "sha384",
            "is signed with SHA-384",
            "crl_signature",
            _resigned(which, lambda profile, _: replace(profile, digest=hashes.SHA384)),
        ),
        ("foreign", "comes from a look-alike of the same name", "crl_signature", _foreign(which)),
        (
            "expired",
            "was due a second ago",
            "crl_expired",
            _resigned(which, lambda profile, at: replace(profile, next_update=at - _SECOND)),
        ),
        (
            "future",
            "begins in a second",
            "crl_not_yet_valid",
            _resigned(which, lambda profile, at: replace(profile, this_update=at + _SECOND)),
        ),
    )
    for suffix, description, error_class, apply in rows:
        yield Fault(
            f"{name}-{suffix}", f"{which.label} {description}", f"{check}.{error_class}", apply
        )


def _foreign(which: _List) -> _Apply:
    def change(platform: SimulatedPlatform, collateral: DcapCollateral) -> DcapCollateral:
        foreign = lookalike(platform).collateral(platform.settings.created_at)
        changed: dict[str, Any] = {which.field: getattr(foreign, which.field)}
        return replace(collateral, **changed)

    return with_collateral(change)


def _other_ca(*, chain_too: bool) -> _Apply:
    """The other PCK CA's list, with its own chain or without."""

    def change(platform: SimulatedPlatform, collateral: DcapCollateral) -> DcapCollateral:
        other = next(ca for ca in type(platform.settings.ca) if ca is not platform.settings.ca)
        crl = platform.pck_crl(platform.settings.created_at, other)
        chain = platform.pki.pck_ca(other).pem + platform.pki.root_ca.pem
        return replace(
            collateral,
            pck_crl=crl,
            pck_crl_issuer_chain=chain if chain_too else collateral.pck_crl_issuer_chain,
        )

    return with_collateral(change)


def _issuer_chain(edit: Callable[[SimulatedPlatform], bytes]) -> _Apply:
    return with_collateral(
        lambda platform, collateral: replace(collateral, pck_crl_issuer_chain=edit(platform))
    )


def _issuer(**changes: Any) -> _Apply:  # noqa: ANN401  fields of CertificateProfile
    """Another certificate of the PCK CA, in the collateral only."""

    def edit(platform: SimulatedPlatform) -> bytes:
        authority = pck_authority(platform)
        return with_authority(platform, authority, **changes).pki.chain(authority)

    return _issuer_chain(edit)


def _issuer_dated(which: str, offset: timedelta) -> _Apply:
    def edit(platform: SimulatedPlatform) -> bytes:
        authority = pck_authority(platform)
        changes: dict[str, Any] = {which: platform.settings.created_at + offset}
        return with_authority(platform, authority, **changes).pki.chain(authority)

    return _issuer_chain(edit)


def _revoked_issuer(platform: SimulatedPlatform, collateral: DcapCollateral) -> DcapCollateral:
    authority = pck_authority(platform)
    changed = with_authority(platform, authority, serial_number=_REVOKED_SERIAL)
    profile = replace(
        platform.root_ca_crl_profile(platform.settings.created_at), revoked=(_REVOKED_SERIAL,)
    )
    return replace(
        collateral,
        pck_crl_issuer_chain=changed.pki.chain(authority),
        root_ca_crl=profile.sign(platform.pki.root_ca.key),
    )


_SWAPPED: Final = (
    Fault(
        "crls-swapped",
        "each list in the place of the other",
        "dcap.pck_crl.crl_issuer",
        with_collateral(
            lambda _, collateral: replace(
                collateral, root_ca_crl=collateral.pck_crl, pck_crl=collateral.root_ca_crl
            )
        ),
    ),
    Fault(
        "root-ca-crl-of-pck-ca",
        "the PCK CA's list in the place of the root's",
        "dcap.root_ca_crl.crl_issuer",
        with_collateral(lambda _, collateral: replace(collateral, root_ca_crl=collateral.pck_crl)),
    ),
    Fault(
        "pck-crl-of-other-ca",
        "the list of the PCK CA that did not issue the certificate",
        "dcap.pck_crl.crl_issuer",
        _other_ca(chain_too=False),
    ),
    Fault(
        "pck-crl-of-other-ca-with-chain",
        "the same, with the chain that fits it",
        "dcap.pck_crl.crl_issuer",
        _other_ca(chain_too=True),
    ),
)

_ISSUER_CHAINS: Final = (
    Fault(
        "pck-crl-chain-garbage",
        "an issuer chain that is no PEM",
        "dcap.pck_crl_chain.cert_format",
        _issuer_chain(lambda _: b"garbage"),
    ),
    Fault(
        "pck-crl-chain-empty",
        "no issuer chain",
        "dcap.pck_crl_chain.chain",
        _issuer_chain(lambda _: b""),
    ),
    Fault(
        "pck-crl-chain-no-root",
        "an issuer chain without its root",
        "dcap.pck_crl_chain.chain",
        _issuer_chain(lambda platform: platform.pki.pck_ca(platform.settings.ca).pem),
    ),
    Fault(
        "pck-crl-chain-root-first",
        "an issuer chain in the other order",
        "dcap.pck_crl_chain.chain",
        _issuer_chain(
            lambda platform: (
                platform.pki.root_ca.pem + platform.pki.pck_ca(platform.settings.ca).pem
            )
        ),
    ),
    Fault(
        "pck-crl-chain-of-tcb-signer",
        "the TCB signer's chain as issuer chain",
        "dcap.pck_crl_chain.chain",
        _issuer_chain(lambda platform: platform.pki.chain(Authority.TCB_SIGNING)),
    ),
    Fault(
        "pck-crl-chain-foreign",
        "the issuer chain of a look-alike",
        "dcap.pck_crl_chain.root_untrusted",
        _issuer_chain(lambda platform: lookalike(platform).pki.chain(pck_authority(platform))),
    ),
    Fault(
        "pck-crl-chain-no-cert-sign",
        "an issuer whose key may not sign certificates",
        "dcap.pck_crl_chain.chain",
        _issuer(key_cert_sign=False),
    ),
    Fault(
        "pck-crl-chain-expired",
        "an issuer certificate that ended a second ago",
        "dcap.pck_crl_chain.cert_expired",
        _issuer_dated("not_after", -_SECOND),
    ),
    Fault(
        "pck-crl-chain-future",
        "an issuer certificate that begins in a second",
        "dcap.pck_crl_chain.cert_not_yet_valid",
        _issuer_dated("not_before", _SECOND),
    ),
    Fault(
        "pck-crl-chain-revoked",
        "an issuer certificate on the root's list, under a serial number of its own",
        "dcap.pck_crl_chain.revoked",
        with_collateral(_revoked_issuer),
    ),
)


REVOCATION_FAULTS: Final = (
    *(fault for which in _LISTS for fault in _list_faults(which)),
    *_SWAPPED,
    *_ISSUER_CHAINS,
)
