from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.encoding import encode_json
from assay.endorsements.anchors import Anchors
from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.intel import VerifiedCollateral, check_not_revoked, verify_collateral
from assay.endorsements.platform import PckCa
from assay.errors import UntrustedEvidenceError
from assay.simulator import SimulatedPlatform
from assay.simulator.pki import Authority, generate_key, raw_signature
from assay.simulator.tcb import signed_body
from assay.x509 import ChainProfile, read_pem_chain, verify_chain
from tests.conftest import AT
from tests.mutations import spliced
from tests.refusals import refusal_of

PLATFORM: Final = SimulatedPlatform.create(AT)
OTHER: Final = SimulatedPlatform.create(AT)
"""Of the same names, under another root."""

SOUND: Final = PLATFORM.collateral(AT)
FOREIGN: Final = OTHER.collateral(AT)


def verify(collateral: DcapCollateral, roots: Anchors = PLATFORM.anchors) -> VerifiedCollateral:
    return verify_collateral(collateral, roots=roots)


def refused(collateral: DcapCollateral, roots: Anchors = PLATFORM.anchors) -> set[str]:
    found = refusal_of(lambda: verify(collateral, roots))
    return {code.removeprefix("dcap.") for code in found}


def changed(**documents: bytes) -> DcapCollateral:
    return replace(SOUND, **documents)


def flip(data: bytes, index: int = -1) -> bytes:
    wrong = bytearray(data)
    wrong[index] ^= 1
    return bytes(wrong)


def test_sound_collateral_is_one_root_s_with_its_documents() -> None:
    verified = verify(SOUND)

    assert verified.anchor == PLATFORM.anchors[0]
    assert verified.tcb_info.fmspc == PLATFORM.settings.fmspc
    assert verified.qe_identity.id == "QE"
    assert verified.root_ca_crl.issuer == PLATFORM.root_certificate.subject
    assert verified.root_ca_crl.issuer_spki == PLATFORM.anchors[0].spki
    assert verified.pck_crl.issuer == PLATFORM.pki.platform_ca.certificate.subject


def test_the_period_is_that_of_every_certificate_list_and_document() -> None:
    period = verify(SOUND).period

    kinds = [window.kind for window in period.windows]
    assert kinds == ["cert"] * 6 + ["crl"] * 2 + ["collateral"] * 2
    midnight = AT.replace(hour=0)
    assert period.not_before == midnight.timestamp()
    assert period.not_after == (midnight + timedelta(days=30)).timestamp()


SECOND: Final = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("at", "codes"),
    [
        (AT.replace(hour=0), set()),
        (
            AT.replace(hour=0) - SECOND,
            {"root_ca_crl.crl", "pck_crl.crl", "tcb_info.collateral", "qe_identity.collateral"},
        ),
        (AT.replace(hour=0) + timedelta(days=30), set()),
        (
            AT.replace(hour=0) + timedelta(days=30) + SECOND,
            {"pck_crl.crl", "tcb_info.collateral", "qe_identity.collateral"},
        ),
    ],
    ids=["issued now", "issued in a second", "due now", "due a second ago"],
)
def test_the_period_is_exact_to_the_second_on_both_sides(at: datetime, codes: set[str]) -> None:
    """TC-07."""
    found = verify(SOUND).period.findings_at(int(at.timestamp()))

    names = {finding.check.removeprefix("dcap.") for finding in found}
    for ending in ("_not_yet_valid", "_expired"):
        names = {name.removesuffix(ending) for name in names}
    assert names == codes


def test_grace_covers_the_lists_and_documents_only() -> None:
    period = verify(SOUND).period
    late = int((AT + timedelta(days=40 * 365)).timestamp())

    found = period.findings_at(late, grace=late)

    assert {finding.error_class for finding in found} == {"CERT_EXPIRED"}
    assert {window.kind for window in period.windows} == {"cert", "crl", "collateral"}


def test_the_hashes_are_those_of_what_the_service_sends() -> None:
    def sha256(data: bytes) -> str:
        return hashlib.sha256(data).hexdigest()

    info = signed_body("tcbInfo", SOUND.tcb_info, SOUND.tcb_info_signature)
    identity = signed_body("enclaveIdentity", SOUND.qe_identity, SOUND.qe_identity_signature)
    assert verify(SOUND).document_hashes == {
        "qeidcertshash": sha256(SOUND.qe_identity_issuer_chain),
        "qeidcrlhash": sha256(SOUND.root_ca_crl),
        "qeidhash": sha256(identity),
        "tcbinfocertshash": sha256(SOUND.tcb_info_issuer_chain),
        "tcbinfocrlhash": sha256(SOUND.root_ca_crl),
        "tcbinfohash": sha256(info),
    }


