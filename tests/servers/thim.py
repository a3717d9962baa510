"""Azure's cache (THIM) for one simulated platform, as an ASGI application.

Source: Azure DCAP client library, API v4.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final
from urllib.parse import quote, unquote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from assay.endorsements.platform import PckCa
from assay.simulator import SimulatedPlatform
from assay.simulator.pcs import pcs_app
from assay.simulator.pki import Authority

LISTS: Final = {
    "https://certificates.trustedservices.intel.com/intelsgxrootca.crl": None,
    "https://certificates.trustedservices.intel.com/intelsgxpckprocessor.crl": PckCa.PROCESSOR,
    "https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl?ca=platform&encoding=pem": (
        PckCa.PLATFORM
    ),
}


def thim_app(platform: SimulatedPlatform, *, now: Callable[[], datetime]) -> Starlette:
    """The application that serves the collateral of `platform` as of `now()`."""

    async def revocation_list(request: Request) -> Response:
        _check(request)
        address = unquote(request.query_params["uri"])
        if address not in LISTS:
            raise HTTPException(404)
        ca = LISTS[address]
        if ca is None:
            return Response(platform.root_ca_crl(now()).hex(), media_type="application/pkix-crl")
        authority = Authority.PLATFORM_CA if ca is PckCa.PLATFORM else Authority.PROCESSOR_CA
        return Response(
            platform.pck_crl(now(), ca),
            headers={"SGX-PCK-CRL-Issuer-Chain": quote(platform.pki.chain(authority))},
        )

    return Starlette(
        routes=[
            Route("/sgx/certification/v4/pckcrl", revocation_list),
            Mount("/", pcs_app(platform, now=now)),
        ]
    )


def _check(request: Request) -> None:
    query = request.query_params
    known = (query.get("clientid"), query.get("api-version"))
    if known != ("production_client", "2018-10-01-preview"):
        raise HTTPException(400)
    if request.headers.get("Metadata") != "true":
        raise HTTPException(400)
