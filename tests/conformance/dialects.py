"""What the clients that no test here can run send, byte for byte, after their sources.

| client | JSON | policies are sent as | certificates as | signed requests |
|---|---|---|---|---|
| .NET 1.0.0 | compact, more escaped than need be | text | a JSON string | `RSA256`, `ECDH256` |
| .NET for 2025-06-01 | the same | text | an object | the same |
| Java 1.1 | compact | text | a JSON string | `RS256` |
| C++ 1.1.0 | compact, sorted | text that is called JSON | a JSON string | `RS256`, `ES256` |
| `az` 1.0 | compact | a JSON string | a JSON string | as their author made them |
| `az` 0.2 | compact | a JSON string that is called text | the same | the same |
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa

from assay.encoding import encode_base64url
from tests.administration import sign
from tests.servers.three_instances import Signer

Json = dict[str, Any]

_REQUEST_ID: Final = "9f0c6a0e-6a3f-4b5e-8f51-3f2f0f9f6f01"
TRACEPARENT: Final = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
# What System.Text.Json escapes besides what JSON demands.
_DOTNET_ESCAPED: Final = re.compile(r"""\\"|[+'<>&`]""")


def compact(value: Json | str) -> str:
    return json.dumps(value, separators=(",", ":"))


def _dotnet(value: Json | str) -> str:
    def escaped(found: re.Match[str]) -> str:
        return f"\\u{ord(found.group()[-1]):04X}"

    return _DOTNET_ESCAPED.sub(escaped, compact(value))


def _sorted(value: Json | str) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _as_it_is(jws: str) -> str:
    return jws


def _as_member(parameter: str) -> Callable[[str], str]:
    return lambda jws: _dotnet({parameter: jws})


def _named(signer: Signer, rsa_name: str, ec_name: str) -> str:
    return rsa_name if isinstance(signer.key, rsa.RSAPrivateKey) else ec_name


def _dotnet_header(signer: Signer) -> Json:
    return {"alg": _named(signer, "RSA256", "ECDH256"), "x5c": [signer.x5c]}


def _dotnet_header_with_key(signer: Signer) -> Json:
    return {"alg": _named(signer, "RSA256", "ECDH256"), "jwk": {"x5c": [signer.x5c]}}


def _java_header(signer: Signer) -> Json:
    return {"x5c": [signer.x5c], "alg": "RS256"}