@pytest.mark.parametrize("ending", [b"\0", b"\0\0\0", b"\n\0"])
def test_issuer_chains_may_end_in_zero_bytes(ending: bytes) -> None:
    """TC-06."""
    chains = [field.name for field in fields(SOUND) if field.name.endswith("issuer_chain")]

    verify(changed(**{name: getattr(SOUND, name) + ending for name in chains}))


def test_issuer_chains_may_have_the_line_ends_of_windows() -> None:
    chains = [field.name for field in fields(SOUND) if field.name.endswith("issuer_chain")]

    verify(changed(**{name: getattr(SOUND, name).replace(b"\n", b"\r\n") for name in chains}))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("tcb_info", "tcb_info.collateral_signature"),
        ("tcb_info_signature", "tcb_info.collateral_signature"),
        ("qe_identity", "qe_identity.collateral_signature"),
        ("qe_identity_signature", "qe_identity.collateral_signature"),
        ("root_ca_crl", "root_ca_crl.crl_signature"),
        ("pck_crl", "pck_crl.crl_signature"),
    ],
)
def test_a_flipped_bit_is_the_finding_of_its_document(name: str, code: str) -> None:
    """CH-03, CH-05."""
    assert refused(changed(**{name: flip(getattr(SOUND, name))})) == {code}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("tcb_info_issuer_chain", "tcb_info_chain.chain"),
        ("qe_identity_issuer_chain", "qe_identity_chain.chain"),
        ("pck_crl_issuer_chain", "pck_crl_chain.chain"),
        ("tcb_info", "tcb_info.collateral_signature"),
        ("tcb_info_signature", "tcb_info.collateral_signature"),
        ("qe_identity", "qe_identity.collateral_signature"),
        ("qe_identity_signature", "qe_identity.collateral_signature"),
        ("root_ca_crl", "root_ca_crl.crl_format"),
        ("pck_crl", "pck_crl.crl_format"),
    ],
)
def test_an_absent_document_is_refused(name: str, code: str) -> None:
    assert refused(changed(**{name: b""})) == {code}


def test_every_document_is_judged_and_every_finding_told() -> None:
    wrong = {
        field.name: flip(getattr(SOUND, field.name), 5)
        for field in fields(SOUND)
        if field.name != "digest"
    }

    assert refused(DcapCollateral(**wrong)) == {
        "tcb_info_chain.cert_format",
        "qe_identity_chain.cert_format",
        "pck_crl_chain.cert_format",
        "root_ca_crl.crl_format",
    }


# Roots


UNTRUSTED: Final = {
    "tcb_info_chain.root_untrusted",
    "qe_identity_chain.root_untrusted",
    "pck_crl_chain.root_untrusted",
}


def test_no_roots_trust_no_collateral() -> None:
    assert refused(SOUND, ()) == {*UNTRUSTED, "root_ca_crl.crl_issuer"}


def test_another_root_of_the_same_name_does_not_do() -> None:
    assert refused(SOUND, OTHER.anchors) == {*UNTRUSTED, "root_ca_crl.crl_signature"}


@pytest.mark.parametrize("order", [1, -1])
def test_either_of_several_roots_does(order: int) -> None:
    roots = (PLATFORM.anchors + OTHER.anchors)[::order]

    assert verify(SOUND, roots).anchor == PLATFORM.anchors[0]
    assert verify(FOREIGN, roots).anchor == OTHER.anchors[0]


GROUPS: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "TCB info": (
        ("tcb_info", "tcb_info_signature", "tcb_info_issuer_chain"),
        "tcb_info_chain.root_untrusted",
    ),
    "QE identity": (
        ("qe_identity", "qe_identity_signature", "qe_identity_issuer_chain"),
        "qe_identity_chain.root_untrusted",
    ),
    "root CA CRL": (("root_ca_crl",), "root_ca_crl.crl_signature"),
}


