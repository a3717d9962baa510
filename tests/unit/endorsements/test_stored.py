from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from assay.endorsements.bundle import BUNDLE_SUFFIX, MAX_BUNDLE_ENTRIES, BundleEntry, export_bundle
from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.platform import DcapPlatform, PckCa, Tee
from assay.endorsements.source import EvaluationSelection, GatheredCollateral, OpenSource
from assay.endorsements.stored import ENDORSEMENTS_SUFFIX, StoredSource, load_sets
from assay.simulator.openenclave import endorsements, with_header
from assay.simulator.tcb import signed_body
from tests.conftest import AT
from tests.refusals import unavailability_of
from tests.unit.endorsements.stored_collateral import (
    COLLATERAL,
    PLATFORM,
    STORED,
    UNAVAILABLE,
    single,
)

OTHER: Final = PLATFORM.with_settings(fmspc=b"others")
OTHERS: Final = OTHER.collateral(AT)
UNKNOWN: Final = DcapPlatform(tee=Tee.SGX, fmspc=bytes(6), pceid=bytes(2), ca=PckCa.PROCESSOR)
KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def bundle(*sets: DcapCollateral, key: Ed25519PrivateKey | None = None) -> bytes:
    entries = [BundleEntry(collateral=found, source="a test", fetched_at=AT) for found in sets]
    return export_bundle(entries, signing_key=key)


def write_documents(folder: Path, collateral: DcapCollateral = COLLATERAL) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    c = collateral
    contents = {
        "tcb.json": signed_body("tcbInfo", c.tcb_info, c.tcb_info_signature),
        "tcb_signing_chain.pem": c.tcb_info_issuer_chain,
        "qe_identity.json": signed_body("enclaveIdentity", c.qe_identity, c.qe_identity_signature),
        "rootca.crl": c.root_ca_crl,
        "pck.crl": c.pck_crl,
        "pck_crl_issuer_chain.pem": c.pck_crl_issuer_chain,
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


def held(path: Path) -> list[DcapCollateral]:
    return [found.gathered.collateral for found in StoredSource(path).sets]


def refused(path: Path) -> tuple[str, ...]:
    return unavailability_of(lambda: StoredSource(path))


# Forms


@pytest.mark.parametrize(
    "data",
    [
        STORED,
        b"\n  " + STORED,
        bundle(COLLATERAL),
        endorsements(COLLATERAL, AT),
        with_header(endorsements(COLLATERAL, AT)),
    ],
)
def test_a_file_is_known_by_how_it_begins(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any.name"
    path.write_bytes(data)

    assert held(path) == [COLLATERAL]


def test_a_folder_of_documents_is_one_set(tmp_path: Path) -> None:
    source = StoredSource(write_documents(tmp_path))

    (found,) = source.sets
    assert found.gathered.collateral == COLLATERAL
    assert found.gathered.source == str(tmp_path)
    assert found.label is not None


def test_a_folder_of_documents_may_have_another_chain_for_the_identity(tmp_path: Path) -> None:
    write_documents(tmp_path)
    chain = COLLATERAL.qe_identity_issuer_chain + b"\n"
    (tmp_path / "qe_identity_signing_chain.pem").write_bytes(chain)

    assert held(tmp_path) == [replace(COLLATERAL, qe_identity_issuer_chain=chain)]


def test_a_folder_of_documents_may_be_as_a_cache_serves_them(tmp_path: Path) -> None:
    write_documents(tmp_path)
    (tmp_path / "pck.crl").write_bytes(COLLATERAL.pck_crl.hex().encode())
    (tmp_path / "rootca.crl").write_bytes(COLLATERAL.root_ca_crl.hex().upper().encode())

    assert held(tmp_path) == [COLLATERAL]


@pytest.mark.parametrize(
    "name",
    [
        "tcb_signing_chain.pem",
        "qe_identity.json",
        "rootca.crl",
        "pck.crl",
        "pck_crl_issuer_chain.pem",
    ],
)
def test_a_folder_of_documents_that_lacks_one_is_refused(tmp_path: Path, name: str) -> None:
    (write_documents(tmp_path) / name).unlink()

    assert refused(tmp_path) == UNAVAILABLE


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("tcb.json", "dcap.tcb_info.collateral_format"),
        ("tcb_signing_chain.pem", "dcap.tcb_info_chain.cert_format"),
        ("qe_identity.json", "dcap.qe_identity.collateral_format"),
        ("qe_identity_signing_chain.pem", "dcap.qe_identity_chain.cert_format"),
        ("rootca.crl", "dcap.root_ca_crl.crl_format"),
        ("pck.crl", "dcap.pck_crl.crl_format"),
        ("pck_crl_issuer_chain.pem", "dcap.pck_crl_chain.cert_format"),
    ],
)
def test_a_document_that_is_something_else_is_refused_by_its_name(
    tmp_path: Path, name: str, code: str
) -> None:
    (write_documents(tmp_path) / name).write_bytes(b"?")

    assert refused(tmp_path) == (code,)


