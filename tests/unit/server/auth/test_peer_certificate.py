"""Client certificates over real TLS, through the server's own connection class and event loop."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
import uvicorn
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from starlette.types import Receive, Scope, Send

from assay.access import Right
from assay.errors import SettingsError, UnauthorizedError
from assay.server.answers import send_body
from assay.server.auth.assembly import open_authorizer
from assay.server.auth.peer_certificate import (
    client_certificate_context,
    identified_connection,
    peer_certificate,
    tls_extension,
)
from assay.server.auth.settings import AuthSettings, CertificateGrant, ClientCertificateSettings
from assay.server.settings import LimitSettings
from tests.certificates import CA_USAGE, Keys, Recipe, name, of_another_version, pem
from tests.conftest import AT
from tests.servers.tls import tls_identity

# TLS looks at the machine's own clock, so certificates are good for longer than any test.
_LONG: Final = timedelta(days=3650)
_KEYS: Final = Keys()
_AUTHORITY: Final = Recipe(
    subject=name("clients"),
    issuer=name("clients"),
    key=_KEYS.root.public_key(),
    ca=True,
    usage=CA_USAGE,
    validity=_LONG,
)


def _recipe(usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH) -> Recipe:
    return Recipe(
        subject=name("deploy"),
        issuer=name("clients"),
        key=_KEYS.leaf.public_key(),
        extensions=((x509.ExtendedKeyUsage([usage]), False),),
        validity=_LONG,
    )


_CERTIFICATE: Final = _recipe().sign(_KEYS.root)
_FINGERPRINT: Final = _CERTIFICATE.fingerprint(hashes.SHA256()).hex()


def _write_key(
    path: Path, key: ec.EllipticCurvePrivateKey, *certificates: x509.Certificate
) -> None:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(pem(*certificates) + private)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A TLS server that asks for client certificates; it answers with the caller, or 401."""

    folder: Path
    port: int

    async def ask(
        self,
        certificate: x509.Certificate | None,
        *,
        headers: dict[str, str] | None = None,
        version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    ) -> list[dict[str, str]]:
        """The answers to two requests on one connection."""
        context = ssl.create_default_context(cafile=self.folder / "server.pem")
        context.maximum_version = version
        if certificate is not None:
            _write_key(self.folder / "client.pem", _KEYS.leaf, certificate)
            context.load_cert_chain(self.folder / "client.pem")
        url = f"https://127.0.0.1:{self.port}"
        async with httpx2.AsyncClient(verify=context, base_url=url) as client:
            answers = [await client.get("/", headers=headers) for _ in range(2)]
        return [json.loads(answer.content) for answer in answers]


def _app(grants: tuple[CertificateGrant, ...]) -> Callable[..., Coroutine[Any, Any, None]]:
    settings = AuthSettings(
        client_certificates=ClientCertificateSettings(ca_file=Path("ca.pem"), grants=grants)
    )
    authorizer = open_authorizer(settings, api_tokens=None, dev=False, now=lambda: AT)

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        seen = {}
        if "extensions" in scope:
            tls = scope["extensions"]["tls"]
            seen = {"version": hex(tls["tls_version"]), "subject": str(tls["client_cert_name"])}
        try:
            caller = await authorizer.identify(scope)
            authorizer.check_right(caller, Right.READ, "a")
        except UnauthorizedError as error:
            seen["refused"] = error.findings[0].check
        else:
            seen["caller"] = caller.name
        await send_body(send, json.dumps(seen).encode())

    return app


def _tls(folder: Path) -> dict[str, Any]:
    """The server's side of TLS, as uvicorn wants it."""
    certificate, key = tls_identity("127.0.0.1", at=AT)
    _write_key(folder / "server.key", key)
    (folder / "server.pem").write_bytes(pem(certificate))
    (folder / "ca.pem").write_bytes(pem(_AUTHORITY.sign(_KEYS.root)))
    return {
        "ssl_certfile": folder / "server.pem",
        "ssl_keyfile": folder / "server.key",
        "ssl_context_factory": client_certificate_context(folder / "ca.pem"),
    }


