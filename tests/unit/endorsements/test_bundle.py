from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from assay.encoding import JsonValue, encode_json, parse_json_object
from assay.endorsements.bundle import (
    BUNDLE_FORMAT,
    BUNDLE_SIGNATURE,
    BUNDLE_START,
    MAX_BUNDLE_ENTRIES,
    MAX_BUNDLE_SIZE,
    BundleEntry,
    export_bundle,
    open_bundle,
)
from assay.endorsements.bundle_key import key_fingerprint
from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.intel import verify_collateral
from assay.errors import CollateralUnavailableError
from assay.simulator import SimulatedPlatform
from tests.conftest import AT
from tests.mutations import spliced
from tests.refusals import unavailability_of

PLATFORM: Final = SimulatedPlatform.create(AT)
OTHER: Final = PLATFORM.with_settings(fmspc=b"others")
KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STRANGER: Final = Ed25519PrivateKey.from_private_bytes(bytes(32))


def entry(platform: SimulatedPlatform = PLATFORM, at: datetime = AT) -> BundleEntry:
    return BundleEntry(collateral=platform.collateral(at), source="a test", fetched_at=at)


ONE: Final = entry()
TWO: Final = entry(OTHER)
BUNDLE: Final = export_bundle([ONE, TWO])
SIGNED: Final = export_bundle([ONE, TWO], signing_key=KEY)
MANIFEST_LINES: Final = 3


def lines_of(data: bytes) -> list[bytes]:
    return data.split(b"\n")[:-1]


