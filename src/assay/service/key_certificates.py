"""The certificates that an instance's own keys make of themselves, with evidence where there is.

Each is made once for each process: the evidence, and the signature of a key in a token, take long,
and instances are loaded again with each change of a policy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from assay.errors import MalformedEvidenceError, SettingsError, UntrustedEvidenceError
from assay.evidence.dcap.memory import BoundedMemory
from assay.keys import SigningKey
from assay.token import key_evidence_extension, key_report_data, signing_certificate

KeyEvidence: TypeAlias = Callable[[bytes], bytes]
"""The service's own evidence with 64 bytes of report data; raises `SettingsError`."""

_KEPT: Final = 4096
"""One for each key and instance: many times what one server hosts, and less than 40 MB."""


class KeyCertificates:
    """Makes certificates, and remembers them."""

    def __init__(self, evidence: KeyEvidence | None = None) -> None:
        self._evidence = evidence
        self._made: BoundedMemory[tuple[str, str], bytes] = BoundedMemory(_KEPT)

    def certify(self, key: SigningKey, issuer: str) -> bytes:
        """The certificate of a key by itself, in DER.

        Raises:
            SettingsError: There is to be evidence, and there is none, or not about this key.
            SigningUnavailableError: The key's device does not sign.
        """
        return self._made.recall((key.kid, issuer), lambda: self._make(key, issuer))

    def _make(self, key: SigningKey, issuer: str) -> bytes:
        if self._evidence is None:
            return signing_certificate(key, issuer=issuer)
        evidence = self._evidence(key_report_data(key))
        try:
            extension = key_evidence_extension(evidence, key)
        except (MalformedEvidenceError, UntrustedEvidenceError) as error:
            # The operator's fault, and no attester's.
            raise SettingsError(
                f"keys.evidence_command: what it printed is no evidence about signing key "
                f"{key.kid}: {error.message}"
            ) from error
        return signing_certificate(key, issuer=issuer, extensions=[extension])
