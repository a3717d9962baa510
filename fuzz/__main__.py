"""Run every fuzz target, several at a time: `python -m fuzz --seconds 30 --jobs 2 [NAME...]`.

Inputs that were found interesting stay under `corpus/`, so that the next run starts from them.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from fuzz.targets import FOLDER, Target, load_target, target_paths

_CORPUS = FOLDER.parent / "corpus"
_SLOWEST_INPUT_SECONDS = 10
_SHOWN_LINES = 40


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description="Run the fuzz targets.")
    parser.add_argument("names", nargs="*", help="targets, fuzz_json for example; all by default")
    parser.add_argument("--seconds", type=int, default=30, help="for each target")
    parser.add_argument(
        "--seed", type=int, default=0, help="of the mutations; 0: another each time"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="at a time")
    options = parser.parse_args(arguments)
    paths = [path for path in target_paths() if not options.names or path.stem in options.names]
    if not paths:
        parser.error(f"no target is named {' or '.join(options.names)}")
    targets = [load_target(path) for path in paths]
    with ThreadPoolExecutor(options.jobs) as pool:
        passed = list(pool.map(lambda target: _run(target, options.seconds, options.seed), targets))
    return 0 if all(passed) else 1


def _run(target: Target, seconds: int, seed: int) -> bool:
    corpus = _CORPUS / target.name
    corpus.mkdir(parents=True, exist_ok=True)
    for example in target.seeds:
        (corpus / hashlib.sha256(example).hexdigest()[:16]).write_bytes(example)
    done = subprocess.run(  # noqa: S603  our own files
        [
            sys.executable,
            "-m",
            f"fuzz.{target.name}",
            f"-max_total_time={seconds}",
            f"-seed={seed}",
            f"-timeout={_SLOWEST_INPUT_SECONDS}",
            f"-artifact_prefix={_CORPUS}/{target.name}-",
            "-print_final_stats=1",
            str(corpus),
        ],
        check=False,
        cwd=FOLDER.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    found = re.search(r"number_of_executed_units: *(\d+)", done.stderr)
    runs = f"{int(found.group(1)):,} inputs" if found else "no statistics"
    passed = done.returncode == 0 and found is not None
    print(f"{target.name:<28} {runs:>20}  {'ok' if passed else 'FAILED'}", flush=True)  # noqa: T201
    if not passed:
        print("\n".join(done.stderr.splitlines()[-_SHOWN_LINES:]), flush=True)  # noqa: T201
    return passed


if __name__ == "__main__":
    sys.exit(main())
