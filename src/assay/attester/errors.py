"""What the attester's side of things can fail with."""

from __future__ import annotations

from assay.errors import AssayError


class AttesterError(AssayError):
    """The machine does not give evidence, or the service none of what was asked for.

    Whoever runs the attester must act.
    """
