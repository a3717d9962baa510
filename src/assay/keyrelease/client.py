"""The enclave's way to a broker."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import httpx2
import msgspec

from assay.encoding import EncodingError, parse_json_object
from assay.endorsements.http_client import tls_context
from assay.errors import BrokerUnavailableError, Finding, ReleaseRefusedError
from assay.keyrelease.context import ReleaseContext
from assay.keyrelease.protocol import (
    ChallengeAnswer,
    ChallengeRequest,
    ReleaseAnswer,
    ReleaseRequest,
)

_OK: Final = 200
_SECONDS: Final = 30.0
_Answer = TypeVar("_Answer", bound=msgspec.Struct)


class BrokerClient:
    """One broker, by its address."""

    __slots__ = ("_client", "_url")

    def __init__(
        self,
        url: str,
        *,
        ca_file: Path | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """Speak to a broker.

        Args:
            url: Its address.
            ca_file: PEM file of the roots to trust in place of the machine's.
            transport: What carries requests in place of the network.

        Raises:
            SettingsError: The file holds no certificate.
        """
        self._url = url.rstrip("/")
        self._client = httpx2.Client(
            verify=tls_context(ca_file),
            follow_redirects=False,
            timeout=_SECONDS,
            transport=transport,
        )

    def challenge(self, secret: str, requester: str) -> ReleaseContext:
        """What the enclave's evidence has to be about.

        Raises:
            ReleaseRefusedError: The broker refused.
            BrokerUnavailableError: No answer came.
        """
        asked = ChallengeRequest(secret=secret, requester=requester)
        answer = self._post("challenge", asked, ChallengeAnswer)
        return ReleaseContext(secret=secret, requester=requester, nonce=answer.nonce)

    def release(self, context: ReleaseContext, token: str) -> str:
        """The answer for `ReleaseKey.unwrap`.

        Raises:
            ReleaseRefusedError: The broker refused.
            BrokerUnavailableError: No answer came.
        """
        asked = ReleaseRequest(
            secret=context.secret,
            requester=context.requester,
            nonce=context.nonce,
            token=token,
        )
        return self._post("release", asked, ReleaseAnswer).envelope

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        """The client itself, closed at the end."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    def _post(self, path: str, asked: msgspec.Struct, kind: type[_Answer]) -> _Answer:
        try:
            answer = self._client.post(
                f"{self._url}/{path}",
                content=msgspec.json.encode(asked),
                headers={"Content-Type": "application/json"},
            )
            members = parse_json_object(answer.content, "answer")
            if answer.status_code == _OK:
                return msgspec.convert(members, kind)
        except (
            httpx2.HTTPError,
            httpx2.InvalidURL,
            EncodingError,
            msgspec.ValidationError,
        ) as error:
            raise BrokerUnavailableError(
                f"the broker at {self._url} does not answer as one: {error}; check the address"
            ) from error
        raise _refusal(answer.status_code, members.get("error"))


def _refusal(status: int, error: object) -> ReleaseRefusedError:
    members = error if isinstance(error, dict) else {}
    codes = members.get("findings")
    found = [
        Finding(check=code, expected="see docs/findings.md", actual="the broker does not say")
        for code in (codes if isinstance(codes, list) else [])
        if isinstance(code, str)
    ]
    named = ", ".join(one.check for one in found)
    return ReleaseRefusedError(
        f"the broker refused with status {status}: {members.get('message')}"
        + (f" ({named})" if named else ""),
        findings=found,
    )
