"""What a fault of a TPM's request is: one thing that is wrong, and the finding it has to cause."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from assay.encoding import encode_base64url
from assay.evidence.tpm.request_verify import RequestRules
from assay.evidence.tpm.verify import QuoteRules, SignedStructure
from assay.simulator.tpm.platform import SimulatedTpm
from assay.simulator.tpm.request import CHALLENGE, RequestDraft, draft_v2
from assay.x509.path import PathAnchors


@dataclass(frozen=True, slots=True, kw_only=True)
class TpmAttempt:
    """One verification: all that a verifier is given."""

    text: str
    rules: RequestRules


@dataclass(frozen=True, slots=True)
class TpmFault:
    """A named defect."""

    name: str
    check: str
    """Code of the finding that a verifier must report."""

    apply: Callable[[SimulatedTpm], TpmAttempt]
    """The attempt with this defect, and everything around it signed anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """By what an attempt is judged, where that is not the ordinary."""

    anchors: PathAnchors | None = None
    later: timedelta = field(default_factory=timedelta)


def tpm_attempt(tpm: SimulatedTpm, text: str, judgement: Judgement | None = None) -> TpmAttempt:
    """An attempt at the moment that `tpm` was made, trusting its authority."""
    chosen = judgement or Judgement()
    at: datetime = tpm.created_at + chosen.later
    rules = RequestRules(
        challenge=CHALLENGE,
        anchors=chosen.anchors or tpm.anchors,
        require_aik_certificate=True,
        quote=QuoteRules(),
        at=at,
    )
    return TpmAttempt(text=text, rules=rules)


def with_draft(
    edit: Callable[[SimulatedTpm, RequestDraft], Any], *, certified: bool = False
) -> Callable[[SimulatedTpm], TpmAttempt]:
    """Change a request before it is signed; `edit` may return another draft."""

    def apply(tpm: SimulatedTpm) -> TpmAttempt:
        draft = draft_v2(tpm, certified=certified)
        edited = edit(tpm, draft)
        chosen = edited if isinstance(edited, RequestDraft) else draft
        return tpm_attempt(tpm, chosen.sign())

    return apply


def with_text(edit: Callable[[str], str]) -> Callable[[SimulatedTpm], TpmAttempt]:
    """Change a request after it was signed."""
    return lambda tpm: tpm_attempt(tpm, edit(draft_v2(tpm).sign()))


def put_quote(draft: RequestDraft, quote: SignedStructure) -> None:
    """Put another quote into a draft."""
    draft.current["quote"] = encode_base64url(quote.attest)
    draft.current["signature"] = encode_base64url(quote.signature)
