"""`assay policy format` and `assay policy hash`: how a policy is written, to the last blank."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from assay.cli.exit_code import PROBLEMS
from assay.cli.options import JsonOption, PoliciesArgument, PolicyArgument

if TYPE_CHECKING:
    from assay.cli.policy_layout import Layout

_STANDARD_INPUT: Final = Path("-")


def reformat(
    *,
    files: PoliciesArgument,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 if a file would change.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Rewrite policies in the usual layout.

    Files are rewritten in place; - goes to standard output. The meaning stays, the hash does not:
    it covers white space and comments. Relying parties that pin x-ms-policy-hash must be told the
    new one, and a signed policy must be signed again. The old and the new hash are printed.

    Exit code 1 if a text is no policy, or with --check would change.
    """
    from assay.cli.policy_layout import layout_report, read_layout, show_layout
    from assay.cli.render import Answer, print_json

    layouts = [read_layout(file) for file in files]
    if not check:
        for layout in layouts:
            _write(layout, as_json=as_json)
    if as_json:
        print_json({"files": [layout_report(layout) for layout in layouts]})
    else:
        # The text itself is the answer where it comes from standard input.
        answer = Answer(stderr=_STANDARD_INPUT in files and not check)
        for layout in layouts:
            show_layout(answer, layout, written=not check)
    if any(layout.problems or (check and layout.changes) for layout in layouts):
        raise typer.Exit(PROBLEMS)


def show_hash(*, file: PolicyArgument, as_json: JsonOption = False) -> None:
    """Print the hash by which tokens name a policy.

    It is their x-ms-policy-hash. The text need not be a policy. White space, line ends and comments
    count.
    """
    from assay.cli.input_file import read_text
    from assay.cli.render import print_json
    from assay.policy import policy_hash

    digest = policy_hash(read_text(file))
    if as_json:
        print_json({"file": str(file), "hash": digest})
    else:
        print(digest)


def _write(layout: Layout, *, as_json: bool) -> None:
    from assay.cli.input_file import write_output

    if layout.file == _STANDARD_INPUT:
        if not as_json:
            print(layout.after, end="")
    elif layout.changes:
        write_output(layout.file, layout.after.encode())
