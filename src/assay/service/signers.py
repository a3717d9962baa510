"""The use cases about policy signers: list, add, remove.

Source: MAA protocol, section 8.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from assay.encoding import JsonValue
from assay.service.authority import check_has_signers, find_authority, load_signers
from assay.service.signer_chain import check_signer_certificate, fingerprint
from assay.store import Author, SignerRecord, Store
from assay.token import read_certificate, read_owner_token, signer_changed, signers_answer


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerService:
    """Policy signers of any instance of a store.

    Methods raise `UnknownInstanceError` where there is no such instance, and
    `StoreUnavailableError` when the database fails.
    """

    store: Store
    now: Callable[[], datetime]

    def list(self, instance: str) -> dict[str, JsonValue]:
        """The content of the answer with the instance's signers."""
        self.store.instances.require(instance)
        return signers_answer(load_signers(self.store.signers.of(instance)).values())

    def add(self, instance: str, jws: str, *, by: Author) -> dict[str, JsonValue]:
        """Let another certificate sign, too; the content of the answer.

        Raises:
            TokenError: Not a JWS with a certificate in it.
            OperationRefusedError: The instance does not allow it.
            UntrustedSignerError: Signed by somebody who may not, or the certificate may not be
                listed.
        """
        certificate, under = self._authorize(instance, jws)
        check_signer_certificate(certificate)
        record = signer_record(instance, certificate, at=self.now(), by=by)
        self.store.signers.add(record, under=under)
        return signer_changed(certificate, present=True)

    def remove(self, instance: str, jws: str, *, by: Author) -> dict[str, JsonValue]:
        """Let a certificate sign no more; the content of the answer.

        Raises:
            TokenError: Not a JWS with a certificate in it.
            OperationRefusedError: The instance does not allow it, or it is the last one.
            UntrustedSignerError: Signed by somebody who may not.
        """
        certificate, under = self._authorize(instance, jws)
        self.store.signers.remove(
            instance, fingerprint(certificate), under=under, at=self.now(), by=by
        )
        return signer_changed(certificate, present=False)

    def _authorize(self, instance: str, jws: str) -> tuple[x509.Certificate, str]:
        record = self.store.instances.require(instance)
        check_has_signers(record)
        token = read_owner_token(jws)
        under = find_authority(record, token, self.store.signers.of(instance), at=self.now())
        assert under is not None  # noqa: S101  an isolated instance names one or refuses
        return read_certificate(token), under


def signer_record(
    instance: str, certificate: x509.Certificate, *, at: datetime, by: Author
) -> SignerRecord:
    """The record of a certificate that may sign."""
    return SignerRecord(
        instance=instance,
        fingerprint=fingerprint(certificate),
        certificate=certificate.public_bytes(Encoding.DER),
        added_at=at,
        added_by=by,
    )
