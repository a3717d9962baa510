"""Where the shared vectors are, and one parameter per vector for tests that run over them.

The vectors are not part of this repository (CONTRIBUTING.md, "Vectors"). Without them such tests
skip and say so; in CI they fail, since a corpus that silently shrinks to nothing protects nobody.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from _pytest.mark import ParameterSet

_ROOT: Final = Path(__file__).resolve().parent.parent

MISSING: Final = "the shared vectors are not here: set ASSAY_VECTORS to their folder"


def vectors_folder() -> Path | None:
    """The folder of the vectors, or nothing where they are missing."""
    named = os.environ.get("ASSAY_VECTORS")
    folder = Path(named) if named else _ROOT.parent / "shared" / "vectors"
    return folder if folder.is_dir() else None


def vector_paths(*patterns: str) -> tuple[Path, ...]:
    """The paths under the vectors that match one of `patterns`, sorted; none where missing.

    Raises:
        LookupError: The vectors are here and a pattern matches nothing, or CI has none of them.
    """
    folder = vectors_folder()
    if folder is None:
        if os.environ.get("CI"):
            raise LookupError(MISSING)
        return ()
    return tuple(path for pattern in patterns for path in _matches(folder, pattern))


def vector_params(*patterns: str) -> tuple[ParameterSet, ...]:
    """One pytest parameter per path under the vectors that matches, named by its relative path.

    For `@pytest.mark.parametrize("folder", vector_params("dcap/made/*"))`. Where the vectors are
    missing it is one parameter that skips with the reason.

    Raises:
        LookupError: The vectors are here and a pattern matches nothing, or CI has none of them.
    """
    folder = vectors_folder()
    paths = vector_paths(*patterns)
    if folder is None:
        name = f"no vectors: {', '.join(patterns)}"
        return (pytest.param(_ROOT, id=name, marks=pytest.mark.skip(reason=MISSING)),)
    return tuple(pytest.param(path, id=str(path.relative_to(folder))) for path in paths)


def _matches(folder: Path, pattern: str) -> Iterator[Path]:
    found = sorted(folder.glob(pattern))
    if not found:
        raise LookupError(f"no vector matches {pattern!r}: the pattern or the corpus is wrong")
    yield from found
