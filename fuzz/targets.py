"""The fuzz targets of this folder: files named `fuzz_*.py` with a function `test_one_input`.

A target may have `SEEDS`, a sequence of inputs to start from.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One target, loaded without its instrumentation."""

    name: str
    path: Path
    test_one_input: Callable[[bytes], object]
    seeds: tuple[bytes, ...]


def target_paths() -> tuple[Path, ...]:
    """The files of all targets, sorted."""
    return tuple(sorted(FOLDER.glob("fuzz_*.py")))


def load_target(path: Path) -> Target:
    """Load a target for its function and its seeds.

    Atheris rewrites the byte code of what is imported under it, which would spoil coverage
    measurement and slow every later use down; here a stand-in takes its place.
    """
    spec = importlib.util.spec_from_file_location(f"fuzz.{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    real = sys.modules.get("atheris")
    sys.modules["atheris"] = _stand_in()
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules["atheris"]
        if real is not None:
            sys.modules["atheris"] = real
    return Target(
        name=path.stem,
        path=path,
        test_one_input=module.test_one_input,
        seeds=tuple(getattr(module, "SEEDS", ())),
    )


def _stand_in() -> ModuleType:
    module = ModuleType("atheris")
    vars(module)["instrument_imports"] = lambda **_: nullcontext()
    return module