def test_a_folder_holds_what_is_in_it_to_the_bottom_in_the_order_of_names(tmp_path: Path) -> None:
    third = PLATFORM.with_settings(fmspc=b"third!").collateral(AT)
    fourth = PLATFORM.with_settings(fmspc=b"fourth").collateral(AT)
    write_documents(tmp_path / "a" / "b")
    (tmp_path / f"b{ENDORSEMENTS_SUFFIX}").write_bytes(endorsements(OTHERS, AT))
    (tmp_path / f"c{BUNDLE_SUFFIX}").write_bytes(bundle(third))
    (tmp_path / "d.json").write_bytes(single(fourth))

    assert held(tmp_path) == [COLLATERAL, OTHERS, third, fourth]


def test_one_file_of_a_folder_counts_alone_if_it_has_the_name(tmp_path: Path) -> None:
    (tmp_path / "collateral.json").write_bytes(STORED)
    (tmp_path / "about.json").write_bytes(b"{}")

    assert held(tmp_path) == [COLLATERAL]


def test_other_and_hidden_files_of_a_folder_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(STORED)
    (tmp_path / "quote.bin").write_bytes(endorsements(OTHERS, AT))
    (tmp_path / "README.md").write_bytes(b"# Collateral")
    (tmp_path / ".b.json").write_bytes(b"half written")
    write_documents(tmp_path / "..data", OTHERS)

    assert held(tmp_path) == [COLLATERAL]


# What is refused


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"not JSON", b"\xff", STORED[:-1]])
def test_a_file_that_is_no_collateral_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "collateral"
    path.write_bytes(data)

    assert refused(path) == UNAVAILABLE


def test_a_malformed_file_is_refused_among_good_ones(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(STORED)
    (tmp_path / "b.json").write_bytes(b"{}")

    assert refused(tmp_path) == UNAVAILABLE


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (bundle(COLLATERAL)[:-2], "collateral.bundle.bundle_format"),
        (endorsements(COLLATERAL, AT)[:-1], "openenclave.endorsements.oe_format"),
    ],
)
def test_a_defect_keeps_the_code_of_its_form(tmp_path: Path, data: bytes, code: str) -> None:
    path = tmp_path / "collateral"
    path.write_bytes(data)

    assert refused(path) == (code,)


def test_a_path_with_nothing_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path) == UNAVAILABLE
    assert refused(tmp_path / "missing") == UNAVAILABLE


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)

    assert refused(tmp_path) == UNAVAILABLE
    assert refused(pipe) == UNAVAILABLE


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "collateral.json"
    with path.open("wb") as stream:
        stream.truncate(64 * 1024 * 1024 + 1)

    assert refused(path) == UNAVAILABLE


def test_a_folder_that_contains_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(STORED)
    (tmp_path / "loop").symlink_to(tmp_path)

    assert refused(tmp_path) == UNAVAILABLE


def test_too_many_sets_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(STORED)
    for number in range(MAX_BUNDLE_ENTRIES):
        (tmp_path / f"b{number}.json").symlink_to(tmp_path / "a.json")

    assert refused(tmp_path) == UNAVAILABLE


# Labels and choice


def test_a_single_set_that_says_nothing_of_itself_is_left_to_the_verification(
    tmp_path: Path,
) -> None:
    path = tmp_path / "collateral.json"
    path.write_bytes(single(replace(COLLATERAL, tcb_info=b"{}")))

    source = StoredSource(path)

    assert source.sets[0].label is None
    assert source.select(UNKNOWN).collateral.tcb_info == b"{}"
    assert source.select(UNKNOWN, EvaluationSelection("20")).collateral.tcb_info == b"{}"


