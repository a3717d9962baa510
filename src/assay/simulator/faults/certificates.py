"""Faults of the certificates in a quote's chain: profiles, trust, times, revocation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from assay.endorsements.platform import PckCa
from assay.simulator.faults.attempt import (
    Attempt,
    Fault,
    attempt,
    lookalike,
    with_pck_chain,
    with_platform,
)
from assay.simulator.pck_extension import octet_string
from assay.simulator.pki import Authority, CertificateProfile, Holder, PrivateKey, generate_key
from assay.simulator.sgx import SimulatedPlatform, pck_certificate_profile

_CHAIN: Final = "dcap.pck_chain.chain"
_UNTRUSTED: Final = "dcap.pck_chain.root_untrusted"
_EXPIRED: Final = "dcap.pck_chain.cert_expired"
_NOT_YET_VALID: Final = "dcap.pck_chain.cert_not_yet_valid"
_REVOKED: Final = "dcap.pck_chain.revoked"

_Apply = Callable[[SimulatedPlatform], Attempt]

_REVOKED_SERIAL: Final = 4711
_SECOND: Final = timedelta(seconds=1)
UNKNOWN_CRITICAL: Final = x509.Extension(
    x509.ObjectIdentifier("1.3.6.1.4.1.311.105.9999"),
    critical=True,
    value=x509.UnrecognizedExtension(
        x509.ObjectIdentifier("1.3.6.1.4.1.311.105.9999"), octet_string(b"unknown")
    ),
)


def with_pck(
    platform: SimulatedPlatform, profile: CertificateProfile, *, by: PrivateKey | None = None
) -> SimulatedPlatform:
    """The platform with another PCK certificate, signed by its PCK CA unless `by` another."""
    ca = platform.pki.pck_ca(platform.settings.ca)
    certificate = profile.sign(platform.pck.key.public_key(), by or ca.key)
    return replace(platform, pck=Holder(key=platform.pck.key, certificate=certificate))


def with_authority(
    platform: SimulatedPlatform,
    authority: Authority,
    *,
    by: PrivateKey | None = None,
    **changes: Any,  # noqa: ANN401  fields of CertificateProfile
) -> SimulatedPlatform:
    """The platform with another certificate of an authority, signed by the root unless `by`."""
    profile: CertificateProfile = replace(platform.pki.profile(authority), **changes)
    return replace(platform, pki=platform.pki.reissue(authority, profile, by=by))


def with_extension(platform: SimulatedPlatform, encoded: bytes) -> SimulatedPlatform:
    """The platform with another SGX extension in its PCK certificate."""
    profile = pck_certificate_profile(platform.settings, platform.pck.key, encoded)
    return with_pck(platform, profile)


def pck_authority(platform: SimulatedPlatform) -> Authority:
    """The authority that issued the platform's PCK certificate."""
    is_platform = platform.settings.ca is PckCa.PLATFORM
    return Authority.PLATFORM_CA if is_platform else Authority.PROCESSOR_CA


def _pck(**changes: Any) -> _Apply:  # noqa: ANN401  fields of CertificateProfile
    def edit(platform: SimulatedPlatform) -> SimulatedPlatform:
        profile = pck_certificate_profile(platform.settings, platform.pck.key)
        changed: CertificateProfile = replace(profile, **changes)
        return with_pck(platform, changed)

    return with_platform(edit)


def _pck_signed(by: Callable[[SimulatedPlatform], PrivateKey]) -> _Apply:
    return with_platform(
        lambda platform: with_pck(
            platform,
            pck_certificate_profile(platform.settings, platform.pck.key),
            by=by(platform),
        )
    )


def _pck_dated(which: str, offset: timedelta) -> _Apply:
    """Move one bound of the PCK certificate's validity to `offset` from the verification."""

    def edit(platform: SimulatedPlatform) -> SimulatedPlatform:
        changes: dict[str, Any] = {which: platform.settings.created_at + offset}
        profile = pck_certificate_profile(platform.settings, platform.pck.key)
        return with_pck(platform, replace(profile, **changes))

    return with_platform(edit)


def _pck_key(curve: ec.EllipticCurve) -> _Apply:
    """A PCK key on another curve. The chain is refused before its signature matters."""

    def apply(platform: SimulatedPlatform) -> Attempt:
        key = ec.generate_private_key(curve)
        ca = platform.pki.pck_ca(platform.settings.ca)
        profile = pck_certificate_profile(platform.settings, platform.pck.key)
        certificate = profile.sign(key.public_key(), ca.key)
        parts = platform.draft().sign()
        own = Holder(key=key, certificate=certificate)
        chain = own.pem + ca.pem + platform.pki.root_ca.pem
        return attempt(platform, evidence=replace(parts, certification_data=chain).encode())

    return apply


