"""How much may be decoded from the logs of one attestation."""

from __future__ import annotations

from typing import Final

from assay.wire import malformed

LIMIT: Final = "tpm.event_log.limit"

MAX_PARTS: Final = 32_768
"""Signatures, partitions and tagged records together; a log of Windows 11 has 3,000. Sizes in a
log are the sender's: 4 MiB could hold half a million tagged records of no content."""


class Allowance:
    """Counts decoded parts down."""

    __slots__ = ("_left",)

    def __init__(self, parts: int = MAX_PARTS) -> None:
        self._left = parts

    def take(self) -> None:
        """Take one part.

        Raises:
            MalformedEvidenceError: There are none left.
        """
        self._left -= 1
        if self._left < 0:
            raise malformed(LIMIT, f"at most {MAX_PARTS} decoded parts", "more")
