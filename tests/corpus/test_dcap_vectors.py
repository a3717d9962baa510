"""Real and made SGX quotes against what Intel's own library says of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assay.endorsements.tcb import TcbStatus
from assay.errors import AssayError, MalformedEvidenceError
from assay.evidence.sgx import parse_quote, quote_platform, verify_quote
from tests.corpus.dcap import read_sidecar, read_vector
from tests.vectors import vector_params, vector_paths

DECIDED_OTHERWISE = {
    "pki-high-s-quote": "ECDSA's malleability is legal: Intel's own signatures are not normalised",
    "pki-v4-sgx-type": "version 4 with an SGX body is a legal quote, and is supported",
    "pki-v5-sgx-body": "version 5 with an SGX body is a legal quote, and is supported",
}
"""Cases of severity `info` where we accept what others refuse."""


def _is_sgx(folder: Path) -> bool:
    """By the TEE type of the quote; what is too short to have one is a made SGX case."""
    quote = (folder / "quote.bin").read_bytes()
    return int.from_bytes(quote[4:8], "little") != 0x81 and not folder.name.startswith("tdx")


def _params(pattern: str) -> list[object]:
    if not vector_paths(pattern):
        return list(vector_params(pattern))
    return [
        parameter
        for parameter in vector_params(pattern)
        if isinstance(folder := parameter.values[0], Path) and folder.is_dir() and _is_sgx(folder)
    ]


@pytest.mark.parametrize("folder", _params("dcap/real/*"))
def test_a_real_quote_has_the_status_that_intels_library_gives(folder: Path) -> None:
    vector = read_vector(folder)

    verified = verify_quote(parse_quote(vector.evidence), vector.context)

    expected = vector.sidecar["expected"]
    assert verified.tcb.status == expected["status"]
    assert list(verified.tcb.advisory_ids) == expected["advisory_ids"]
    assert verified.tcb.platform_status == expected["platform_status"]
    assert verified.tcb.qe_status == expected["qe_status"]
    assert verified.tcb.tcb_date_text == expected["tcb_date"]
    assert verified.tcb.tcb_info_number == vector.sidecar["tcb_info"]["tcbEvaluationDataNumber"]
    assert not verified.simulated


@pytest.mark.parametrize("folder", _params("dcap/made/*"))
def test_a_made_quote_is_accepted_or_refused_for_its_one_defect(folder: Path) -> None:
    expected = read_sidecar(folder)
    vector = read_vector(folder)

    try:
        verified = verify_quote(parse_quote(vector.evidence), vector.context)
    except AssayError as error:
        classes = {finding.error_class for finding in error.findings}
        assert expected["expect"] == "REJECT", classes
        assert classes & set(expected["error_classes"]), classes
    else:
        assert expected["expect"] != "REJECT" or folder.name in DECIDED_OTHERWISE
        if expected["expect"] != "REJECT":
            assert verified.tcb.status == expected["expect"]


@pytest.mark.parametrize("folder", _params("dcap/real/*"))
def test_every_byte_of_a_real_quote_matters_or_is_padding(folder: Path) -> None:
    """A sample of one flipped bit in each stretch of the quote: all are refused."""
    vector = read_vector(folder)
    quote = parse_quote(vector.evidence)
    verify_quote(quote, vector.context)

    for offset in range(0, quote.declared_size, 97):
        changed = bytearray(vector.evidence)
        changed[offset] ^= 0x40
        with pytest.raises(AssayError):
            verify_quote(parse_quote(bytes(changed)), vector.context)


@pytest.mark.parametrize("path", vector_params("dcap/parse-only/*.bin"))
def test_a_quote_without_collateral_parses_or_is_refused_by_name(path: Path) -> None:
    sidecar = json.loads(path.with_suffix(".json").read_text())
    data = path.read_bytes()

    if sidecar["tee_type"] != "0x0":
        with pytest.raises(MalformedEvidenceError, match="TEE type 0 \\(SGX\\), got 0x81"):
            parse_quote(data)
        return
    quote = parse_quote(data)
    assert quote.header.version == sidecar["quote_version"]
    assert quote.signature.certification_type == sidecar["cert_data_type"]
    assert quote.declared_size == sidecar["declared"]
    if sidecar["fmspc"] is None:
        with pytest.raises(MalformedEvidenceError, match="PPID"):
            quote_platform(quote)
    else:
        assert quote_platform(quote).fmspc.hex() == sidecar["fmspc"]


def test_every_status_of_the_real_vectors_is_one_that_we_name() -> None:
    statuses = {
        read_sidecar(folder)["expected"]["status"]
        for folder in vector_paths("dcap/real/*")
        if folder.is_dir() and _is_sgx(folder)
    }

    assert statuses <= set(TcbStatus)