def _ca(**changes: Any) -> _Apply:  # noqa: ANN401  fields of CertificateProfile
    return with_platform(
        lambda platform: with_authority(platform, pck_authority(platform), **changes)
    )


def _dated(authority: Authority, which: str, offset: timedelta) -> _Apply:
    def edit(platform: SimulatedPlatform) -> SimulatedPlatform:
        changes: dict[str, Any] = {which: platform.settings.created_at + offset}
        return with_authority(platform, authority, **changes)

    return with_platform(edit)


def _renamed_ca(platform: SimulatedPlatform) -> Attempt:
    """A PCK CA of another name, with leaf and revocation list under that name."""
    name = "Intel SGX PCK Other CA"
    changed = with_authority(platform, pck_authority(platform), subject=name)
    pck = pck_certificate_profile(platform.settings, platform.pck.key)
    changed = with_pck(changed, replace(pck, issuer=name))
    at = platform.settings.created_at
    crl = replace(changed.pck_crl_profile(at), issuer=name)
    key = changed.pki.pck_ca(platform.settings.ca).key
    return attempt(changed, collateral=replace(changed.collateral(at), pck_crl=crl.sign(key)))


def _revoked_in_quote(authority: Callable[[SimulatedPlatform], Authority]) -> _Apply:
    """An authority's certificate of a revoked serial number, in the quote's chain only."""

    def apply(platform: SimulatedPlatform) -> Attempt:
        revoked = with_authority(platform, authority(platform), serial_number=_REVOKED_SERIAL)
        listed = platform.with_settings(root_crl_revoked=(_REVOKED_SERIAL,))
        return attempt(
            platform,
            evidence=revoked.quote(),
            collateral=listed.collateral(platform.settings.created_at),
        )

    return apply


def _foreign(platform: SimulatedPlatform) -> Attempt:
    return attempt(lookalike(platform), roots=platform.anchors)


def _foreign_evidence(platform: SimulatedPlatform) -> Attempt:
    return attempt(platform, evidence=lookalike(platform).quote())


def _foreign_collateral(platform: SimulatedPlatform) -> Attempt:
    other = lookalike(platform)
    return attempt(
        platform,
        collateral=other.collateral(platform.settings.created_at),
        roots=platform.anchors + other.anchors,
    )


_PROFILES: Final = (
    Fault("pck-other-name", "a leaf of another common name", _CHAIN, _pck(subject="Intel SGX PCK")),
    Fault(
        "pck-other-issuer-name",
        "a leaf that names the other PCK CA as its issuer",
        _CHAIN,
        _pck(issuer=Authority.PROCESSOR_CA.common_name),
    ),
    Fault("pck-signed-sha384", "a leaf signed with SHA-384", _CHAIN, _pck(digest=hashes.SHA384)),
    Fault(
        "pck-unknown-critical-extension",
        "a critical extension that nobody knows",
        _CHAIN,
        with_platform(
            lambda platform: with_pck(
                platform,
                _appended(pck_certificate_profile(platform.settings, platform.pck.key)),
            )
        ),
    ),
    Fault(
        "pck-is-ca",
        "a leaf that may issue certificates",
        _CHAIN,
        _pck(ca=True, path_length=0, key_cert_sign=True),
    ),
    Fault(
        "pck-signed-by-stranger",
        "a leaf signed by another key under the PCK CA's name",
        _CHAIN,
        _pck_signed(lambda _: generate_key()),
    ),
    Fault(
        "pck-signed-by-root",
        "a leaf signed by the root under the PCK CA's name",
        _CHAIN,
        _pck_signed(lambda platform: platform.pki.root_ca.key),
    ),
    Fault("pck-key-p384", "a PCK key on P-384", _CHAIN, _pck_key(ec.SECP384R1())),
    Fault(
        "pck-key-secp256k1",
        "a PCK key on another curve of 256 bits",
        _CHAIN,
        _pck_key(ec.SECP256K1()),
    ),
    Fault("pck-ca-other-name", "a PCK CA of another common name", _CHAIN, _renamed_ca),
    Fault(
        "pck-ca-no-ca",
        "a PCK CA that is none by its basic constraints",
        _CHAIN,
        _ca(ca=False, path_length=None),
    ),
    Fault(
        "pck-ca-no-cert-sign",
        "a PCK CA whose key may not sign certificates",
        _CHAIN,
        _ca(key_cert_sign=False),
    ),
    Fault(
        "pck-ca-unknown-critical-extension",
        "a critical extension that nobody knows, in the PCK CA",
        _CHAIN,
        _ca(extensions=(UNKNOWN_CRITICAL,)),
    ),
    Fault(
        "pck-ca-signed-sha384", "a PCK CA signed with SHA-384", _CHAIN, _ca(digest=hashes.SHA384)
    ),
    Fault(
        "pck-ca-signed-by-stranger",
        "a PCK CA signed by another key under the root's name",
        _CHAIN,
        with_platform(
            lambda platform: with_authority(platform, pck_authority(platform), by=generate_key())
        ),
    ),
)

