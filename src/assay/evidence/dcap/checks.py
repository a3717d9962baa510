"""The DCAP verification procedure as a table, for verdicts that explain themselves.

The numbers are those of the comments in `intel.py`, `trust.py` and `verify.py`.

Source: Intel SGX/TDX DCAP Quote Verification Library; order is cheapest rejection first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Check:
    """One step of a verification."""

    step: str
    title: str
    """What holds once the step has passed."""

    codes: tuple[str, ...]
    """Codes, or starts of codes up to a dot, of the findings that mean it failed."""

    needs: tuple[str, ...] = ()
    """The steps without which this one is not judged."""

    structural: bool = False
    """Whether the evidence alone decides it, with nothing to hold it against."""

    def covers(self, code: str) -> bool:
        """Whether a finding with `code` means that this check failed."""
        return any(
            code == own or (own.endswith(".") and code.startswith(own)) for own in self.codes
        )


DCAP_CHECKS: Final = (
    Check(
        "1",
        "the quote is well formed and of a supported kind",
        ("dcap.quote.quote_format", "dcap.quote.unsupported"),
        structural=True,
    ),
    Check(
        "2",
        "the PCK certificate chain ends in a trusted root",
        ("dcap.pck_chain.",),
        needs=("1",),
    ),
    Check(
        "3",
        "the CRLs are genuine and current, and revoke nothing in use",
        ("dcap.root_ca_crl.", "dcap.pck_crl.", "dcap.pck_crl_chain."),
        needs=("1",),
    ),
    Check(
        "4",
        "TCB info and QE identity are genuine, current, and meant for this platform",
        (
            "dcap.tcb_info.",
            "dcap.tcb_info_chain.",
            "dcap.qe_identity.",
            "dcap.qe_identity_chain.",
        ),
        needs=("1",),
    ),
    Check(
        "5",
        "the PCK key signed the QE report, which binds the attestation key",
        ("dcap.qe_report.qe_report_signature", "dcap.qe_report.qe_report_data"),
        needs=("2", "3", "4"),
    ),
    Check(
        "6",
        "the quoting enclave is Intel's",
        ("dcap.qe_report.qe_identity",),
        needs=("2", "3", "4"),
    ),
    Check(
        "7",
        "the attestation key signed the quote",
        ("dcap.quote.quote_signature",),
        needs=("1",),
    ),
    Check(
        "8",
        "the platform's TCB is known, not revoked, and of an accepted status",
        ("dcap.tcb.",),
        needs=("2", "3", "4"),
    ),
)
