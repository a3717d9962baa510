from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import stamina

from assay.encoding import encode_json
from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.sources import DIALECTS, open_source
from assay.endorsements.stored import write_stored
from assay.errors import CollateralUnavailableError, SettingsError
from assay.simulator import SimulatedPlatform
from tests.conftest import AT


def name_of(text: str, ca_file: Path | None = None) -> str:
    source = open_source(text, now=lambda: AT, ca_file=ca_file)
    asyncio.run(source.close())
    return source.name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("pcs", "pcs"),
        ("pcs:https://api.trustedservices.intel.com", "pcs"),
        ("pcs:https://api.trustedservices.intel.com/sgx/certification/v4/", "pcs"),
        ("pcs:http://127.0.0.1:8090", "pcs:http://127.0.0.1:8090"),
        ("pccs:https://pccs.example:8081", "pccs:https://pccs.example:8081"),
        ("pccs:https://pccs.example:8081/", "pccs:https://pccs.example:8081"),
        ("pccs:https://pccs.example/sgx/certification/v4", "pccs:https://pccs.example"),
        ("pccs:http://localhost:8081", "pccs:http://localhost:8081"),
        ("pccs:http://[::1]:8081", "pccs:http://[::1]:8081"),
        ("thim", "thim"),
        ("thim:https://global.acccache.azure.net/sgx/certification/v4/", "thim"),
        (
            "thim:http://169.254.169.254/metadata/THIM",
            "thim:http://169.254.169.254/metadata/THIM",
        ),
    ],
)
def test_services_are_opened_by_their_names(text: str, name: str) -> None:
    assert name_of(text) == name
    assert name_of(name) == name


def test_a_path_is_opened_as_stored_collateral(tmp_path: Path, platform: SimulatedPlatform) -> None:
    collateral = platform.collateral(AT)
    file = tmp_path / "collateral.json"
    file.write_bytes(encode_json(dict(write_stored(collateral))))

    async def ask() -> DcapCollateral:
        source = open_source(str(file), now=lambda: AT)
        gathered = await source.gather(platform.dcap_platform)
        await source.close()
        return gathered.collateral

    assert asyncio.run(ask()) == collateral
    assert name_of(str(file)) == str(file)


def test_a_path_with_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(CollateralUnavailableError, match="nothing"):
        open_source(str(tmp_path / "nothing"), now=lambda: AT)


def test_a_caching_service_needs_its_address() -> None:
    with pytest.raises(SettingsError, match=r"expected its address, got none; write it as pccs:"):
        open_source("pccs", now=lambda: AT)


@pytest.mark.parametrize("kind", DIALECTS)
@pytest.mark.parametrize(
    "address",
    [
        "",
        "pccs.example",
        "https://",
        "ftp://pccs.example",
        "file:///etc/collateral",
        "https://pccs.example:0",
        "https://pccs.example:port",
        "https://pccs.example?fmspc=1",
        "https://pccs.example#here",
        "https://[pccs",
        "https://pccs.example/" + "a" * 512,
        "http://pccs.example",
        "http://10.0.0.1:8081",
        "http://localhost.example",
    ],
)
def test_an_address_of_no_use_is_refused_with_the_way_to_write_it(kind: str, address: str) -> None:
    with pytest.raises(SettingsError, match=f"collateral source '{kind}': expected"):
        open_source(f"{kind}:{address}", now=lambda: AT)


def test_credentials_in_an_address_are_refused_and_not_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        open_source("pccs:https://user:secret@pccs.example", now=lambda: AT)

    assert "secret" not in caught.value.message
    assert "without credentials" in caught.value.message


def test_a_ca_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"roots\.pem"):
        name_of("pccs:https://pccs.example", tmp_path / "roots.pem")


def test_retries_are_not_reported_where_answers_go() -> None:
    name_of("pcs")

    assert stamina.instrumentation.get_on_retry_hooks() == ()
