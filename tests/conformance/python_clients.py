"""The original service's clients from PyPI, unmodified: the blocking ones and those for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from azure.security.attestation import AttestationAdministrationClient, AttestationClient, aio

from tests.servers.three_instances import Signer, ThreeInstances

FLAVOURS: Final = ("sync", "aio")


@dataclass(frozen=True, slots=True)
class _Credential:
    """Whatever is asked for, this token."""

    token: str
    expires_on: int = 1 << 40

    def get_token(self, *_scopes: str, **_options: object) -> _Credential:
        return self


@dataclass(frozen=True, slots=True)
class _AsyncCredential:
    given: _Credential

    async def get_token(self, *_scopes: str, **_options: object) -> _Credential:
        return self.given


class Client(Protocol):
    """Either client, with either of its two ways to be called."""

    def __getattr__(self, name: str) -> Callable[..., Any]: ...


class _Blocking:
    """A client for asyncio, each of whose calls runs to its end."""

    def __init__(self, client: Any, runner: asyncio.Runner) -> None:  # noqa: ANN401  either client
        self._client = client
        self._runner = runner

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)
        return lambda *values, **options: self._runner.run(method(*values, **options))


@dataclass(frozen=True, slots=True)
class PythonClients:
    """The clients of one flavour, with every check of theirs switched on."""

    server: ThreeInstances
    flavour: str

    subject: str = "owner"
    """Whose bearer token they have."""

    def of(self, subject: str) -> PythonClients:
        """The same for somebody else."""
        return replace(self, subject=subject)

    def administration(self, instance: str, **options: Any) -> Any:  # noqa: ANN401
        """A client of the instance's policies and signers, open for the length of a `with`."""
        kind = AttestationAdministrationClient, aio.AttestationAdministrationClient
        return self._open(kind, instance, options)

    def attestation(self, instance: str, **options: Any) -> Any:  # noqa: ANN401
        """A client that has evidence attested by the instance."""
        return self._open((AttestationClient, aio.AttestationClient), instance, options)

    @contextmanager
    def _open(
        self, kinds: tuple[Any, Any], instance: str, options: dict[str, Any]
    ) -> Iterator[Client]:
        blocking, asynchronous = kinds
        url = self.server.url(instance)
        credential = _Credential(self.server.issuer.token(self.subject))
        chosen = {**self._options(url), **options}
        if self.flavour == "sync":
            with blocking(url, credential, **chosen) as client:
                yield client
            return
        with asyncio.Runner() as runner:
            client = asynchronous(url, _AsyncCredential(credential), **chosen)
            try:
                yield _Blocking(client, runner)
            finally:
                runner.run(client.close())

    def _options(self, url: str) -> dict[str, Any]:
        return {
            "connection_verify": str(self.server.ca_file),
            "validate_token": True,
            "validate_signature": True,
            "validate_expiration": True,
            "validate_not_before_time": True,
            "validate_issuer": True,
            "issuer": url,
        }


def signing(signer: Signer) -> dict[str, str]:
    """How the clients are told to sign."""
    return {"signing_key": signer.key_pem, "signing_certificate": signer.certificate_pem}
