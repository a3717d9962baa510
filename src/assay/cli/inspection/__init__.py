"""What files say, decoded and not believed: no signature, chain or time is checked in here."""

from __future__ import annotations

from assay.cli.inspection.content import Inspection, inspect_content
from assay.cli.inspection.path import inspect_path

__all__ = ["Inspection", "inspect_content", "inspect_path"]
