"""Collateral of every vector in every form that it is stored in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from assay.encoding import JsonValue, encode_json
from assay.endorsements.anchors import intel_sgx_anchors
from assay.endorsements.bundle import BundleEntry, export_bundle, open_bundle
from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.intel import verify_collateral
from assay.endorsements.openenclave import (
    parse_any_endorsements,
    parse_endorsements,
    parse_tdx_endorsements,
)
from assay.endorsements.platform import PckCa, Tee
from assay.endorsements.stored import StoredSource, read_stored, write_stored
from assay.evidence.sgx import parse_quote, quote_platform, verify_quote
from tests.corpus.dcap import read_collateral, read_sidecar, read_vector
from tests.vectors import vector_params, vector_paths

UNLABELLED = {
    "pki-tcbtype-1",
    "pki-ti-0-components",
    "sgx3-ti-wrapped",
    "tdx4-ti-wrapped",
    "tdx5-crl-empty",
    "tdx5-crl-trailing",
    "tdx5-ti-as-qi",
}
"""Made cases whose defect is a document that does not parse."""


def the_set_at(path: Path) -> DcapCollateral:
    (found,) = StoredSource(path).sets
    return found.gathered.collateral


@pytest.mark.parametrize("path", vector_params("dcap/*/*/collateral.json"))
def test_the_single_file_of_every_vector_loads(path: Path) -> None:
    (found,) = StoredSource(path).sets

    collateral = found.gathered.collateral
    assert collateral == read_collateral(path)
    assert (found.label is None) == (path.parent.name in UNLABELLED)
    stored = encode_json(dict[str, JsonValue](write_stored(collateral)))
    assert read_stored(stored, origin="a test") == collateral


@pytest.mark.parametrize("folder", vector_params("dcap/real/*/pcs"))
def test_a_folder_of_documents_is_the_same_set_as_the_single_file(folder: Path) -> None:
    assert the_set_at(folder) == the_set_at(folder.parent / "collateral.json")


@pytest.mark.parametrize("folder", vector_params("dcap/real/sgx-*"))
def test_a_quote_finds_its_collateral_and_verifies_with_it_in_either_form(folder: Path) -> None:
    vector = read_vector(folder)
    quote = parse_quote(vector.evidence)

    for path in (folder, folder / "pcs"):
        (found,) = StoredSource(path).sets
        assert found.label is not None
        assert found.label.fits(quote_platform(quote))
        assert found.gathered.collateral == vector.context.collateral
    assert verify_quote(quote, vector.context).tcb.status == vector.sidecar["expected"]["status"]


@pytest.mark.parametrize("folder", vector_params("dcap/real/tdx-*"))
def test_the_label_of_a_tdx_set_is_for_tdx(folder: Path) -> None:
    (found,) = StoredSource(folder).sets
    expected = read_sidecar(folder)["tcb_info"]

    assert found.label is not None
    assert found.label.platform.tee is Tee.TDX
    assert found.label.evaluation_number <= expected["tcbEvaluationDataNumber"]


def test_all_real_collateral_fits_in_one_bundle(vectors: Path) -> None:
    entries = _entries(vector_paths("dcap/real/*/collateral.json"))

    data = export_bundle(entries)

    opened = open_bundle(data).entries
    assert {entry.collateral for entry in opened} == {entry.collateral for entry in entries}
    assert export_bundle(reversed(opened)) == data
    assert len(data) < sum(
        path.stat().st_size for path in vectors.glob("dcap/real/*/collateral.json")
    )


def test_in_a_bundle_every_real_quote_finds_collateral_of_its_platform(
    vectors: Path, tmp_path: Path
) -> None:
    path = tmp_path / "all.assay-bundle"
    path.write_bytes(export_bundle(_entries(vector_paths("dcap/real/*/collateral.json"))))
    source = StoredSource(path)

    for folder in sorted(vectors.glob("dcap/real/sgx-*")):
        platform = quote_platform(parse_quote((folder / "quote.bin").read_bytes()))
        verify_collateral(source.select(platform).collateral, roots=intel_sgx_anchors())


@pytest.mark.parametrize("path", vector_params("dcap/oe/oe-endorsements-sgx*.bin"))
def test_real_sgx_endorsements_verify(path: Path) -> None:
    collateral = parse_endorsements(path.read_bytes())

    verified = verify_collateral(collateral, roots=intel_sgx_anchors())

    (found,) = StoredSource(path).sets
    assert found.gathered.collateral == collateral == parse_any_endorsements(path.read_bytes())
    assert found.label is not None
    assert found.label.platform.ca is PckCa.PROCESSOR
    assert found.label.issued == datetime(2022, 4, 26, 23, 28, 9, tzinfo=UTC)
    assert verified.tcb_info.fmspc.hex() == "00906ed50000"
    assert verified.tcb_info.version == 2


def test_real_sgx_endorsements_are_the_same_with_their_header(vectors: Path) -> None:
    folder = vectors / "dcap" / "oe"

    assert the_set_at(folder / "oe-endorsements-sgx.bin") == the_set_at(
        folder / "oe-endorsements-sgx.with-header.bin"
    )


@pytest.mark.parametrize("path", vector_params("dcap/oe/oe-tdx_quote_v5_endorsement_eval21.bin"))
def test_real_tdx_endorsements_hold_what_was_read_from_them_elsewhere(path: Path) -> None:
    collateral = parse_tdx_endorsements(path.read_bytes())

    assert collateral == read_collateral(path.with_suffix(".collateral.json"))
    assert collateral == the_set_at(path)
    sizes = [row["size"] for row in json.loads(path.with_suffix(".json").read_text())["layout"]]
    assert sum(sizes) + 8 + 7 * 16 == path.stat().st_size


def _entries(paths: Iterable[Path]) -> list[BundleEntry]:
    return [
        BundleEntry(
            collateral=the_set_at(path),
            source=path.parent.name,
            fetched_at=datetime.fromtimestamp(read_sidecar(path.parent)["verification_time"], UTC),
        )
        for path in paths
    ]
