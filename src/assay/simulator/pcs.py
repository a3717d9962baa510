"""A provisioning certification service for one simulated platform, as an ASGI application.

It speaks Intel's PCS API v4, or that of the caching service (PCCS) where the two differ. Needs
the `server` extra; nothing else in the simulator does.

Source: Intel SGX and TDX PCS API v4; Intel PCCS design guide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from urllib.parse import quote
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from assay import clock
from assay.encoding import EncodingError, JsonValue, decode_hex, encode_json
from assay.endorsements.platform import PckCa
from assay.simulator.pki import Authority
from assay.simulator.sgx import SimulatedPlatform
from assay.simulator.tcb import signed_body

ROOT_CRL_PATH: Final = "/IntelSGXRootCA.der"
"""Intel serves it from another host than the rest; here there is one host for all."""

_BASE: Final = "/sgx/certification/v4"
_JSON: Final = "application/json"
_PEM: Final = "application/x-pem-file"
_DER: Final = "application/pkix-crl"
_FMSPC_BYTES: Final = 6


class Dialect(StrEnum):
    """Whose service is simulated."""

    PCS = "pcs"
    """Intel's: PEM or DER, TCB evaluation data numbers."""

    PCCS = "pccs"
    """The cache in a data centre: revocation lists as hexadecimal text, no numbers."""


def pcs_app(
    platform: SimulatedPlatform,
    *,
    dialect: Dialect = Dialect.PCS,
    now: Callable[[], datetime] = clock.now,
) -> Starlette:
    """The application that serves the collateral of `platform` as of `now()`."""
    service = _Service(platform=platform, dialect=dialect, now=now)
    routes = [
        Route(f"{_BASE}/tcb", service.tcb_info),
        Route(f"{_BASE}/qe/identity", service.qe_identity),
        Route(f"{_BASE}/pckcrl", service.pck_crl),
    ]
    if dialect is Dialect.PCS:
        routes += [
            Route(f"{_BASE}/tcbevaluationdatanumbers", service.evaluation_numbers),
            Route(f"{_BASE}/fmspcs", service.fmspcs),
            Route(ROOT_CRL_PATH, service.root_ca_crl),
        ]
    else:
        routes.append(Route(f"{_BASE}/rootcacrl", service.root_ca_crl))
    return Starlette(routes=routes, exception_handlers={HTTPException: _refuse})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Service:
    platform: SimulatedPlatform
    dialect: Dialect
    now: Callable[[], datetime]

    async def tcb_info(self, request: Request) -> Response:
        """Answer `tcb`."""
        if _fmspc(request.query_params) != self.platform.settings.fmspc:
            raise HTTPException(404)
        document = self.platform.tcb_info(self.now(), number=self._number(request))
        return self._signed("tcbInfo", document, "TCB-Info-Issuer-Chain")

    async def qe_identity(self, request: Request) -> Response:
        """Answer `qe/identity`."""
        document = self.platform.qe_identity(self.now(), number=self._number(request))
        return self._signed("enclaveIdentity", document, "SGX-Enclave-Identity-Issuer-Chain")

    async def evaluation_numbers(self, _request: Request) -> Response:
        """Answer `tcbevaluationdatanumbers`."""
        return self._signed(
            "tcbEvaluationDataNumbers",
            self.platform.evaluation_numbers(self.now()),
            "TCB-Evaluation-Data-Numbers-Issuer-Chain",
        )

    async def fmspcs(self, request: Request) -> Response:
        """Answer `fmspcs`."""
        settings = self.platform.settings
        kind = "E5" if settings.ca is PckCa.PLATFORM else "client"
        asked = request.query_params.get("platform", "all")
        if asked not in {"all", "client", "E3", "E5"}:
            raise HTTPException(400)
        rows: list[JsonValue] = []
        if asked in {"all", kind}:
            rows.append({"fmspc": settings.fmspc.hex().upper(), "platform": kind})
        return _answer(encode_json(rows), _JSON)

    async def pck_crl(self, request: Request) -> Response:
        """Answer `pckcrl`."""
        query = request.query_params
        if query.get("ca") not in set(PckCa):
            raise HTTPException(400)
        ca = PckCa(query["ca"])
        authority = Authority.PLATFORM_CA if ca is PckCa.PLATFORM else Authority.PROCESSOR_CA
        crl = self.platform.pck_crl(self.now(), ca)
        headers = {"SGX-PCK-CRL-Issuer-Chain": quote(self.platform.pki.chain(authority))}
        encoding = query.get("encoding", "pem")
        if encoding not in {"pem", "der"}:
            raise HTTPException(400)
        if encoding == "der":
            return _answer(crl, _DER, headers)
        if self.dialect is Dialect.PCCS:
            # The cache says PEM and sends the hexadecimal digits of the DER.
            return _answer(crl.hex().encode(), _PEM, headers)
        pem = x509.load_der_x509_crl(crl).public_bytes(Encoding.PEM)
        return _answer(pem, _PEM, headers)

    async def root_ca_crl(self, _request: Request) -> Response:
        """Answer the root's revocation list."""
        crl = self.platform.root_ca_crl(self.now())
        return _answer(crl.hex().encode() if self.dialect is Dialect.PCCS else crl, _DER)

    def _number(self, request: Request) -> int | None:
        query = request.query_params
        if self.dialect is Dialect.PCCS or not query.keys() & {
            "update",
            "tcbEvaluationDataNumber",
        }:
            return None
        numbers = [entry.number for entry in self.platform.settings.evaluation_sets]
        if "tcbEvaluationDataNumber" not in query:
            return _update(query["update"], numbers)
        asked = query["tcbEvaluationDataNumber"]
        if "update" in query or not (asked.isascii() and asked.isdigit()):
            raise HTTPException(400)
        if int(asked) in numbers:
            return int(asked)
        raise HTTPException(410 if int(asked) < min(numbers) else 404)

    def _signed(self, member: str, document: dict[str, JsonValue], header: str) -> Response:
        text = encode_json(document)
        body = signed_body(member, text, self.platform.sign_document(text))
        chain = quote(self.platform.pki.chain(Authority.TCB_SIGNING))
        return _answer(body, _JSON, {header: chain})


def _update(asked: str, numbers: list[int]) -> int | None:
    if asked == "standard":
        return None
    if asked == "early":
        return max(numbers)
    raise HTTPException(400)


def _fmspc(query: QueryParams) -> bytes:
    try:
        return decode_hex(query.get("fmspc", ""), "fmspc", size=_FMSPC_BYTES)
    except EncodingError as error:
        raise HTTPException(400) from error


def _answer(
    body: bytes, media_type: str, headers: dict[str, str] | None = None, status: int = 200
) -> Response:
    identified = {"Request-ID": uuid4().hex, **(headers or {})}
    return Response(body, status_code=status, media_type=media_type, headers=identified)


async def _refuse(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return _answer(b"", _JSON, status=status)
