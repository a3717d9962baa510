"""How Intel's provisioning certification service is asked.

Source: Intel SGX and TDX PCS API v4.
"""

from __future__ import annotations

from typing import Final

from assay.endorsements.fetch import DocumentRequest
from assay.endorsements.network import Dialect, DocumentRequests
from assay.endorsements.platform import DcapPlatform
from assay.endorsements.source import STANDARD, EvaluationSelection

_INTEL: Final = "https://api.trustedservices.intel.com"
_INTEL_ROOT_CRL: Final = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"


def _requests(
    url: str, platform: DcapPlatform, evaluation: EvaluationSelection
) -> DocumentRequests:
    selection = _selection(evaluation)
    base = f"{url}/{platform.tee}/certification/v4"
    return DocumentRequests(
        tcb_info=DocumentRequest(
            url=f"{base}/tcb", query=(("fmspc", platform.fmspc.hex()), *selection)
        ),
        qe_identity=DocumentRequest(url=f"{base}/qe/identity", query=selection),
        # PCK certificates and their lists are the same for SGX and TDX.
        pck_crl=DocumentRequest(
            url=f"{url}/sgx/certification/v4/pckcrl",
            query=(("ca", platform.ca), ("encoding", "der")),
        ),
        root_ca_crl=DocumentRequest(url=_root_crl(url)),
    )


def _selection(evaluation: EvaluationSelection) -> tuple[tuple[str, str], ...]:
    # The service refuses the two together.
    if evaluation.number is not None:
        return (("tcbEvaluationDataNumber", str(evaluation.number)),)
    return () if evaluation == STANDARD else (("update", evaluation.name),)


def _root_crl(url: str) -> str:
    # Intel has another host for it; a mirror or a simulator is one host.
    return _INTEL_ROOT_CRL if url == _INTEL else f"{url}/IntelSGXRootCA.der"


PCS: Final = Dialect(name="pcs", default_url=_INTEL, requests=_requests)
"""Intel's service, or a mirror of it."""
