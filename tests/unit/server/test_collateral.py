from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from assay.endorsements.bundle import BundleEntry, export_bundle
from assay.errors import SettingsError
from assay.server.collateral import CollateralShelf, open_collateral
from assay.server.settings import CollateralKind, CollateralSettings
from assay.store import Store
from tests.conftest import AT
from tests.serving import simulated_platform


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(f"sqlite:///{tmp_path}/assay.sqlite3")
    store.upgrade()
    yield store
    store.close()


def test_what_is_put_on_the_shelf_is_there(store: Store) -> None:
    shelf = CollateralShelf(store)

    shelf.put("a", b"1", fetched_at=AT, expires_at=AT + timedelta(days=1))
    shelf.put("a", b"2", fetched_at=AT, expires_at=AT + timedelta(days=1))

    assert shelf.get("a") == b"2"
    assert shelf.get("b") is None


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (CollateralSettings(), "pcs"),
        (CollateralSettings(source=CollateralKind.THIM), "thim"),
        (CollateralSettings(source=CollateralKind.PCCS, url="https://a.example"), "a.example"),
    ],
)
def test_a_service_is_known_by_its_name(
    settings: CollateralSettings, name: str, store: Store
) -> None:
    source = open_collateral(settings, store)
    asyncio.run(source.close())

    assert name in source.name


def test_collateral_may_come_from_a_file(store: Store, tmp_path: Path) -> None:
    entry = BundleEntry(
        collateral=simulated_platform().collateral(AT), source="test", fetched_at=AT
    )
    file = tmp_path / "some.assay-bundle"
    file.write_bytes(export_bundle([entry]))
    source = open_collateral(CollateralSettings(source=CollateralKind.PATH, path=file), store)

    gathered = asyncio.run(source.gather(simulated_platform().dcap_platform))

    assert gathered.collateral == entry.collateral


def test_a_path_without_collateral_is_refused(store: Store, tmp_path: Path) -> None:
    settings = CollateralSettings(source=CollateralKind.PATH, path=tmp_path / "none")

    with pytest.raises(SettingsError, match=r"^collateral\.path: "):
        open_collateral(settings, store)


def test_a_path_is_a_path_even_if_it_is_spelled_like_a_service(store: Store) -> None:
    settings = CollateralSettings(source=CollateralKind.PATH, path=Path("pcs"))

    with pytest.raises(SettingsError, match=r"^collateral\.path: .*/pcs"):
        open_collateral(settings, store)