@pytest.mark.parametrize(("names", "code"), GROUPS.values(), ids=GROUPS)
def test_documents_of_two_trusted_roots_do_not_mix(names: tuple[str, ...], code: str) -> None:
    mixed = changed(**{name: getattr(FOREIGN, name) for name in names})

    assert refused(mixed, PLATFORM.anchors + OTHER.anchors) == {code}


def test_the_pck_crl_of_another_trusted_root_sets_the_rest_aside() -> None:
    mixed = changed(pck_crl=FOREIGN.pck_crl, pck_crl_issuer_chain=FOREIGN.pck_crl_issuer_chain)

    assert refused(mixed, PLATFORM.anchors + OTHER.anchors) == {
        "tcb_info_chain.root_untrusted",
        "qe_identity_chain.root_untrusted",
        "root_ca_crl.crl_signature",
    }


@pytest.mark.parametrize("order", [1, -1])
def test_the_root_s_list_is_found_where_no_chain_has_named_a_root_yet(order: int) -> None:
    broken = changed(pck_crl_issuer_chain=b"")

    assert refused(broken, (PLATFORM.anchors + OTHER.anchors)[::order]) == {"pck_crl_chain.chain"}


# Roles


def test_a_tcb_info_that_a_pck_signed_is_refused() -> None:
    chain = PLATFORM.pck_chain
    signature = raw_signature(PLATFORM.pck.key, SOUND.tcb_info)

    assert refused(changed(tcb_info_signature=signature, tcb_info_issuer_chain=chain)) == {
        "tcb_info_chain.chain"
    }


def test_a_tcb_info_that_a_pck_ca_signed_is_refused() -> None:
    chain = SOUND.pck_crl_issuer_chain
    signature = raw_signature(PLATFORM.pki.platform_ca.key, SOUND.tcb_info)

    assert refused(changed(tcb_info_signature=signature, tcb_info_issuer_chain=chain)) == {
        "tcb_info_chain.chain"
    }


def test_a_tcb_signer_that_a_pck_ca_issued_is_refused() -> None:
    """Neither above the real root nor with its own issuer as the root."""
    pki = PLATFORM.pki
    profile = replace(pki.profile(Authority.TCB_SIGNING), issuer="Intel SGX PCK Platform CA")
    signer = pki.reissue(Authority.TCB_SIGNING, profile, by=pki.platform_ca.key).tcb_signing

    for parent in (pki.root_ca.pem, pki.platform_ca.pem, pki.platform_ca.pem + pki.root_ca.pem):
        assert refused(changed(qe_identity_issuer_chain=signer.pem + parent)) == {
            "qe_identity_chain.chain"
        }


def test_the_tcb_signer_s_list_is_not_a_pck_ca_s() -> None:
    signer = PLATFORM.pki.tcb_signing
    crl = PLATFORM.pck_crl_profile(AT).sign(signer.key)

    assert refused(changed(pck_crl=crl, pck_crl_issuer_chain=SOUND.tcb_info_issuer_chain)) == {
        "pck_crl_chain.chain"
    }


def test_the_two_lists_do_not_stand_in_for_each_other() -> None:
    assert refused(changed(pck_crl=SOUND.root_ca_crl)) == {"pck_crl.crl_issuer"}
    assert refused(changed(root_ca_crl=SOUND.pck_crl)) == {"root_ca_crl.crl_issuer"}


def test_the_other_ca_s_list_needs_the_other_ca_s_chain() -> None:
    """CH-06."""
    crl = PLATFORM.pck_crl(AT, PckCa.PROCESSOR)

    assert refused(changed(pck_crl=crl)) == {"pck_crl.crl_issuer"}


# Revocation


def serial_of(authority: Authority) -> int:
    return PLATFORM.pki.holder(authority).certificate.serial_number


@pytest.mark.parametrize(
    ("authority", "codes"),
    [
        (Authority.TCB_SIGNING, {"tcb_info_chain.revoked", "qe_identity_chain.revoked"}),
        (Authority.PLATFORM_CA, {"pck_crl_chain.revoked"}),
        (Authority.PROCESSOR_CA, set()),
        (
            Authority.ROOT_CA,
            {"tcb_info_chain.revoked", "qe_identity_chain.revoked", "pck_crl_chain.revoked"},
        ),
    ],
)
def test_what_the_root_has_revoked_is_refused(authority: Authority, codes: set[str]) -> None:
    """CH-07."""
    crl = PLATFORM.with_settings(root_crl_revoked=(1, serial_of(authority), 2)).root_ca_crl(AT)
    collateral = changed(root_ca_crl=crl)

    if codes:
        assert refused(collateral) == codes
    else:
        assert serial_of(authority) in verify(collateral).root_ca_crl.revoked


