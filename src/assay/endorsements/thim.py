"""How Azure's Trusted Hardware Identity Management is asked.

It is a cache with Intel's paths, parameters of its own, and revocation lists by the address that
Intel serves them at. From inside a virtual machine it answers at the metadata address as well.

Source: Azure DCAP client library, API v4; Trusted Hardware Identity Management documentation.
"""

from __future__ import annotations

import base64
from typing import Final
from urllib.parse import quote

from assay.endorsements.fetch import DocumentRequest
from assay.endorsements.network import Dialect, DocumentRequests
from assay.endorsements.platform import DcapPlatform, PckCa, Tee
from assay.endorsements.source import STANDARD, EvaluationSelection, unavailable

_AZURE: Final = "https://global.acccache.azure.net"
_CLIENT: Final = (("clientid", "production_client"), ("api-version", "2018-10-01-preview"))
_METADATA: Final = (("Metadata", "true"),)

_INTEL_LISTS: Final = "https://certificates.trustedservices.intel.com"
_ROOT_LIST: Final = f"{_INTEL_LISTS}/intelsgxrootca.crl"
_PCK_LISTS: Final = {
    PckCa.PROCESSOR: f"{_INTEL_LISTS}/intelsgxpckprocessor.crl",
    PckCa.PLATFORM: (
        "https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl?ca=platform&encoding=pem"
    ),
}


def _requests(
    url: str, platform: DcapPlatform, evaluation: EvaluationSelection
) -> DocumentRequests:
    selection = _selection(evaluation)
    base = f"{url}/{platform.tee}/certification/v4"
    if platform.tee is Tee.TDX:
        pck_crl = _request(f"{base}/pckcrl", ("ca", platform.ca))
        root_ca_crl = _request(f"{base}/rootcacrl")
    else:
        pck_crl = _request(f"{base}/pckcrl", _list_at(_PCK_LISTS[platform.ca]))
        root_ca_crl = _request(f"{base}/pckcrl", _list_at(_ROOT_LIST))
    return DocumentRequests(
        tcb_info=_request(f"{base}/tcb", ("fmspc", platform.fmspc.hex()), *selection),
        qe_identity=_request(f"{base}/qe/identity", *selection),
        pck_crl=pck_crl,
        root_ca_crl=root_ca_crl,
    )


def _request(url: str, *query: tuple[str, str]) -> DocumentRequest:
    return DocumentRequest(url=url, query=(*query, *_CLIENT), headers=_METADATA)


def _list_at(address: str) -> tuple[str, str]:
    # The service knows lists by their escaped address in lower case; the query escapes it again.
    return "uri", quote(address, safe="").lower()


def _selection(evaluation: EvaluationSelection) -> tuple[tuple[str, str], ...]:
    if evaluation == STANDARD:
        return ()
    if evaluation.number is None:
        raise unavailable(
            "TCB evaluation data `standard` or a number from Azure (THIM)",
            str(evaluation),
            "ask for one of these, or take Intel's service (`pcs`) as the source",
        )
    parameter = f"tcbEvaluationDataNumber={evaluation.number}"
    return (("customParam", base64.b64encode(parameter.encode()).decode()),)


THIM: Final = Dialect(name="thim", default_url=_AZURE, requests=_requests)
"""Azure's cache."""
