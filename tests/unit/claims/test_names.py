from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from assay.claims import CATALOGUE, ClaimName, ClaimType, ValueType, Where, claim_names, names
from tests.vectors import vector_params

TYPES = ["SgxEnclave", "OpenEnclave", "SevSnpVm", "TdxVm", "AzureGuest", "Tpm"]


JSON_TYPES: dict[ClaimType, type] = {
    ClaimType.BOOLEAN: bool,
    ClaimType.INTEGER: int,
    ClaimType.STRING: str,
    ClaimType.STRINGS: list,
    ClaimType.INTEGERS: list,
    ClaimType.OBJECT: dict,
}


def _recorded(pattern: str, attestation_type: str) -> list[ParameterSet]:
    return [
        pytest.param(*param.values, attestation_type, id=param.id, marks=param.marks)
        for param in vector_params(pattern)
    ]


def test_the_catalogue_has_every_attestation_type_of_the_protocol() -> None:
    assert list(CATALOGUE) == TYPES


@pytest.mark.parametrize("attestation_type", TYPES)
def test_every_name_is_written_once(attestation_type: str) -> None:
    rows = [
        name
        for group in (names._COMMON, _group(attestation_type))  # noqa: SLF001  the rows as written
        for _, _, spelled in group
        for name in spelled.split()
    ]

    assert sorted(rows) == sorted(claim_names(attestation_type))


@pytest.mark.parametrize("attestation_type", TYPES)
def test_every_row_is_found_under_its_own_name_and_occurs_somewhere(attestation_type: str) -> None:
    for name, row in claim_names(attestation_type).items():
        assert row.name == name
        assert row.where


@pytest.mark.parametrize("attestation_type", TYPES)
def test_policies_can_hold_every_incoming_claim_and_every_property(attestation_type: str) -> None:
    for row in claim_names(attestation_type).values():
        if row.where & (Where.INCOMING | Where.ISSUED | Where.CONFIGURATION):
            assert row.value_type is not None


@pytest.mark.parametrize("attestation_type", TYPES)
def test_dollar_names_are_incoming_only(attestation_type: str) -> None:
    dollars = [row for name, row in claim_names(attestation_type).items() if name.startswith("$")]

    assert {row.where for row in dollars} <= {Where.INCOMING}


@pytest.mark.parametrize(
    ("claim_type", "expected"),
    [
        (ClaimType.BOOLEAN, ValueType.BOOLEAN),
        (ClaimType.INTEGER, ValueType.INTEGER),
        (ClaimType.INTEGERS, ValueType.INTEGER),
        (ClaimType.STRING, ValueType.STRING),
        (ClaimType.STRINGS, ValueType.STRING),
        (ClaimType.OBJECT, None),
    ],
)
def test_value_type_is_what_policies_see(claim_type: ClaimType, expected: ValueType | None) -> None:
    assert ClaimName("name", claim_type, Where.INCOMING).value_type is expected


def test_incoming_is_what_the_service_gives_to_policies() -> None:
    sgx = claim_names("SgxEnclave")

    assert sgx["x-ms-sgx-mrsigner"].incoming
    assert sgx["$svn"].incoming
    assert not sgx["svn"].incoming
    assert not sgx["x-ms-sgx-collateral"].incoming


def test_open_enclave_says_what_sgx_says() -> None:
    assert claim_names("OpenEnclave") == claim_names("SgxEnclave")


def test_assays_own_claims_cover_the_tcb() -> None:
    sgx = claim_names("SgxEnclave")

    assert {name for name, row in sgx.items() if name.startswith("x-assay-") and row.incoming} == {
        "x-assay-advisory-ids",
        "x-assay-evaluation-number",
        "x-assay-tcb-date",
        "x-assay-tcb-status",
    }


def test_a_name_has_one_type_wherever_it_occurs() -> None:
    rows = itertools.chain.from_iterable(table.values() for table in CATALOGUE.values())
    types: dict[str, set[ClaimType]] = {}
    for row in rows:
        types.setdefault(row.name, set()).add(row.type)

    assert {name: kinds for name, kinds in types.items() if len(kinds) > 1} == {}


def test_an_unknown_attestation_type_is_refused() -> None:
    with pytest.raises(KeyError):
        claim_names("CyResComponent")


@pytest.mark.parametrize("attestation_type", TYPES)
def test_the_catalogue_does_not_change(attestation_type: str) -> None:
    with pytest.raises(TypeError):
        CATALOGUE[attestation_type]["other"] = None  # type: ignore[index]


@pytest.mark.parametrize(
    ("path", "attestation_type"),
    [
        *_recorded("maa/python/test_attestation.test_attest_*_enclave.json", "SgxEnclave"),
        *_recorded("maa/other/azurevm_*.json", "AzureGuest"),
        *_recorded("maa/other/sevsnp_*.json", "SevSnpVm"),
        *_recorded("maa/other/tdx_*.json", "TdxVm"),
    ],
)
def test_recorded_tokens_hold_what_the_catalogue_says(path: Path, attestation_type: str) -> None:
    tokens = _claim_sets(json.loads(path.read_text()))
    table = claim_names(attestation_type)

    assert tokens
    for claims in tokens:
        for name, value in claims.items():
            assert type(value) is JSON_TYPES[table[name].type], name


def _group(attestation_type: str) -> tuple[tuple[ClaimType, Where, str], ...]:
    return {
        "SgxEnclave": names._SGX,  # noqa: SLF001  the rows as written
        "OpenEnclave": names._SGX,  # noqa: SLF001
        "SevSnpVm": names._SNP,  # noqa: SLF001
        "TdxVm": names._TDX,  # noqa: SLF001
        "AzureGuest": names._AZURE_GUEST,  # noqa: SLF001
        "Tpm": names._TPM,  # noqa: SLF001
    }[attestation_type]


def _claim_sets(value: object) -> list[dict[str, object]]:
    if isinstance(value, dict):
        if "x-ms-attestation-type" in value and "exp" in value:
            return [value]
        return [found for member in value.values() for found in _claim_sets(member)]
    if isinstance(value, list):
        return [found for member in value for found in _claim_sets(member)]
    return []
