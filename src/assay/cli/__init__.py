"""The command line: `assay`."""

from __future__ import annotations

from assay.cli.app import app, main

__all__ = ["app", "main"]
