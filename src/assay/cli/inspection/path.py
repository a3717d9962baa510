"""From a path to what is there."""

from __future__ import annotations

from pathlib import Path

from assay.cli.collateral_path import BUNDLES
from assay.cli.input_file import read_input, reading
from assay.cli.inspection.content import Inspection, inspect_content, inspected_sets
from assay.endorsements.stored import load_sets


def inspect_path(path: Path) -> Inspection:
    """Decode a file, or the collateral in a folder.

    Raises:
        CollateralUnavailableError: A folder without collateral, or collateral that is malformed.
        RequestError: The file cannot be read, or is JSON of another kind.
        MalformedEvidenceError: The file is none of the kinds.
        TokenError: It looks like a token and is none.
    """
    with reading(path):
        is_folder = path.is_dir()
    if is_folder:
        gathered = [found.gathered for found in load_sets(path)]
        return inspected_sets("collateral", [(one.source, one.collateral) for one in gathered])
    return inspect_content(read_input(path, larger=BUNDLES))
