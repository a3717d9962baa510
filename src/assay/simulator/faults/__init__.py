"""Evidence and collateral that is wrong in exactly one thing, each with the finding it must cause.

A verifier is tested by running the whole table: every attempt has to be refused, and for the
stated reason.
"""

from __future__ import annotations

from typing import Final

from assay.simulator.faults.attempt import Attempt, Fault
from assay.simulator.faults.certificates import CERTIFICATE_FAULTS
from assay.simulator.faults.chains import CHAIN_FAULTS
from assay.simulator.faults.collateral import SIGNED_DOCUMENT_FAULTS
from assay.simulator.faults.documents import DOCUMENT_FAULTS
from assay.simulator.faults.extensions import EXTENSION_FAULTS
from assay.simulator.faults.held_data import HELD_DATA_FAULTS
from assay.simulator.faults.openenclave import OPEN_ENCLAVE_FAULTS
from assay.simulator.faults.quotes import QUOTE_FAULTS
from assay.simulator.faults.revocation import REVOCATION_FAULTS
from assay.simulator.faults.structure import STRUCTURE_FAULTS

FAULTS: Final = (
    *QUOTE_FAULTS,
    *STRUCTURE_FAULTS,
    *CHAIN_FAULTS,
    *CERTIFICATE_FAULTS,
    *EXTENSION_FAULTS,
    *REVOCATION_FAULTS,
    *SIGNED_DOCUMENT_FAULTS,
    *DOCUMENT_FAULTS,
    *OPEN_ENCLAVE_FAULTS,
    *HELD_DATA_FAULTS,
)

__all__ = ["FAULTS", "Attempt", "Fault"]
