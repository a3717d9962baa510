from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import CRLEntryExtensionOID, ExtensionOID
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import UntrustedEvidenceError
from assay.simulator.pck_extension import boolean, integer, octet_string, sequence
from assay.simulator.pki import CrlProfile, distinguished_name, generate_key
from assay.x509 import VerifiedCrl, verify_crl
from tests.certificates import name
from tests.conftest import AT
from tests.mutations import spliced
from tests.refusals import refusal_of

KEY = generate_key()
ISSUER = "Intel SGX PCK Platform CA"
PROFILE = CrlProfile(issuer=ISSUER, this_update=AT, next_update=AT + timedelta(days=30))
ECDSA_SHA256 = sequence(asn1.encode_der(x509.ObjectIdentifier("1.2.840.10045.4.3.2")))
REASON = CRLEntryExtensionOID.CRL_REASON
KEY_COMPROMISE = b"\x0a\x01\x01"


def verify(data: bytes, *, issuer: str = ISSUER) -> VerifiedCrl:
    return verify_of(data, distinguished_name(issuer))


def verify_of(data: bytes, issuer: x509.Name) -> VerifiedCrl:
    return verify_crl(
        data,
        issuer=issuer,
        issuer_key=KEY.public_key(),
        issuer_spki=b"spki",
        check="test.crl",
        label="test CRL",
    )


def refused(data: bytes) -> str:
    (code,) = refusal_of(lambda: verify(data))
    return code.removeprefix("test.crl.")


def utc_time(moment: datetime) -> bytes:
    text = moment.strftime("%y%m%d%H%M%SZ").encode()
    return b"\x17" + bytes([len(text)]) + text


def generalized_time(text: str) -> bytes:
    return b"\x18" + bytes([len(text)]) + text.encode()


def extension(oid: x509.ObjectIdentifier, value: bytes, *, critical: bool = False) -> bytes:
    flag = [boolean(flag=True)] if critical else []
    return sequence(asn1.encode_der(oid), *flag, octet_string(value))


def entry(serial: int, *extensions: bytes) -> bytes:
    tail = [sequence(*extensions)] if extensions else []
    return sequence(integer(serial), utc_time(AT), *tail)


def written(
    *entries: bytes,
    this_update: bytes = utc_time(AT),
    next_update: bytes = utc_time(AT + timedelta(days=30)),
    algorithm: bytes = ECDSA_SHA256,
    version: bytes = integer(1),
) -> bytes:
    """A list written by hand, as no builder writes it, and signed by the right key."""
    body = sequence(
        version,
        algorithm,
        distinguished_name(ISSUER).public_bytes(),
        this_update,
        next_update,
        *([sequence(*entries)] if entries else []),
    )
    signature = KEY.sign(body, ec.ECDSA(hashes.SHA256()))
    return sequence(body, ECDSA_SHA256, b"\x03" + octet_string(b"\0" + signature)[1:])


def extended(value: x509.ExtensionType, *, critical: bool) -> bytes:
    added = x509.Extension(value.oid, critical, value)
    return replace(PROFILE, extensions=(added,)).sign(KEY)


def test_a_verified_list_is_its_serial_numbers_and_its_window() -> None:
    crl = verify(replace(PROFILE, revoked=(1, 2**159 - 1)).sign(KEY))

    assert crl.issuer == distinguished_name(ISSUER)
    assert crl.issuer_spki == b"spki"
    assert crl.revoked == {1, 2**159 - 1}
    assert crl.validity.kind == "crl"
    assert crl.validity.check == "test.crl"
    assert crl.validity.not_before == AT.timestamp()
    assert crl.validity.not_after == (AT + timedelta(days=30)).timestamp()


def test_a_list_may_be_empty() -> None:
    assert verify(PROFILE.sign(KEY)).revoked == frozenset()


def test_a_list_written_by_hand_is_sound_where_nothing_is_wrong() -> None:
    assert verify(written(entry(5), entry(6, extension(REASON, KEY_COMPROMISE)))).revoked == {5, 6}


def test_a_serial_number_that_is_listed_twice_is_revoked_once() -> None:
    assert verify(written(entry(5), entry(5))).revoked == {5}


def test_a_negative_serial_number_on_a_list_harms_nobody() -> None:
    assert verify(written(entry(-5))).revoked == {-5}


def test_an_entry_is_revoked_even_where_its_reason_says_otherwise() -> None:
    remove_from_crl = b"\x0a\x01\x08"

    assert verify(written(entry(5, extension(REASON, remove_from_crl)))).revoked == {5}


