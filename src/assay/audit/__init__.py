"""The audit record: every administrative change and every refusal of one, chained by hashes."""

from __future__ import annotations

from assay.audit.chain import GENESIS, AuditHead, append, verify_export
from assay.audit.record import AuditEvent, AuditOutcome, AuditRecord, parse_line

__all__ = [
    "GENESIS",
    "AuditEvent",
    "AuditHead",
    "AuditOutcome",
    "AuditRecord",
    "append",
    "parse_line",
    "verify_export",
]
