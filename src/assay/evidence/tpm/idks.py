"""The key that signs the reports of VBS enclaves, as the boot of Windows measured it.

Source: Windows SDK, `wbcl.h` (SIPAEVENT_VSM_IDKS_INFO); MAA, "Virtualization-based security (VBS)
attestation protocol".
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa

from assay.errors import Finding, UntrustedEvidenceError
from assay.evidence.tpm.content import WindowsRecords
from assay.evidence.tpm.measured_log import MeasuredLog
from assay.evidence.tpm.sipa import SipaId
from assay.evidence.tpm.sipa_values import read_key
from assay.evidence.tpm.wbcl import find_sipa
from assay.wire import malformed

IDKS: Final = "tpm.idks.measured_key"

_KEY_PCRS: Final = frozenset({12, 19, 20})
"""12, and after a dynamic launch 19 or 20."""


def read_idks(log: MeasuredLog) -> rsa.RSAPublicKey:
    """The one identity key for signing that the secure kernel has.

    The identity key for encryption (SIPAEVENT_VSM_IDK_INFO) is another.

    Raises:
        UntrustedEvidenceError: No quoted register holds such a key, or they hold several.
        MalformedEvidenceError: It is no RSA key that can be used.
    """
    keys = {
        read_key(record)
        for event in log.events
        if event.pcr in _KEY_PCRS and isinstance(event.content, WindowsRecords)
        for record in find_sipa(event.content.records, {SipaId.VSM_IDKS_INFO})
    }
    if len(keys) != 1:
        finding = Finding(
            check=IDKS,
            expected="one key of the secure kernel in PCR 12, 19 or 20",
            actual=f"{len(keys)}",
            hint="the machine has to run with virtualization-based security",
        )
        raise UntrustedEvidenceError(
            f"the log has {len(keys)} keys of the secure kernel, one is needed", findings=[finding]
        )
    ((exponent, modulus),) = keys
    try:
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError as error:
        raise malformed(IDKS, "an RSA key that can be used", str(error)) from error
