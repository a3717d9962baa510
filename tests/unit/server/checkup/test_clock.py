from __future__ import annotations

import os
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from assay import clock
from assay.errors import SettingsError
from assay.server.checkup.clock import check_clock
from assay.store import InstanceRecord, Store, TrustModel
from tests.unit.server.checkup.conftest import Load, make_store


def test_a_clock_after_everything_that_is_kept_is_in_order(load: Load, tmp_path: Path) -> None:
    said = check_clock(load(), [tmp_path, tmp_path / "missing"], at=clock.now())

    assert said.endswith("nothing here is newer")


def test_a_file_of_the_future_shows_a_clock_that_is_behind(load: Load, tmp_path: Path) -> None:
    at = clock.now()
    later = (at + timedelta(days=1)).timestamp()
    os.utime(tmp_path, (later, later))

    with pytest.raises(SettingsError, match=f"{tmp_path} was written at .*; set the clock"):
        check_clock(load(), [tmp_path], at=at)


def test_the_program_itself_is_older_than_now(load: Load) -> None:
    with pytest.raises(SettingsError, match=r"assay/__init__.py was written at"):
        check_clock(load(), [], at=clock.now().replace(year=2019))


def test_a_record_of_the_future_shows_it_too(load: Load) -> None:
    settings = load()
    make_store(settings)
    at = clock.now() + timedelta(days=1)
    with closing(Store.open(settings.database_url())) as store:
        record = InstanceRecord(
            name="one", issuer="https://one.example", trust_model=TrustModel.AAD, created_at=at
        )
        store.instances.add(record)

    with pytest.raises(SettingsError, match="the newest audit record was written at"):
        check_clock(settings, [], at=clock.now())


def test_a_store_without_records_says_nothing(load: Load) -> None:
    settings = load()
    make_store(settings)

    assert check_clock(settings, [], at=clock.now())