def joined(lines: Sequence[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def with_line(index: int, **members: JsonValue) -> bytes:
    lines = lines_of(BUNDLE)
    lines[index] = encode_json({**parse_json_object(lines[index], "line"), **members})
    return joined(lines)


def refused(data: bytes) -> None:
    assert unavailability_of(lambda: open_bundle(data)) == (BUNDLE_FORMAT,)


# What is written


def test_what_is_exported_is_opened_again() -> None:
    opened = open_bundle(BUNDLE)

    assert set(opened.entries) == {ONE, TWO}
    assert opened.signed_by is None


def test_what_is_opened_verifies_as_before() -> None:
    (opened,) = open_bundle(export_bundle([ONE])).entries

    assert opened.collateral.digest == ONE.collateral.digest
    verify_collateral(opened.collateral, roots=PLATFORM.anchors)


def test_the_same_sets_give_the_same_bytes() -> None:
    assert export_bundle([TWO, ONE, TWO]) == BUNDLE
    assert export_bundle(iter([TWO, ONE]), signing_key=KEY) == SIGNED
    assert export_bundle(open_bundle(BUNDLE).entries) == BUNDLE


def test_the_manifest_tells_what_each_set_is_for() -> None:
    lines = lines_of(export_bundle([ONE]))

    row = parse_json_object(lines[1], "row")

    documents = row.pop("documents")
    assert lines[0] == BUNDLE_START + b'1,"entries":1}'
    assert row == {
        "tee": "sgx",
        "fmspc": PLATFORM.settings.fmspc.hex(),
        "pceid": PLATFORM.settings.pceid.hex(),
        "ca": "platform",
        "evaluation_number": 20,
        "issued": "2026-11-23T00:00:00Z",
        "expires": "2026-12-23T00:00:00Z",
        "source": "a test",
        "fetched_at": "2026-11-23T12:00:00Z",
    }
    assert documents == {
        part.name: hashlib.sha256(getattr(ONE.collateral, part.name)).hexdigest()
        for part in fields(DcapCollateral)
        if part.init
    }


def test_a_document_of_several_sets_is_held_once_and_in_order() -> None:
    written = [
        parse_json_object(line, "line")["sha256"] for line in lines_of(BUNDLE)[MANIFEST_LINES + 1 :]
    ]
    own = {
        hashlib.sha256(getattr(found.collateral, part.name)).hexdigest()
        for found in (ONE, TWO)
        for part in fields(DcapCollateral)
        if part.init
    }

    assert written == sorted(own)
    assert len(written) < 2 * 9


def test_text_is_held_as_text_and_the_rest_in_hexadecimal() -> None:
    values = [parse_json_object(line, "line") for line in lines_of(BUNDLE)[MANIFEST_LINES + 1 :]]

    assert {"text": ONE.collateral.tcb_info.decode()}.items() <= max(
        values, key=lambda value: ONE.collateral.tcb_info.decode() == value.get("text")
    ).items()
    assert ONE.collateral.pck_crl.hex() in [value.get("hex") for value in values]


@pytest.mark.parametrize(
    "moment",
    [
        AT.replace(microsecond=1),
        AT.astimezone(timezone(timedelta(hours=5, minutes=30))),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
    ],
)
def test_a_time_of_fetching_comes_back_as_it_was(moment: datetime) -> None:
    (opened,) = open_bundle(export_bundle([replace(ONE, fetched_at=moment)])).entries

    assert opened.fetched_at == moment
    assert opened.fetched_at.tzinfo is UTC


def test_a_chain_that_is_not_utf_8_is_carried_as_it_is() -> None:
    collateral = replace(ONE.collateral, pck_crl_issuer_chain=b"\xff-----BEGIN")

    (opened,) = open_bundle(export_bundle([replace(ONE, collateral=collateral)])).entries

    assert opened.collateral == collateral


def test_nothing_cannot_be_exported() -> None:
    assert unavailability_of(lambda: export_bundle([])) == (BUNDLE_FORMAT,)


def test_too_many_sets_cannot_be_exported() -> None:
    entries = [replace(ONE, source=f"source {number}") for number in range(MAX_BUNDLE_ENTRIES + 1)]

    assert unavailability_of(lambda: export_bundle(entries)) == (BUNDLE_FORMAT,)


def test_too_much_cannot_be_exported() -> None:
    collateral = replace(ONE.collateral, pck_crl_issuer_chain=b"x" * MAX_BUNDLE_SIZE)

    codes = unavailability_of(lambda: export_bundle([replace(ONE, collateral=collateral)]))

    assert codes == (BUNDLE_FORMAT,)


def test_documents_that_do_not_parse_cannot_be_exported() -> None:
    collateral = replace(ONE.collateral, tcb_info=b"{}")

    codes = unavailability_of(lambda: export_bundle([replace(ONE, collateral=collateral)]))

    assert codes == ("appraisal.collateral.unavailable",)


@pytest.mark.parametrize("source", ["a\nb", "\x1b[31m", "x" * 513])
def test_a_source_that_would_spoil_a_terminal_cannot_be_exported(source: str) -> None:
    codes = unavailability_of(lambda: export_bundle([replace(ONE, source=source)]))

    assert codes == (BUNDLE_FORMAT,)


# What is refused


def test_a_document_that_was_changed_is_refused() -> None:
    refused(with_line(-1, text="changed"))


def test_a_document_under_another_digest_is_refused() -> None:
    refused(with_line(-1, sha256="0" * 64))


def test_a_document_that_is_missing_is_refused() -> None:
    refused(joined(lines_of(BUNDLE)[:-1]))


def test_a_document_that_no_set_lists_is_refused() -> None:
    data = b"more"
    line = encode_json({"sha256": hashlib.sha256(data).hexdigest(), "text": "more"})

    refused(BUNDLE + line + b"\n")


def test_a_document_given_twice_is_refused() -> None:
    refused(BUNDLE + lines_of(BUNDLE)[-1] + b"\n")


def test_documents_in_another_order_are_refused() -> None:
    lines = lines_of(BUNDLE)

    refused(joined([*lines[:-2], lines[-1], lines[-2]]))


def test_a_document_in_hexadecimal_that_could_be_text_is_refused() -> None:
    lines = lines_of(BUNDLE)
    index, text = next(
        (index, value["text"])
        for index, line in enumerate(lines)
        if isinstance((value := parse_json_object(line, "line")).get("text"), str)
    )
    digest = parse_json_object(lines[index], "line")["sha256"]
    lines[index] = encode_json({"sha256": digest, "hex": str(text).encode().hex()})

    refused(joined(lines))


def test_sets_in_another_order_are_refused() -> None:
    lines = lines_of(BUNDLE)

    refused(joined([lines[0], lines[2], lines[1], *lines[3:]]))


def test_a_set_given_twice_is_refused() -> None:
    lines = lines_of(export_bundle([ONE]))

    refused(joined([BUNDLE_START + b'1,"entries":2}', lines[1], *lines[1:]]))


@pytest.mark.parametrize(
    "claim",
    [
        {"tee": "tdx"},
        {"fmspc": "000000000000"},
        {"pceid": "0001"},
        {"ca": "processor"},
        {"evaluation_number": 21},
        {"issued": "2026-11-24T00:00:00Z"},
        {"expires": "2027-11-24T00:00:00Z"},
        {"more": 1},
        {"fetched_at": "2026-11-23T12:00:00+00:00"},
        {"fetched_at": "2026-11-23"},
        {"fetched_at": "now"},
        {"fetched_at": "0001-01-01T00:00:00+14:00"},
        {"fetched_at": 0},
        {"source": "\x1b[31m"},
        {"documents": {}},
        {"documents": {"../../passwd": "0" * 64}},
    ],
)
def test_a_row_that_tells_other_than_its_documents_is_refused(claim: dict[str, Any]) -> None:
    refused(with_line(1, **claim))


@pytest.mark.parametrize(
    "header",
    [
        {"assay_bundle": 2},
        {"assay_bundle": "1"},
        {"entries": 0},
        {"entries": -1},
        {"entries": 1},
        {"entries": 3},
        {"entries": MAX_BUNDLE_ENTRIES + 1},
        {"entries": 2**63},
        {"more": 1},
    ],
)
def test_another_first_line_is_refused(header: dict[str, Any]) -> None:
    refused(with_line(0, **header))


@pytest.mark.parametrize("signature", ["", "00", "xy" * 64, 1, "00" * 65, "AB" * 64])
def test_a_signature_of_another_form_is_refused(signature: JsonValue) -> None:
    refused(with_line(MANIFEST_LINES, signature=signature))


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"{}", b"{}\n{}\n{}\n", BUNDLE_START, b"\xff", b"[]\n", BUNDLE[:-1]]
)
def test_what_is_no_bundle_is_refused(data: bytes) -> None:
    refused(data)