_TRUST: Final = (
    Fault(
        "no-roots",
        "a verifier that trusts no root",
        _UNTRUSTED,
        lambda platform: attempt(platform, roots=()),
    ),
    Fault(
        "foreign-platform",
        "evidence and collateral under a root of the attacker's own",
        _UNTRUSTED,
        _foreign,
    ),
    Fault(
        "foreign-evidence",
        "evidence of a look-alike, with genuine collateral",
        _UNTRUSTED,
        _foreign_evidence,
    ),
    Fault(
        "foreign-root-in-chain",
        "the root replaced by one of the same name",
        _UNTRUSTED,
        with_pck_chain(
            lambda platform: (
                platform.pck_chain.removesuffix(platform.pki.root_ca.pem)
                + lookalike(platform).pki.root_ca.pem
            )
        ),
    ),
    Fault(
        "collateral-of-other-root",
        "evidence under one trusted root, collateral under another",
        _UNTRUSTED,
        _foreign_collateral,
    ),
    Fault(
        "root-not-self-signed",
        "a certificate of the root's name and key that another key has signed",
        _CHAIN,
        with_pck_chain(
            lambda platform: (
                with_authority(platform, Authority.ROOT_CA, by=generate_key()).pck_chain
            )
        ),
    ),
)

_TIMES: Final = (
    Fault(
        "pck-expired",
        "a PCK certificate that ended a second ago",
        _EXPIRED,
        _pck_dated("not_after", -_SECOND),
    ),
    Fault(
        "pck-future",
        "a PCK certificate that begins in a second",
        _NOT_YET_VALID,
        _pck_dated("not_before", _SECOND),
    ),
    Fault(
        "pck-ca-expired",
        "a PCK CA that ended a second ago",
        _EXPIRED,
        _dated(Authority.PLATFORM_CA, "not_after", -_SECOND),
    ),
    Fault(
        "pck-ca-future",
        "a PCK CA that begins in a second",
        _NOT_YET_VALID,
        _dated(Authority.PLATFORM_CA, "not_before", _SECOND),
    ),
    Fault(
        "root-expired",
        "a root that ended a second ago",
        _EXPIRED,
        _dated(Authority.ROOT_CA, "not_after", -_SECOND),
    ),
    Fault(
        "root-future",
        "a root that begins in a second",
        _NOT_YET_VALID,
        _dated(Authority.ROOT_CA, "not_before", _SECOND),
    ),
)

_REVOCATIONS: Final = (
    Fault(
        "pck-revoked",
        "the PCK certificate on its CA's list",
        _REVOKED,
        with_platform(
            lambda platform: platform.with_settings(
                pck_crl_revoked=(1, platform.pck.certificate.serial_number, 2)
            )
        ),
    ),
    Fault(
        "pck-ca-revoked",
        "a PCK CA on the root's list, where the collateral has another certificate of it",
        _REVOKED,
        _revoked_in_quote(pck_authority),
    ),
    Fault(
        "root-revoked",
        "a root on its own list, where the collateral has another certificate of it",
        _REVOKED,
        _revoked_in_quote(lambda _: Authority.ROOT_CA),
    ),
)


def _appended(profile: CertificateProfile) -> CertificateProfile:
    return replace(profile, extensions=(*profile.extensions, UNKNOWN_CRITICAL))


CERTIFICATE_FAULTS: Final = (
    *_PROFILES,
    *_TRUST,
    *_TIMES,
    *_REVOCATIONS,
)
