"""An appraisal on this machine, from files: no service, no network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from assay.appraisal import (
    AppraisalContext,
    AppraisalRequest,
    AppraisalResult,
    AppraisalSettings,
    appraise_parsed,
    parse_request,
    unverified_result,
)
from assay.cli.collateral_path import gather_stored
from assay.cli.input_file import read_input, read_text
from assay.endorsements.anchors import Anchors, intel_sgx_anchors, read_anchors
from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.platform import DcapPlatform
from assay.endorsements.source import COLLATERAL_UNAVAILABLE
from assay.endorsements.tcb import TcbStatus
from assay.errors import (
    CollateralUnavailableError,
    Finding,
    MalformedEvidenceError,
    PolicyError,
    RequestError,
    SettingsError,
    UntrustedEvidenceError,
)
from assay.evidence.dcap.memory import DcapMemory
from assay.evidence.format import AttestationType
from assay.policy import (
    CompiledPolicy,
    PolicyEvaluationError,
    PolicySyntaxError,
    compile_policy,
    default_policy,
)

EVERY_TCB: Final = frozenset(TcbStatus)
"""Every status is left to the policy; a revoked TCB never reaches it."""

_DER_SEQUENCE: Final = b"\x30"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineAppraisal:
    """What evidence is judged by, as the options name it."""

    at: datetime
    roots: Anchors
    policy: CompiledPolicy
    accepted_tcb: frozenset[TcbStatus]
    collateral: Path | None

    def appraise(self, request: AppraisalRequest) -> AppraisalResult:
        """Appraise evidence. Whatever is wrong with it or with the collateral is in the result.

        Raises:
            RequestError: The path of the collateral holds none.
        """
        try:
            parsed = parse_request(request)
            collateral = self._gather(parsed.platform)
        except (
            MalformedEvidenceError,
            UntrustedEvidenceError,
            CollateralUnavailableError,
        ) as error:
            return unverified_result(request, error, policy=self.policy, at=self.at)
        return appraise_parsed(parsed, self._context(collateral))

    def _gather(self, platform: Callable[[], DcapPlatform]) -> DcapCollateral:
        if self.collateral is not None:
            return gather_stored(self.collateral, platform)
        finding = Finding(
            check=COLLATERAL_UNAVAILABLE,
            expected="collateral for the platform that the evidence names",
            actual="none",
            hint="name some with --collateral or ASSAY_COLLATERAL; "
            "`assay collateral fetch FILE --out PATH` gets it from Intel",
        )
        raise CollateralUnavailableError("no collateral is given", findings=[finding])

    def _context(self, collateral: DcapCollateral) -> AppraisalContext:
        return AppraisalContext(
            collateral=collateral,
            policy=self.policy,
            at=self.at,
            roots=self.roots,
            settings=AppraisalSettings(accepted_tcb=self.accepted_tcb),
            memory=DcapMemory(self.roots, platforms=1),
        )


def read_roots(files: Sequence[Path]) -> Anchors:
    """The roots to trust: those of `files` and no others, or Intel's where none are named.

    Raises:
        RequestError: A file cannot be read, or holds no root.
    """
    if not files:
        return intel_sgx_anchors()
    return tuple(anchor for file in files for anchor in _read_root(file))


def _read_root(file: Path) -> Anchors:
    try:
        return read_anchors([_read_root_document(file)])
    except SettingsError as error:
        raise RequestError(f"--root: {file}: {error.message}") from error


def _read_root_document(file: Path) -> bytes:
    content = read_input(file)
    if not content.startswith(_DER_SEQUENCE):
        try:
            content.decode("utf-8")
        except UnicodeDecodeError as error:
            # Evidence has PEM inside: named by mistake, it would vouch for itself.
            raise RequestError(
                f"--root: {file}: expected a certificate in PEM or DER, got other binary data"
            ) from error
    return content


def read_policy(file: Path | None, evidence_type: AttestationType) -> CompiledPolicy:
    """The policy in a file, or the default one of the current profile.

    Raises:
        RequestError: The file cannot be read.
        PolicyError: It is not a policy, or a configuration rule fails.
    """
    if file is None:
        text = default_policy(evidence_type.value)
        assert text is not None  # noqa: S101  every kind that is supported has a default
        return compile_policy(text)
    try:
        policy = compile_policy(read_text(file))
        policy.configuration()
    except PolicySyntaxError as error:
        raise PolicyError(f"--policy: {file} is not a policy\n{error}") from error
    except PolicyEvaluationError as error:
        raise PolicyError(f"--policy: {file}: {error.message}") from error
    return policy


def read_statuses(text: str | None) -> frozenset[TcbStatus]:
    """The statuses that a list with commas names; all for `None`.

    Raises:
        RequestError: A name is not a status, or `Revoked`, which is never accepted.
    """
    if text is None:
        return EVERY_TCB
    known = {status.value: status for status in TcbStatus if status is not TcbStatus.REVOKED}
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known:
            raise RequestError(f"--accept-tcb: expected some of {', '.join(known)}, got {name!r}")
    return frozenset(known[name] for name in names)
