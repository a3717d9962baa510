from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import MalformedEvidenceError
from assay.evidence.tpm.allowance import Allowance
from assay.evidence.tpm.efi_variable import (
    GLOBAL_GUID,
    SECURITY_GUID,
    Signature,
    is_variable,
    parse_authority,
    parse_signature_lists,
    parse_variable,
)
from assay.simulator.uefi_boot import OWNER, SECURITY, signature_list, variable_data

X509 = UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072")
OWNER_TEXT = str(OWNER).upper()


def refused(data: bytes) -> bool:
    with pytest.raises(MalformedEvidenceError) as caught:
        parse_signature_lists(data, Allowance())
    return [finding.check for finding in caught.value.findings] == ["tpm.event_log.event_format"]


def test_a_variable_has_vendor_name_and_data() -> None:
    variable = parse_variable(variable_data("SecureBoot", b"\1"))

    assert (variable.guid, variable.name, variable.data) == (GLOBAL_GUID, "SecureBoot", b"\1")
    assert not variable.is_key_database


def test_a_variable_may_be_empty() -> None:
    assert parse_variable(variable_data("", b"")).data == b""


@pytest.mark.parametrize(
    ("name", "guid", "expected"),
    [("PK", None, True), ("db", SECURITY, True), ("db", X509, False), ("Boot0000", None, False)],
)
def test_databases_of_keys_have_their_names_and_vendors(
    name: str, guid: UUID | None, *, expected: bool
) -> None:
    data = variable_data(name, b"") if guid is None else variable_data(name, b"", guid)

    assert parse_variable(data).is_key_database is expected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        variable_data("x", b"data")[:-1],
        variable_data("x", b"data") + b"\0",
        OWNER.bytes_le + (1025).to_bytes(8, "little") + bytes(8 + 2050),
        OWNER.bytes_le + b"\xff" * 16,
        OWNER.bytes_le + (1).to_bytes(8, "little") + bytes(8) + b"\0\xd8",
    ],
)
def test_a_variable_that_does_not_follow_its_format_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedEvidenceError):
        parse_variable(data)
    assert not is_variable(data)


def test_a_tail_of_zeros_is_allowed_where_boot_loaders_leave_one() -> None:
    data = variable_data("Shim", b"x")

    assert parse_variable(data + bytes(8), with_tail=True).data == b"x"
    for tail in (bytes(9), b"\0\1"):
        with pytest.raises(MalformedEvidenceError):
            parse_variable(data + tail, with_tail=True)


def test_signature_lists_follow_each_other() -> None:
    one, two = signature_list(X509, b"certificate"), signature_list(UUID(int=7), b"1", b"2")

    lists = parse_signature_lists(one + two, Allowance())

    assert [(one.type_name, len(one.signatures)) for one in lists] == [
        ("EFI_CERT_X509_GUID", 1),
        ("", 2),
    ]
    assert lists[0].type == str(X509).upper()
    assert lists[0].signatures == (Signature(OWNER_TEXT, b"certificate"),)


def test_no_bytes_are_no_lists() -> None:
    assert parse_signature_lists(b"", Allowance()) == ()


def test_a_lists_header_is_no_signature() -> None:
    data = signature_list(X509, b"certificate", header=OWNER.bytes_le + b"a hash")

    (only,) = parse_signature_lists(data, Allowance())

    assert [one.data for one in only.signatures] == [b"certificate"]


@pytest.mark.parametrize(
    "sizes",
    [
        (0, 0, 48),
        (27, 0, 48),
        (2**32 - 1, 0, 48),
        (76, 1, 48),
        (76, 2**32 - 1, 48),
        (76, 0, 0),
        (76, 0, 16),
        (76, 0, 47),
        (76, 0, 2**32 - 1),
    ],
)
def test_sizes_that_do_not_add_up_are_refused(sizes: tuple[int, int, int]) -> None:
    data = X509.bytes_le + b"".join(size.to_bytes(4, "little") for size in sizes) + bytes(48)

    assert refused(data)


def test_a_list_without_signatures_is_none_the_less_one() -> None:
    data = X509.bytes_le + (28).to_bytes(4, "little") + bytes(4) + (48).to_bytes(4, "little")

    assert [one.signatures for one in parse_signature_lists(data, Allowance())] == [()]


def test_signatures_are_taken_from_the_allowance() -> None:
    data = signature_list(X509, b"1", b"2", b"3")

    assert parse_signature_lists(data, Allowance(3))
    with pytest.raises(MalformedEvidenceError) as caught:
        parse_signature_lists(data, Allowance(2))
    assert caught.value.findings[0].check == "tpm.event_log.limit"


def test_an_authority_is_an_entry_with_its_owner_or_a_bare_certificate() -> None:
    certificate = b"\x30\x82\x00\x02ab"

    assert parse_authority(OWNER.bytes_le + certificate) == Signature(OWNER_TEXT, certificate)
    assert parse_authority(certificate) is None
    # An owner may begin as a certificate does.
    assert parse_authority(certificate + bytes(20)) is not None


@pytest.mark.parametrize("data", [b"", bytes(15), b"\x30\x82", b"\x30\x82\0"])
def test_an_authority_too_short_for_either_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedEvidenceError):
        parse_authority(data)


@pytest.mark.property
@given(
    st.text(st.characters(codec="utf-16-le", max_codepoint=0xFFFF), max_size=20),
    st.binary(max_size=40),
)
def test_what_was_written_is_read(name: str, data: bytes) -> None:
    variable = parse_variable(variable_data(name, data, SECURITY))

    assert (variable.guid, variable.name, variable.data) == (SECURITY_GUID, name, data)