@asynccontextmanager
async def _server(folder: Path, *, tls: bool = True) -> AsyncIterator[Server]:
    grant = CertificateGrant(
        name="ci", fingerprint=_FINGERPRINT, rights=(Right.READ,), instances=("a",)
    )
    config = uvicorn.Config(
        _app((grant,)),
        port=0,
        http=identified_connection(LimitSettings()),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        timeout_graceful_shutdown=1,
        **(_tls(folder) if tls else {}),
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield Server(folder=folder, port=server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        await task


def _answers(
    folder: Path,
    certificate: x509.Certificate | None,
    *,
    loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop,
    **options: Any,  # noqa: ANN401  of `ask`
) -> list[dict[str, str]]:
    async def main() -> list[dict[str, str]]:
        async with _server(folder) as server:
            return await server.ask(certificate, **options)

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main())


@pytest.mark.parametrize(
    "loop", [uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"]
)
def test_a_client_is_recognised_by_its_certificate(
    tmp_path: Path, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    answers = _answers(tmp_path, _CERTIFICATE, loop=loop)

    assert answers == [{"version": "0x304", "subject": "CN=deploy", "caller": "ci"}] * 2


def test_the_version_of_tls_does_not_matter(tmp_path: Path) -> None:
    answers = _answers(tmp_path, _CERTIFICATE, version=ssl.TLSVersion.TLSv1_2)

    assert answers == [{"version": "0x303", "subject": "CN=deploy", "caller": "ci"}] * 2


def test_a_client_without_a_certificate_is_served_as_nobody(tmp_path: Path) -> None:
    """ST-05."""
    (answer, _) = _answers(tmp_path, None)

    assert answer == {
        "version": "0x304",
        "subject": "None",
        "refused": "access.credential.missing",
    }


def test_a_certificate_is_never_read_from_a_header(tmp_path: Path) -> None:
    text = pem(_CERTIFICATE).decode().replace("\n", "%0A")
    headers = dict.fromkeys(
        ["x-client-cert", "x-ssl-cert", "client-cert", "x-arr-clientcert"], text
    )

    (answer, _) = _answers(tmp_path, None, headers=headers)

    assert answer["refused"] == "access.credential.missing"


def test_another_certificate_of_the_same_name_and_key_is_nobody(tmp_path: Path) -> None:
    """CH-18."""
    (answer, _) = _answers(tmp_path, replace(_recipe(), serial=8).sign(_KEYS.root))

    assert answer["refused"] == "access.certificate.unknown"


@pytest.mark.parametrize(
    "certificate",
    [
        _recipe().sign(_KEYS.ca),
        replace(_recipe(), issuer=name("deploy")).sign(_KEYS.leaf),
        replace(_recipe(), issuer=name("others")).sign(_KEYS.ca),
        _recipe(ExtendedKeyUsageOID.SERVER_AUTH).sign(_KEYS.root),
        replace(_recipe(), validity=timedelta(seconds=1)).sign(_KEYS.root),
    ],
    ids=["forged", "self-signed", "unknown CA", "for servers", "ended"],
)
def test_a_certificate_that_tls_does_not_verify_is_not_let_in(
    tmp_path: Path, certificate: x509.Certificate
) -> None:
    with pytest.raises(httpx2.TransportError):
        _answers(tmp_path, certificate)


def test_without_tls_there_is_nobody(tmp_path: Path) -> None:
    async def main() -> dict[str, str]:
        async with (
            _server(tmp_path, tls=False) as server,
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client,
        ):
            answer: dict[str, str] = (await client.get("/")).json()
            return answer

    assert asyncio.run(main()) == {"refused": "access.credential.missing"}


def test_a_file_of_cas_that_is_none_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_bytes(b"")
    config = uvicorn.Config(_app(()))

    for path in (tmp_path / "missing.pem", tmp_path / "empty.pem"):
        make = client_certificate_context(path)
        with pytest.raises(SettingsError, match="ca_file"):
            make(config, lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


def test_sessions_are_not_resumed(tmp_path: Path) -> None:
    """ST-10: a resumed session would skip the verification of the chain."""
    (tmp_path / "ca.pem").write_bytes(pem(_AUTHORITY.sign(_KEYS.root)))

    context = client_certificate_context(tmp_path / "ca.pem")(
        uvicorn.Config(_app(())), lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    )

    assert context.options & ssl.OP_NO_TICKET
    assert context.num_tickets == 0


# The scope


def _scope(**tls: object) -> Scope:
    return {"type": "http", "extensions": {"tls": tls}}


def test_a_connection_without_tls_has_no_certificate() -> None:
    assert tls_extension(None) is None
    assert peer_certificate({"type": "http"}) is None
    assert peer_certificate({"type": "http", "extensions": None}) is None
    assert peer_certificate({"type": "http", "extensions": {}}) is None
    assert peer_certificate(_scope(server_cert=None)) is None


def test_the_first_certificate_is_the_clients() -> None:
    texts = [pem(_CERTIFICATE).decode(), pem(_AUTHORITY.sign(_KEYS.root)).decode()]

    assert peer_certificate(_scope(client_cert_chain=iter(texts))) == _CERTIFICATE


@pytest.mark.parametrize(
    "tls",
    [
        {"client_cert_chain": [pem(_CERTIFICATE).decode()], "client_cert_error": "expired"},
        {"client_cert_error": "expired"},
        {"client_cert_chain": ["no certificate"]},
        {"client_cert_chain": ["ä"]},
        {"client_cert_chain": [""]},
    ],
)
def test_a_certificate_that_was_not_verified_is_refused(tls: dict[str, object]) -> None:
    with pytest.raises(UnauthorizedError) as caught:
        peer_certificate(_scope(**tls))

    assert caught.value.findings[0].check == "access.certificate.unverified"


class Connection:
    """A TLS connection that gives any certificate."""

    def __init__(self, der: bytes, *, mode: ssl.VerifyMode) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.verify_mode = mode
        self._der = der

    def getpeercert(self, *, binary_form: bool) -> bytes:
        assert binary_form
        return self._der

    def version(self) -> str:
        return "TLSv1.3"


def test_a_certificate_that_nobody_asked_for_is_not_read() -> None:
    """Where TLS does not verify, it gives the certificate all the same."""
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).verify_mode

    extension = tls_extension(Connection(_CERTIFICATE.public_bytes(Encoding.DER), mode=unverified))

    assert extension is not None
    assert extension["client_cert_chain"] == []


@pytest.mark.parametrize("der", [b"odd", base64.b64decode(of_another_version())])
def test_a_certificate_that_only_tls_understands_is_refused(der: bytes) -> None:
    extension = tls_extension(Connection(der, mode=ssl.CERT_OPTIONAL))

    assert extension is not None
    assert extension["client_cert_error"] == "it does not parse"
    with pytest.raises(UnauthorizedError):
        peer_certificate({"type": "http", "extensions": {"tls": extension}})