def test_of_several_sets_each_must_say_what_it_is_for(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(STORED)
    (tmp_path / "b.json").write_bytes(single(replace(COLLATERAL, tcb_info=b"{}")))

    assert refused(tmp_path) == UNAVAILABLE


def test_a_single_set_is_for_every_platform(tmp_path: Path) -> None:
    path = tmp_path / "collateral.json"
    path.write_bytes(STORED)

    assert StoredSource(path).select(UNKNOWN).collateral == COLLATERAL


def test_a_single_set_is_not_of_every_number(tmp_path: Path) -> None:
    path = tmp_path / "collateral.json"
    path.write_bytes(STORED)
    source = StoredSource(path)

    codes = unavailability_of(lambda: source.select(UNKNOWN, EvaluationSelection("19")))

    assert codes == UNAVAILABLE
    assert source.select(UNKNOWN, EvaluationSelection("20")).collateral == COLLATERAL


def test_of_several_sets_the_one_for_the_platform_is_given(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    path.write_bytes(bundle(COLLATERAL, OTHERS))
    source = StoredSource(path)

    assert source.select(PLATFORM.dcap_platform).collateral == COLLATERAL
    assert source.select(OTHER.dcap_platform).collateral == OTHERS
    assert unavailability_of(lambda: source.select(UNKNOWN)) == UNAVAILABLE


@pytest.mark.parametrize("name", ["standard", "early"])
def test_the_highest_number_and_then_the_newest_issue_is_given(tmp_path: Path, name: str) -> None:
    newer = PLATFORM.collateral(AT + timedelta(days=1))
    lower = PLATFORM.collateral(AT + timedelta(days=2), number=19)
    path = tmp_path / "bundle"
    path.write_bytes(bundle(lower, newer, COLLATERAL))
    source = StoredSource(path)

    assert source.select(PLATFORM.dcap_platform, EvaluationSelection(name)).collateral == newer
    assert source.select(PLATFORM.dcap_platform, EvaluationSelection("20")).collateral == newer
    assert source.select(PLATFORM.dcap_platform, EvaluationSelection("19")).collateral == lower
    codes = unavailability_of(
        lambda: source.select(PLATFORM.dcap_platform, EvaluationSelection("18"))
    )
    assert codes == UNAVAILABLE


def test_between_equals_the_order_of_files_does_not_decide(tmp_path: Path) -> None:
    twin = replace(COLLATERAL, tcb_info_signature=bytes(64))
    chosen = []
    for names in (("a", "b"), ("b", "a")):
        for name, found in zip(names, (COLLATERAL, twin), strict=True):
            (tmp_path / f"{name}.json").write_bytes(single(found))
        chosen.append(StoredSource(tmp_path).select(PLATFORM.dcap_platform).collateral)

    assert chosen[0] == chosen[1]


def test_it_gathers_as_every_source_does(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    path.write_bytes(bundle(COLLATERAL, OTHERS))
    source: OpenSource = StoredSource(path)

    async def gather() -> GatheredCollateral:
        gathered = await source.gather(OTHER.dcap_platform)
        await source.close()
        return gathered

    gathered = asyncio.run(gather())

    assert source.name == str(path)
    assert gathered.collateral == OTHERS
    assert not gathered.stale


# Provenance


def test_a_file_was_fetched_when_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "collateral.json"
    path.write_bytes(STORED)
    os.utime(path, (AT.timestamp(), AT.timestamp()))

    (found,) = load_sets(path)

    assert found.gathered.fetched_at == AT
    assert found.gathered.source == str(path)


def test_a_time_before_the_epoch_counts_as_the_epoch(tmp_path: Path) -> None:
    path = tmp_path / "collateral.json"
    path.write_bytes(STORED)
    os.utime(path, (-86400, -86400))

    assert load_sets(path)[0].gathered.fetched_at == datetime(1970, 1, 1, tzinfo=UTC)


def test_a_bundle_tells_its_own_times_and_sources(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    path.write_bytes(bundle(COLLATERAL))

    (found,) = load_sets(path)

    assert found.gathered.fetched_at == AT
    assert found.gathered.source == f"a test, in {path}"


# A key to trust


def signed_folder(tmp_path: Path) -> Path:
    (tmp_path / f"a{BUNDLE_SUFFIX}").write_bytes(bundle(COLLATERAL, key=KEY))
    return tmp_path


def test_with_a_key_to_trust_its_bundles_are_read(tmp_path: Path) -> None:
    source = StoredSource(signed_folder(tmp_path), trusted_key=KEY.public_key())

    assert source.select(UNKNOWN).collateral == COLLATERAL


@pytest.mark.parametrize(
    ("add", "code"),
    [
        (lambda folder: (folder / "b.json").write_bytes(STORED), UNAVAILABLE[0]),
        (
            lambda folder: (folder / f"b{ENDORSEMENTS_SUFFIX}").write_bytes(
                endorsements(OTHERS, AT)
            ),
            UNAVAILABLE[0],
        ),
        (lambda folder: write_documents(folder / "b"), UNAVAILABLE[0]),
        (
            lambda folder: (folder / f"b{BUNDLE_SUFFIX}").write_bytes(bundle(OTHERS)),
            "collateral.bundle.bundle_signature",
        ),
    ],
    ids=["single file", "endorsements", "documents", "bundle"],
)
def test_with_a_key_to_trust_nothing_unsigned_is_read(
    tmp_path: Path, add: Callable[[Path], object], code: str
) -> None:
    add(signed_folder(tmp_path))

    codes = unavailability_of(lambda: StoredSource(tmp_path, trusted_key=KEY.public_key()))

    assert codes == (code,)
