"""The same quotes through `dcap-qvl`, an independent verifier: the same status.

What one of them refuses and the other does not is written down here; statuses never differ.
"""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import dcap_qvl
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from assay.endorsements.anchors import intel_sgx_anchors
from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.tcb import TcbStatus
from assay.errors import AssayError
from assay.evidence.dcap.memory import DcapMemory
from assay.evidence.dcap.verify import DcapVerification
from assay.evidence.sgx import parse_quote, verify_quote
from assay.simulator import SimulatedPlatform
from tests.conftest import AT
from tests.corpus.dcap import read_vector
from tests.vectors import vector_params


def _second_opinion(quote: bytes, collateral: DcapCollateral, root: bytes, at: int) -> str:
    """The status that `dcap-qvl` gives, or `refused`."""
    second = dcap_qvl.QuoteCollateralV3(
        pck_crl_issuer_chain=collateral.pck_crl_issuer_chain.decode(),
        root_ca_crl=collateral.root_ca_crl,
        pck_crl=collateral.pck_crl,
        tcb_info_issuer_chain=collateral.tcb_info_issuer_chain.decode(),
        tcb_info=collateral.tcb_info.decode(),
        tcb_info_signature=collateral.tcb_info_signature,
        qe_identity_issuer_chain=collateral.qe_identity_issuer_chain.decode(),
        qe_identity=collateral.qe_identity.decode(),
        qe_identity_signature=collateral.qe_identity_signature,
    )
    try:
        status: str = dcap_qvl.verify_with_root_ca(quote, second, root, at).status
    except ValueError:
        return "refused"
    return status


def _ours(quote: bytes, context: DcapVerification) -> str:
    try:
        return verify_quote(parse_quote(quote), context).tcb.status.value
    except AssayError:
        return "refused"


def _intel_root() -> bytes:
    path = Path(__file__).parents[2] / "src/assay/endorsements/roots/intel_sgx_root_ca.pem"
    return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)


@pytest.mark.parametrize("folder", vector_params("dcap/real/sgx-*"))
def test_real_quotes_have_the_status_that_a_second_verifier_gives(folder: Path) -> None:
    vector = read_vector(folder)

    second = _second_opinion(
        vector.evidence,
        vector.collateral,
        _intel_root(),
        vector.sidecar["verification_time"],
    )

    # It refuses debug enclaves, which we leave to the policy, and does not read TCB info 2.
    beyond_it = vector.sidecar["debug"] or vector.sidecar["tcb_info"]["version"] == 2
    assert (second == "refused") == beyond_it
    if not beyond_it:
        assert _ours(vector.evidence, vector.context) == second


@pytest.mark.parametrize("folder", vector_params("dcap/made/sgx3-*", "dcap/made/pki-*"))
def test_made_quotes_never_have_a_status_that_a_second_verifier_contradicts(folder: Path) -> None:
    vector = read_vector(folder)
    named = folder / str(vector.sidecar["root"])
    root = named.read_bytes() if named.is_file() else _intel_root()

    ours = _ours(vector.evidence, vector.context)
    second = _second_opinion(
        vector.evidence, vector.collateral, root, vector.sidecar["verification_time"]
    )

    if "refused" not in {ours, second}:
        assert ours == second


@pytest.mark.parametrize("status", list(TcbStatus))
@pytest.mark.parametrize("qe_status", [TcbStatus.UP_TO_DATE, TcbStatus.OUT_OF_DATE])
def test_simulated_quotes_have_the_status_that_a_second_verifier_gives(
    status: TcbStatus, qe_status: TcbStatus
) -> None:
    platform = SimulatedPlatform.create(AT, status=status, qe_status=qe_status)
    quote, collateral = platform.quote(), platform.collateral(AT)
    context = DcapVerification(
        collateral=collateral, at=AT, roots=platform.anchors, memory=DcapMemory(platform.anchors)
    )

    second = _second_opinion(
        quote,
        collateral,
        platform.root_certificate.public_bytes(Encoding.DER),
        int(AT.astimezone(UTC).timestamp()),
    )

    assert _ours(quote, context) == second


def test_the_second_verifier_trusts_intels_root_as_we_pin_it() -> None:
    assert intel_sgx_anchors()[0].spki in _intel_root()