def _cpp_header(signer: Signer) -> Json:
    return {"alg": _named(signer, "RS256", "ES256"), "x5c": [signer.x5c]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One client's way to speak."""

    name: str
    client: str
    """As `docs/compatibility.md` calls it."""

    api_version: str
    headers: Mapping[str, str]
    """With every request."""

    header: Callable[[Signer], Json]
    """Of a signed JWS."""

    unsecured_header: Json = field(default_factory=lambda: {"alg": "none"})
    dumps: Callable[[Json | str], str] = compact
    accept: bool = True
    """Whether it says what it takes."""

    key_set_types: str = "application/jwk+json, application/json"
    """What it takes as key set."""

    typed_reads: bool = False
    """Whether even a request without a body is declared as JSON."""

    policy_type: str = "text/plain"
    wrap_policy: Callable[[str], str] = _as_it_is
    wrap_added: Callable[[str], str] = compact
    wrap_removed: Callable[[str], str] = compact
    reset: str = ":reset"
    query: str = ""
    """What stands after the API version when it is about policies; `{}` is the type."""

    versioned_metadata: bool = False
    """Whether the key set and the discovery document are asked for with an API version."""

    init_time_data: str = "initTimeData"
    certificate_members: Json = field(default_factory=dict)
    """What a certificate that is added or removed has besides `kty` and `x5c`."""

    @property
    def read_headers(self) -> dict[str, str]:
        """Of a request without a body."""
        content = {"Content-Type": "application/json"} if self.typed_reads else {}
        return {**self._accept("application/json"), **content, **self.headers}

    @property
    def key_set_headers(self) -> dict[str, str]:
        """Of a request for the key set."""
        return {**self.read_headers, **self._accept(self.key_set_types)}

    def write_headers(self, content_type: str) -> dict[str, str]:
        """Of a request with a body."""
        return {**self._accept("application/json"), "Content-Type": content_type, **self.headers}

    def _accept(self, types: str) -> dict[str, str]:
        return {"Accept": types} if self.accept else {}

    def policy_payload(self, text: str) -> str:
        """The payload that sets a policy."""
        return self.dumps({"AttestationPolicy": encode_base64url(text.encode())})

    def certificate_payload(self, signer: Signer) -> str:
        """The payload that adds or removes a signer."""
        key = {**self.certificate_members, "kty": "RSA", "x5c": [signer.x5c]}
        return self.dumps({"policyCertificate": key})

    def jws(self, payload: str, signer: Signer | None) -> str:
        """What is sent: signed, or not."""
        header = self.unsecured_header if signer is None else self.header(signer)
        signing_input = f"{_part(self.dumps(header))}.{_part(payload)}"
        if signer is None:
            return f"{signing_input}."
        return f"{signing_input}.{encode_base64url(sign(signer.key, signing_input.encode()))}"


def _part(text: str) -> str:
    return encode_base64url(text.encode())


DOTNET: Final = Dialect(
    name="dotnet",
    client=".NET `Azure.Security.Attestation`",
    api_version="2020-10-01",
    headers={
        "x-ms-client-request-id": _REQUEST_ID,
        "x-ms-return-client-request-id": "true",
        "User-Agent": "azsdk-net-Security.Attestation/1.0.0 (.NET 8.0.11; Debian GNU/Linux 12)",
        "traceparent": TRACEPARENT,
    },
    header=_dotnet_header,
    dumps=_dotnet,
    certificate_members={"alg": "RS256", "use": "sig"},
    wrap_added=_dotnet,
    wrap_removed=_dotnet,
)
DOTNET_2025: Final = Dialect(
    name="dotnet-2025",
    client=".NET `Azure.Security.Attestation`",
    api_version="2025-06-01",
    headers=DOTNET.headers,
    header=_dotnet_header_with_key,
    dumps=_dotnet,
    certificate_members={"alg": "RS256", "use": "sig"},
    wrap_added=_as_member("policyCertificateToAdd"),
    wrap_removed=_as_member("policyCertificateToRemove"),
    versioned_metadata=True,
)
JAVA: Final = Dialect(
    name="java",
    client="Java `azure-security-attestation`",
    api_version="2020-10-01",
    headers={
        "x-ms-client-request-id": _REQUEST_ID,
        "User-Agent": "azsdk-java-azure-security-attestation/1.1.34 (17.0.13; Linux; 6.1.0)",
        "Date": "Mon, 23 Nov 2026 12:00:00 GMT",
        "traceparent": TRACEPARENT,
    },
    header=_java_header,
    key_set_types="application/jwk+json, application/json;q=0.9",
)
CPP: Final = Dialect(
    name="cpp",
    client="C++ `azure-security-attestation`",
    api_version="2020-10-01",
    headers={
        "User-Agent": "azsdk-cpp-Attestation/1.1.0 (Linux 6.1.0 x86_64 #1 SMP)",
        "x-ms-client-request-id": _REQUEST_ID,
    },
    header=_cpp_header,
    dumps=_sorted,
    accept=False,
    typed_reads=True,
    policy_type="application/json",
    init_time_data="inittimeData",
)
_AZ_HEADERS: Final = {
    "Accept-Encoding": "gzip, deflate",
    "Connection": "keep-alive",
    "CommandName": "attestation policy set",
    "ParameterSetName": "-n -g --attestation-type --new-attestation-policy",
    "User-Agent": "AZURECLI/2.67.0 azsdk-python-core/1.31.0 Python/3.12.7",
    "x-ms-client-request-id": _REQUEST_ID,
}
AZ: Final = Dialect(
    name="az",
    client="`az attestation`",
    api_version="2022-08-01",
    headers=_AZ_HEADERS,
    header=_cpp_header,
    unsecured_header={"typ": "JWT", "alg": "none"},
    policy_type="application/json",
    wrap_policy=compact,
)
AZ_OLD: Final = Dialect(
    name="az-0.2",
    client="`az attestation`",
    api_version="2020-10-01",
    headers={**_AZ_HEADERS, "accept-language": "en-US"},
    header=_cpp_header,
    unsecured_header={"typ": "JWT", "alg": "none"},
    wrap_policy=compact,
    reset="%3areset",
    query="&tee={}",
)

ATTESTERS: Final = (DOTNET, DOTNET_2025, JAVA, CPP)
"""Who has evidence attested."""

OWNERS: Final = (*ATTESTERS, AZ, AZ_OLD)
"""Who administers."""
