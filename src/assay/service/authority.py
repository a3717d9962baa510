"""Whether what an owner sent may change an instance: the trust models.

| | unsecured | signed by anybody | signed by a listed signer, or below one |
|---|---|---|---|
| AAD | yes | yes | there are none |
| Isolated | no | no | yes |
| Shared | no | no | there are none |

Source: MAA protocol, section 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import assert_never

from cryptography import x509

from assay.errors import Finding, OperationRefusedError
from assay.service.signer_chain import find_signer
from assay.store import InstanceRecord, SignerRecord, TrustModel
from assay.token import OwnerToken


def find_authority(
    instance: InstanceRecord,
    token: OwnerToken,
    signers: Iterable[SignerRecord],
    *,
    at: datetime,
) -> str | None:
    """The fingerprint of the signer that allows the change; nothing where none has to.

    Raises:
        OperationRefusedError: The instance takes no changes, or no unsecured ones.
        UntrustedSignerError: Somebody signed who may not.
    """
    match instance.trust_model:
        case TrustModel.AAD:
            return None
        case TrustModel.SHARED:
            raise _refused(
                instance,
                "shared",
                "an instance of its owner's own",
                "a shared one, which takes no changes",
            )
        case TrustModel.ISOLATED:
            return _find_signer(instance, token, signers, at)
        case _:
            assert_never(instance.trust_model)


def check_has_signers(instance: InstanceRecord) -> None:
    """Check that the instance is of the kind that has signers.

    Raises:
        OperationRefusedError: It is not.
    """
    if instance.trust_model is not TrustModel.ISOLATED:
        raise _refused(
            instance,
            "no_signers",
            "an isolated instance, which alone has policy signers",
            f"one of trust model {instance.trust_model}",
        )


def load_signers(signers: Iterable[SignerRecord]) -> dict[str, x509.Certificate]:
    """Certificates by fingerprint, in their order."""
    return {
        signer.fingerprint: x509.load_der_x509_certificate(signer.certificate) for signer in signers
    }


def _find_signer(
    instance: InstanceRecord, token: OwnerToken, signers: Iterable[SignerRecord], at: datetime
) -> str:
    if not token.signed:
        raise _refused(
            instance,
            "unsigned",
            "a JWS signed by one of the instance's policy signers",
            "an unsecured one (alg none)",
        )
    return find_signer(token.certificates, load_signers(signers), at=at)


def _refused(
    instance: InstanceRecord, error_class: str, expected: str, actual: str
) -> OperationRefusedError:
    finding = Finding(check=f"owner.change.{error_class}", expected=expected, actual=actual)
    return OperationRefusedError(
        f"instance {instance.name!r} does not allow it: need {expected}, got {actual}",
        findings=[finding],
    )