def test_what_was_formatted_anew_is_refused() -> None:
    refused(BUNDLE.replace(b'":', b'": '))
    refused(BUNDLE.replace(b"\n", b"\r\n"))
    refused(BUNDLE + b"\n")


def test_what_is_too_large_is_refused_before_it_is_read() -> None:
    refused(bytes(MAX_BUNDLE_SIZE + 1))
    refused(BUNDLE_START + b"\n" * 50_000)


def test_a_bundle_is_cut_short_nowhere() -> None:
    for end in range(0, len(BUNDLE), 61):
        refused(BUNDLE[:end])


# Signatures


def test_the_signature_of_the_trusted_key_is_told() -> None:
    opened = open_bundle(SIGNED, trusted_key=KEY.public_key())

    assert opened.signed_by == key_fingerprint(KEY.public_key())
    assert opened.entries == open_bundle(BUNDLE).entries


def test_the_signature_is_over_the_lines_above_it() -> None:
    lines = lines_of(SIGNED)
    signature = parse_json_object(lines[MANIFEST_LINES], "line")["signature"]

    KEY.public_key().verify(bytes.fromhex(str(signature)), joined(lines[:MANIFEST_LINES]))


def test_without_a_key_to_trust_nobody_is_said_to_have_signed() -> None:
    assert open_bundle(SIGNED).signed_by is None


@pytest.mark.parametrize("data", [BUNDLE, export_bundle([ONE, TWO], signing_key=STRANGER)])
def test_without_the_signature_of_the_trusted_key_a_bundle_is_refused(data: bytes) -> None:
    codes = unavailability_of(lambda: open_bundle(data, trusted_key=KEY.public_key()))

    assert codes == (BUNDLE_SIGNATURE,)


def test_a_signature_does_not_cover_another_choice_of_sets() -> None:
    lines = lines_of(export_bundle([ONE]))
    lines[2] = lines_of(SIGNED)[MANIFEST_LINES]

    codes = unavailability_of(lambda: open_bundle(joined(lines), trusted_key=KEY.public_key()))

    assert codes == (BUNDLE_SIGNATURE,)


def test_a_key_cannot_come_with_the_bundle() -> None:
    refused(with_line(MANIFEST_LINES, public_key="00" * 32))


# Any input


@pytest.mark.property
@given(st.binary(max_size=64) | spliced(BUNDLE) | spliced(SIGNED))
def test_any_bytes_are_a_bundle_as_it_was_written_or_refused(data: bytes) -> None:
    try:
        opened = open_bundle(data)
    except CollateralUnavailableError:
        return

    unsigned = export_bundle(opened.entries)
    assert lines_of(unsigned)[:MANIFEST_LINES] == lines_of(data)[:MANIFEST_LINES]


@pytest.mark.property
@given(spliced(SIGNED))
def test_no_change_passes_under_a_signature(data: bytes) -> None:
    try:
        opened = open_bundle(data, trusted_key=KEY.public_key())
    except CollateralUnavailableError:
        return

    assert data == SIGNED
    assert opened.signed_by is not None


@pytest.mark.property
@given(
    st.lists(
        st.builds(
            BundleEntry,
            collateral=st.sampled_from([ONE.collateral, TWO.collateral]),
            source=st.text(max_size=20).filter(str.isprintable),
            fetched_at=st.datetimes(timezones=st.just(UTC)),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_what_is_written_is_read(entries: list[BundleEntry]) -> None:
    data = export_bundle(entries)

    opened = open_bundle(data)

    assert set(opened.entries) == set(entries)
    assert export_bundle(opened.entries) == data