@pytest.mark.parametrize(
    "entry_extensions",
    [
        [extension(REASON, KEY_COMPROMISE), extension(REASON, KEY_COMPROMISE)],
        [extension(REASON, KEY_COMPROMISE, critical=True)],
        [extension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00", critical=True)],
        [extension(REASON, b"\x0a\x01\x63")],
        [extension(REASON, b"")],
        [extension(CRLEntryExtensionOID.CERTIFICATE_ISSUER, b"\x30\x00", critical=True)],
        [extension(CRLEntryExtensionOID.CERTIFICATE_ISSUER, b"\x03\x00")],
        [extension(CRLEntryExtensionOID.INVALIDITY_DATE, b"\x18\x00")],
    ],
    ids=[
        "the same twice",
        "critical reason",
        "unknown critical",
        "unknown reason",
        "empty reason",
        "critical issuer",
        "broken issuer",
        "broken date",
    ],
)
def test_an_entry_that_says_more_than_we_understand_is_refused(
    entry_extensions: list[bytes],
) -> None:
    assert refused(written(entry(4), entry(5, *entry_extensions))) == "crl_format"


@pytest.mark.parametrize("critical", [True, False])
@pytest.mark.parametrize(
    "value",
    [
        x509.IssuingDistributionPoint(
            full_name=None,
            relative_name=None,
            only_contains_user_certs=True,
            only_contains_ca_certs=False,
            only_some_reasons=None,
            indirect_crl=False,
            only_contains_attribute_certs=False,
        ),
        x509.DeltaCRLIndicator(1),
    ],
    ids=["distribution point", "delta"],
)
def test_a_partial_list_is_refused(value: x509.ExtensionType, critical: bool) -> None:  # noqa: FBT001  a parameter
    assert refused(extended(value, critical=critical)) == "crl_format"


def test_an_unknown_critical_extension_is_refused() -> None:
    value = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")

    assert refused(extended(value, critical=True)) == "crl_format"
    assert verify(extended(value, critical=False)).revoked == frozenset()


def test_an_empty_bit_string_in_an_extension_is_refused_cleanly() -> None:
    """CH-23: some parser panicked on it, before the signature was looked at."""
    only_some_reasons = sequence(b"\x83\x00")
    value = x509.UnrecognizedExtension(ExtensionOID.ISSUING_DISTRIBUTION_POINT, only_some_reasons)

    assert refused(extended(value, critical=True)) == "crl_format"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\x30\x80\0\0",
        PROFILE.sign(KEY) + b"\0",
        PROFILE.sign(KEY)[:-1],
        PROFILE.sign(KEY).hex().encode(),
        x509.load_der_x509_crl(PROFILE.sign(KEY)).public_bytes(Encoding.PEM),
        written(version=integer(0)),
        written(this_update=generalized_time("00000101000000Z")),
        written(this_update=generalized_time("20261332000000Z")),
        written(next_update=generalized_time("99991231235960Z")),
        written(next_update=b"\x17\x00"),
    ],
    ids=[
        "nothing",
        "zero",
        "indefinite",
        "trailing byte",
        "cut",
        "hex",
        "PEM",
        "version 1 with a number",
        "year 0",
        "month 13",
        "leap second",
        "empty time",
    ],
)
def test_what_is_not_one_der_list_is_refused(data: bytes) -> None:
    assert refused(data) == "crl_format"


def test_a_list_beyond_four_megabytes_is_refused_though_it_is_sound() -> None:
    small, large = (written(*[entry(5)] * count) for count in (1_000, 230_000))

    assert verify(small).revoked == {5}
    assert len(large) > 4 * 1024 * 1024
    assert refused(large) == "crl_format"


def test_a_list_without_an_end_is_refused() -> None:
    assert refused(written(next_update=b"")) == "crl_format"


def test_a_list_may_end_with_the_year_9999() -> None:
    crl = verify(written(next_update=generalized_time("99991231235959Z")))

    assert crl.validity.not_after == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()


def test_another_issuer_s_list_is_refused() -> None:
    assert refusal_of(lambda: verify(PROFILE.sign(KEY), issuer="Intel SGX Root CA")) == (
        "test.crl.crl_issuer",
    )


def test_the_refusal_tells_issuers_of_one_common_name_apart() -> None:
    with pytest.raises(UntrustedEvidenceError) as caught:
        verify_of(PROFILE.sign(KEY), name(ISSUER))

    [finding] = caught.value.findings
    assert finding.expected.removeprefix("issuer ") != finding.actual


def test_a_forged_list_is_refused() -> None:
    """CH-05: the list with the revoked serial number left out, signed by somebody else."""
    assert refused(PROFILE.sign(generate_key())) == "crl_signature"


def test_a_list_with_a_changed_serial_number_is_refused() -> None:
    data = replace(PROFILE, revoked=(0x1122334455,)).sign(KEY)

    changed = data.replace(bytes.fromhex("1122334455"), bytes.fromhex("1122334456"))

    assert refused(changed) == "crl_signature"


def test_a_list_signed_with_another_hash_is_refused() -> None:
    assert refused(replace(PROFILE, digest=hashes.SHA384).sign(KEY)) == "crl_signature"


def test_a_list_that_names_two_algorithms_is_refused() -> None:
    sha384 = sequence(asn1.encode_der(x509.ObjectIdentifier("1.2.840.10045.4.3.3")))

    assert refused(written(algorithm=sha384)).startswith("crl_")


def test_an_issuer_s_name_does_not_flood_the_finding() -> None:
    data = replace(PROFILE, issuer="\x1b[31m" + "x" * 59).sign(KEY)

    with pytest.raises(UntrustedEvidenceError) as caught:
        verify(data)

    actual = caught.value.findings[0].actual
    assert actual.isprintable()
    assert len(actual) < 150


def test_a_signature_that_is_not_of_whole_bytes_is_refused() -> None:
    # A last bit of 0 may be left out of the count, or the list would not even parse.
    genuine = written()
    while genuine[-1] & 1:
        genuine = written()
    signature = x509.load_der_x509_crl(genuine).signature
    unused_bits = len(genuine) - len(signature) - 1
    respelled = genuine[:unused_bits] + b"\1" + genuine[unused_bits + 1 :]

    assert x509.load_der_x509_crl(respelled).signature == signature
    assert verify(genuine).revoked == frozenset()
    assert refused(respelled) == "crl_format"


@pytest.mark.property
@given(
    st.one_of(
        st.binary(max_size=400),
        spliced(replace(PROFILE, revoked=(1, 2, 3)).sign(KEY)),
        spliced(written(entry(5, extension(REASON, KEY_COMPROMISE)))),
    )
)
def test_any_bytes_are_a_verified_list_or_a_finding(data: bytes) -> None:
    with contextlib.suppress(UntrustedEvidenceError):
        verify(data)
