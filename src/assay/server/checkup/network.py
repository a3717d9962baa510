"""What the service meets on the network: its own address, and where collateral comes from."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ssl
from datetime import datetime
from http import HTTPStatus
from typing import Final

import httpx2
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from assay import clock
from assay.endorsements.fetch import FetchLimits
from assay.endorsements.network import NetworkSource
from assay.endorsements.sources import open_source
from assay.endorsements.stored import StoredSet, StoredSource
from assay.errors import CollateralUnavailableError, SettingsError, StoreUnavailableError
from assay.server.assembly import open_store
from assay.server.collateral import source_name
from assay.server.run import open_listener
from assay.server.settings import CollateralSettings, Settings
from assay.service.checkup import CheckSkippedError

_ONE_ATTEMPT: Final = FetchLimits(attempts=1)
_ANSWER_SECONDS: Final = 3.0
_WILDCARDS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  compared, not bound


def check_port(settings: Settings) -> str:
    """Check that the service can listen at its address, or does so already.

    Raises:
        SettingsError: It cannot, or another program listens there.
    """
    address = f"{settings.host} port {settings.port}"
    try:
        open_listener(settings, settings.port).close()
    except SettingsError as error:
        cause = error.__cause__
        in_use = isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE
        if in_use and _is_running(settings):
            return f"the service runs, and answers at {address}"
        raise
    return f"{address} can be listened at"


def check_collateral(settings: Settings, *, at: datetime) -> str:
    """Check that the source of collateral answers, and that what it has is in date.

    Raises:
        CollateralUnavailableError: It is not so.
        SettingsError: The source's address is of no use.
        CheckSkippedError: A simulated platform brings its own.
    """
    if settings.simulator is not None:
        raise CheckSkippedError("the simulated platform brings its own")
    source = open_source(source_name(settings.collateral), now=clock.now, limits=_ONE_ATTEMPT)
    if isinstance(source, StoredSource):
        return _check_sets(settings.collateral, source.sets, at=at)
    assert isinstance(source, NetworkSource)  # noqa: S101  there is no third kind
    end = asyncio.run(_end_of_crl(source))
    if end is not None and end < at:
        raise CollateralUnavailableError(
            f"{source.name} has a root CA CRL that ended at {_text(end)}; refresh what the "
            "service has, and check this machine's clock"
        )
    return f"{source.name} answers{_kept(settings, at=at)}"


def _check_sets(settings: CollateralSettings, sets: tuple[StoredSet, ...], *, at: datetime) -> str:
    ends = [one.label.expires for one in sets if one.label is not None]
    past = [end for end in ends if end < at]
    if past:
        raise CollateralUnavailableError(
            f"{len(past)} of {len(sets)} sets at {settings.path} are past their time, the first "
            f"since {_text(min(past))}; fetch them anew with `assay collateral fetch`"
        )
    until = f", in date until {_text(min(ends))}" if ends else ""
    return f"{len(sets)} sets at {settings.path}{until}"


async def _end_of_crl(source: NetworkSource) -> datetime | None:
    try:
        document = await source.root_ca_crl()
    finally:
        await source.close()
    return x509.load_der_x509_crl(document).next_update_utc


def _kept(settings: Settings, *, at: datetime) -> str:
    # What is wrong with the store has a line of its own.
    with contextlib.suppress(SettingsError, StoreUnavailableError), open_store(settings) as store:
        kept, expired = store.collateral.count(at=at)
        return f"; {kept} documents are kept here, {expired} of them past their time"
    return ""


def _is_running(settings: Settings) -> bool:
    host = _WILDCARDS.get(settings.host, settings.host)
    if settings.tls.certificate is not None:
        # Nothing but its certificate tells, without believing whoever answers.
        own = x509.load_pem_x509_certificates(settings.tls.certificate.read_bytes())[0]
        with contextlib.suppress(OSError):
            shown = ssl.get_server_certificate((host, settings.port), timeout=_ANSWER_SECONDS)
            return shown == own.public_bytes(Encoding.PEM).decode("ascii")
        return False
    url = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/health/live"
    with contextlib.suppress(httpx2.HTTPError, ValueError):
        answer = httpx2.get(url, timeout=_ANSWER_SECONDS, trust_env=False)
        return answer.status_code == HTTPStatus.OK and answer.json() == {"status": "live"}
    return False


def _text(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
