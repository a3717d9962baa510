"""Running a broker: one process, until it is told to stop. Needs the extra `server`."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import FrameType
from typing import Final

import uvicorn

from assay import clock
from assay.endorsements.anchors import Anchors, read_anchors
from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.platform import DcapPlatform
from assay.endorsements.stored import StoredSource
from assay.errors import SettingsError
from assay.keyrelease.app import broker_app
from assay.keyrelease.audit_file import AuditFile
from assay.keyrelease.broker import Broker, BrokerParts
from assay.keyrelease.challenges import Challenges
from assay.keyrelease.settings import BrokerFile, BrokerSettings, EvidenceSettings
from assay.keys import load_key_encryption_key
from assay.relying_party import KeySet, TokenDemands, load_key_set, require
from assay.relying_party.aio import AsyncTokenVerifier
from assay.relying_party.issuer_documents import AsyncHttpKeySource
from assay.relying_party.signer import SignerEvidence

_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_SHUTDOWN_SECONDS: Final = 10


def open_broker(file: BrokerFile) -> Broker:
    """The broker of a settings file, to be closed.

    Raises:
        SettingsError: A setting names what is not there or not fit.
        AuditError: The audit record was changed.
        TokenError: The key set file is no key set.
    """
    settings = file.settings
    secrets = file.secrets()
    key = load_key_encryption_key(file.path(settings.key_encryption_key_file))
    verifier = AsyncTokenVerifier(
        settings.issuer,
        demands=_demands(settings),
        keys=_keys(file),
        signer=_signer(file),
        now=clock.now,
    )
    return Broker(
        BrokerParts(
            secrets=secrets,
            verifier=verifier,
            challenges=Challenges(lifetime=timedelta(seconds=settings.challenge_seconds)),
            audit=AuditFile(file.path(settings.audit_file)),
            key=key,
            now=clock.now,
        )
    )


def serve_broker(file: BrokerFile, *, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT. To be called from the main thread.

    Args:
        file: The settings.
        announce: Called with the address once it can be called.

    Raises:
        SettingsError: The address cannot be had, or as `open_broker`.
        AuditError: As `open_broker`.
        TokenError: As `open_broker`.
    """
    settings = file.settings
    with _listening(settings) as listener:
        broker = open_broker(file)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        scheme = "http" if settings.tls is None else "https"
        announce(f"{scheme}://{host}:{listener.getsockname()[1]}")
        tls = settings.tls
        config = uvicorn.Config(
            broker_app(broker),
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
            ssl_certfile=None if tls is None else file.path(tls.certificate),
            ssl_keyfile=None if tls is None else str(file.path(tls.key)),
        )
        # uvicorn raises the signal again when it has shut down, for whoever was there before.
        with _handled():
            uvicorn.Server(config).run(sockets=[listener])


def _demands(settings: BrokerSettings) -> TokenDemands:
    return TokenDemands(
        policy_hashes=settings.policy_hashes,
        clock_skew=timedelta(seconds=settings.clock_skew_seconds),
        max_age=timedelta(seconds=settings.token_seconds),
        pins=settings.pins,
        allow_simulated=settings.allow_simulated,
    )


def _keys(file: BrokerFile) -> KeySet | AsyncHttpKeySource:
    settings = file.settings
    if settings.key_set_file is not None:
        return load_key_set(file.path(settings.key_set_file))
    ca_file = None if settings.ca_file is None else file.path(settings.ca_file)
    return AsyncHttpKeySource(settings.issuer, ca_file=ca_file)


def _signer(file: BrokerFile) -> SignerEvidence | None:
    settings = file.settings.service_evidence
    if settings is None:
        return None
    stored = file.path(settings.collateral)

    def collateral(platform: DcapPlatform) -> DcapCollateral:
        # Anew each time: whoever runs the broker replaces the files.
        return StoredSource(stored).select(platform).collateral

    return SignerEvidence(
        require(**settings.require),
        collateral=collateral,
        roots=_roots(file, settings) if settings.roots else None,
        mandatory=settings.mandatory,
        allow_debug=settings.allow_debug,
    )


def _roots(file: BrokerFile, settings: EvidenceSettings) -> Anchors:
    try:
        return read_anchors([file.path(name).read_bytes() for name in settings.roots])
    except OSError as error:
        raise SettingsError(f"service_evidence.roots: cannot read them: {error}") from error


@contextlib.contextmanager
def _listening(settings: BrokerSettings) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        raise SettingsError(
            f"cannot listen at {settings.host} port {settings.port}: {error.strerror}; stop what "
            "uses it, or set another host or port"
        ) from error
    with listener:
        yield listener


@contextlib.contextmanager
def _handled() -> Iterator[None]:
    def stopped(_signal: int, _frame: FrameType | None) -> None:
        """Have stopped."""

    previous = {number: signal.signal(number, stopped) for number in _STOP_SIGNALS}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)
