"""How a provisioning certificate caching service is asked.

Its revocation lists come as hexadecimal text, whatever their content type says.

Source: Intel PCCS design guide; PCCS REST API v4.
"""

from __future__ import annotations

from typing import Final

from assay.endorsements.fetch import DocumentRequest
from assay.endorsements.network import Dialect, DocumentRequests
from assay.endorsements.platform import DcapPlatform
from assay.endorsements.source import STANDARD, EvaluationSelection, unavailable


def _requests(
    url: str, platform: DcapPlatform, evaluation: EvaluationSelection
) -> DocumentRequests:
    if evaluation != STANDARD:
        raise unavailable(
            "TCB evaluation data `standard` from a caching service (PCCS), which has no other",
            str(evaluation),
            "ask for `standard`, or take Intel's service (`pcs`) as the source",
        )
    base = f"{url}/{platform.tee}/certification/v4"
    lists = f"{url}/sgx/certification/v4"
    return DocumentRequests(
        tcb_info=DocumentRequest(url=f"{base}/tcb", query=(("fmspc", platform.fmspc.hex()),)),
        qe_identity=DocumentRequest(url=f"{base}/qe/identity"),
        pck_crl=DocumentRequest(url=f"{lists}/pckcrl", query=(("ca", platform.ca),)),
        root_ca_crl=DocumentRequest(url=f"{lists}/rootcacrl"),
    )


PCCS: Final = Dialect(name="pccs", default_url=None, requests=_requests)
"""A cache in the data centre."""
