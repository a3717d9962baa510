from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from assay.endorsements.stored import write_stored
from assay.errors import CollateralUnavailableError, SettingsError
from assay.server.app import create_app
from assay.server.checkup.network import check_collateral, check_port
from assay.service.checkup import CheckSkippedError
from assay.simulator import SimulatedPlatform
from assay.simulator.pcs import pcs_app
from assay.store import CollateralRecord, Store
from tests.conftest import AT
from tests.servers.loopback import loopback
from tests.servers.tls import tls_identity
from tests.serving import make_services
from tests.unit.server.checkup.conftest import Load, make_store


@pytest.fixture
def pcs(platform: SimulatedPlatform) -> Iterator[str]:
    with loopback(pcs_app(platform, now=lambda: AT)) as url:
        yield url


def _port(url: str) -> int:
    return urlsplit(url).port or 0


def test_a_free_port_can_be_listened_at(load: Load) -> None:
    assert check_port(load()) == "127.0.0.1 port 0 can be listened at"


def test_a_service_that_runs_is_no_other_program(load: Load) -> None:
    with loopback(create_app(make_services())) as url:
        assert "the service runs" in check_port(load(port=_port(url)))


def _nothing(_request: object) -> Response:
    return Response("not json")


@pytest.mark.parametrize("routes", [[], [Route("/health/live", _nothing)]])
def test_another_program_at_the_address_is_told(routes: list[Route], load: Load) -> None:
    with loopback(Starlette(routes=routes)) as url, pytest.raises(SettingsError, match="stop what"):
        check_port(load(port=_port(url)))


def test_what_does_not_speak_http_is_another_program(load: Load) -> None:
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as taken,
        pytest.raises(SettingsError, match="cannot listen"),
    ):
        check_port(load(port=taken.getsockname()[1]))


def test_an_address_of_another_machine_is_told(load: Load) -> None:
    settings = load(host="192.0.2.1", port=8080)

    with pytest.raises(SettingsError, match=r"cannot listen at 192.0.2.1"):
        check_port(settings)


@pytest.mark.parametrize(("own", "expected"), [(True, "the service runs"), (False, "stop what")])
def test_over_tls_the_certificate_tells_whose_program_it_is(
    load: Load, tmp_path: Path, expected: str, *, own: bool
) -> None:
    shown, other = tmp_path / "shown.pem", tmp_path / "other.pem"
    for path in (shown, other):
        certificate, key = tls_identity("127.0.0.1", at=AT)
        path.write_bytes(certificate.public_bytes(Encoding.PEM))
        path.with_suffix(".key").write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
    chosen = shown if own else other

    with loopback(Starlette(), certificate=shown, key=shown.with_suffix(".key")) as url:
        settings = load(
            port=_port(url),
            tls__certificate=str(chosen),
            tls__key=str(chosen.with_suffix(".key")),
        )
        try:
            said = check_port(settings)
        except SettingsError as error:
            said = error.message

    assert expected in said


def test_a_program_without_tls_is_another_one(load: Load, tmp_path: Path) -> None:
    certificate, _ = tls_identity("127.0.0.1", at=AT)
    (tmp_path / "tls.pem").write_bytes(certificate.public_bytes(Encoding.PEM))

    with loopback(Starlette()) as url:
        files = {"tls__certificate": str(tmp_path / "tls.pem"), "tls__key": "tls.key"}
        settings = load(port=_port(url), **files)
        with pytest.raises(SettingsError, match="stop what"):
            check_port(settings)


def test_a_source_that_answers_in_date_is_in_order(load: Load, pcs: str) -> None:
    said = check_collateral(load(collateral__url=pcs), at=AT)

    assert said == f"pcs:{pcs} answers"


def test_what_is_kept_of_a_source_is_counted(load: Load, pcs: str) -> None:
    settings = load(collateral__url=pcs)
    make_store(settings)
    with closing(Store.open(settings.database_url())) as store:
        for name, end in (("old", AT - timedelta(days=1)), ("new", AT + timedelta(days=1))):
            store.collateral.put(
                CollateralRecord(key=name, document=b"", fetched_at=AT, expires_at=end)
            )

    said = check_collateral(settings, at=AT)

    assert said.endswith("; 2 documents are kept here, 1 of them past their time")


def test_a_source_whose_lists_have_ended_is_told(load: Load, pcs: str) -> None:
    with pytest.raises(
        CollateralUnavailableError, match=r"a root CA CRL that ended at .*; refresh"
    ):
        check_collateral(load(collateral__url=pcs), at=AT + timedelta(days=3650))


def test_a_source_that_does_not_answer_is_told(load: Load) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    settings = load(collateral__url=f"http://127.0.0.1:{port}")

    with pytest.raises(CollateralUnavailableError) as caught:
        check_collateral(settings, at=AT)

    assert caught.value.findings[0].hint == "check the address, the network and the proxy"


def test_a_simulated_platform_brings_its_own(load: Load, tmp_path: Path) -> None:
    with pytest.raises(CheckSkippedError):
        check_collateral(load(dev=True, simulator=str(tmp_path)), at=AT)


def test_files_are_read_and_their_dates_looked_at(
    load: Load, platform: SimulatedPlatform, tmp_path: Path
) -> None:
    file = tmp_path / "collateral.json"
    file.write_text(json.dumps(write_stored(platform.collateral(AT))))
    settings = load(collateral__source="path", collateral__path=str(file))

    assert check_collateral(settings, at=AT).startswith(f"1 sets at {file}, in date until")
    with pytest.raises(
        CollateralUnavailableError, match=r"1 of 1 sets .* past their time.*; fetch"
    ):
        check_collateral(settings, at=AT + timedelta(days=3650))


def test_files_that_are_not_there_are_told(load: Load, tmp_path: Path) -> None:
    settings = load(collateral__source="path", collateral__path=str(tmp_path / "none"))

    with pytest.raises(CollateralUnavailableError):
        check_collateral(settings, at=AT)
