"""A boot log from bytes to a decision, step by step."""

from __future__ import annotations

from dataclasses import replace

from assay.claims import Claim
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.boot_claims import boot_claims
from assay.evidence.tpm.documents import events_document
from assay.evidence.tpm.event_log import parse_event_log
from assay.evidence.tpm.log_verify import verify_event_logs
from assay.simulator.windows_boot import WindowsState, windows_boot
from benchmarks.floor import Rate, measure
from benchmarks.policy import tpm_policy

_MODULES = 356
"""So many that the log has 150 KB, as the largest ones of Windows 11."""

_BANK = HashAlgorithm.SHA256


def log_bytes() -> int:
    """The size of the log."""
    return len(_BOOT.encode())


def event_log_steps() -> dict[str, Rate]:
    """Each step alone, and all together."""
    data, quoted, policy = _BOOT.encode(), _BOOT.registers(), tpm_policy()
    log = parse_event_log(data)
    measured = verify_event_logs([log], quoted)
    incoming = (
        Claim("aikValidated", value=True),
        *boot_claims(measured),
        Claim("events", events_document(measured)),
    )

    def whole() -> object:
        found = verify_event_logs([parse_event_log(data)], quoted)
        claims = (*boot_claims(found), Claim("events", events_document(found)))
        return policy.evaluate((Claim("aikValidated", value=True), *claims))

    return {
        "parsing": measure(lambda: parse_event_log(data)),
        "replay, and reading what it proves": measure(lambda: verify_event_logs([log], quoted)),
        "the claim `events`": measure(lambda: events_document(measured)),
        "the claims of policy 1.0": measure(lambda: boot_claims(measured)),
        "the policy": measure(lambda: policy.evaluate(incoming)),
        "all of it": measure(whole),
    }


_BOOT = replace(windows_boot(WindowsState(modules=_MODULES)), banks=(_BANK,))