def test_a_forged_list_without_the_revoked_certificate_is_refused() -> None:
    """CH-05."""
    forged = PLATFORM.root_ca_crl_profile(AT).sign(generate_key())

    assert refused(changed(root_ca_crl=forged)) == {"root_ca_crl.crl_signature"}


def test_a_serial_number_counts_only_for_its_own_issuer() -> None:
    crl = PLATFORM.with_settings(
        root_crl_revoked=(PLATFORM.pck.certificate.serial_number,)
    ).root_ca_crl(AT)
    names = ("Intel SGX PCK Certificate", "Intel SGX PCK Platform CA", "Intel SGX Root CA")
    profile = ChainProfile(
        check="test.chain", label="chain", common_names=tuple(frozenset({name}) for name in names)
    )
    certificates = read_pem_chain(PLATFORM.pck_chain, profile)
    chain = verify_chain(certificates, profile, anchors=PLATFORM.anchors)

    check_not_revoked(chain, verify(changed(root_ca_crl=crl)).root_ca_crl, profile)


# Signed documents


def signed(member: str, document: bytes) -> DcapCollateral:
    signature = PLATFORM.sign_document(document)
    changes: dict[str, Any] = {member: document, f"{member}_signature": signature}
    return changed(**changes)


@pytest.mark.parametrize("member", ["tcb_info", "qe_identity"])
@pytest.mark.parametrize("document", [b"", b"{}", b"null", b"\xff", b'{"version":3}'])
def test_a_signed_document_of_another_schema_is_refused(member: str, document: bytes) -> None:
    assert refused(signed(member, document)) == {f"{member}.collateral_format"}


@pytest.mark.parametrize("member", ["tcb_info", "qe_identity"])
def test_a_document_is_parsed_only_once_its_signature_is_good(member: str) -> None:
    assert refused(changed(**{member: b"{}"})) == {f"{member}.collateral_signature"}


def test_the_two_documents_do_not_stand_in_for_each_other() -> None:
    swapped = changed(
        tcb_info=SOUND.qe_identity,
        tcb_info_signature=SOUND.qe_identity_signature,
        qe_identity=SOUND.tcb_info,
        qe_identity_signature=SOUND.tcb_info_signature,
    )

    assert refused(swapped) == {"tcb_info.collateral_format", "qe_identity.collateral_format"}


@pytest.mark.parametrize("member", ["tcb_info", "qe_identity"])
@pytest.mark.parametrize(
    "rewrite",
    [
        lambda text: text + b" ",
        lambda text: b" " + text,
        lambda text: text.replace(b":", b": ", 1),
        lambda text: text.replace(b'"version"', b'"vers\\u0069on"', 1),
    ],
    ids=["space after", "space before", "space inside", "escape"],
)
def test_the_same_document_in_other_bytes_is_refused(
    member: str, rewrite: Callable[[bytes], bytes]
) -> None:
    assert refused(changed(**{member: rewrite(getattr(SOUND, member))})) == {
        f"{member}.collateral_signature"
    }


def test_a_tcb_info_of_fifteen_components_is_refused() -> None:
    """TC-01."""
    info: dict[str, Any] = PLATFORM.tcb_info(AT)
    del info["tcbLevels"][0]["tcb"]["sgxtcbcomponents"][15]

    assert refused(signed("tcb_info", encode_json(info))) == {"tcb_info.collateral_format"}


@pytest.mark.property
@given(data=st.data())
def test_any_change_of_any_document_is_refused_or_changes_nothing(data: st.DataObject) -> None:
    """Except in the PEM text, which no signature covers, and in the hashes of it."""
    name = data.draw(st.sampled_from([f.name for f in fields(SOUND) if f.name != "digest"]))
    collateral = changed(**{name: data.draw(spliced(getattr(SOUND, name)))})

    with contextlib.suppress(UntrustedEvidenceError):
        verified = verify(collateral)
        assert replace(verified, document_hashes={}) == replace(verify(SOUND), document_hashes={})
