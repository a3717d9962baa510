"""Rules of the house that no linter knows. Each is a test, since a rule without one is a wish."""

from __future__ import annotations

import ast
import hashlib
import importlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from assay.claims import CATALOGUE
from tests.vectors import MISSING, vectors_folder

ROOT: Final = Path(__file__).resolve().parent.parent
SOURCE: Final = ROOT / "src" / "assay"

MAX_LINES: Final = 500

# Types that say "this was verified", and the only modules that may say so.
TRUSTED: Final = {
    "Verified": re.compile(r"evidence/.*verify\.py"),
    "VerifiedEnclave": re.compile(r"evidence/tpm/enclave_verify\.py"),
    "VerifiedTpmEvidence": re.compile(r"evidence/tpm/evidence_verify\.py"),
    "VerifiedTpmKey": re.compile(r"evidence/tpm/verify\.py"),
    "VerifiedTpmQuote": re.compile(r"evidence/tpm/verify\.py"),
    "VerifiedTpmRequest": re.compile(r"evidence/tpm/request_verify\.py"),
    "VerifiedCollateral": re.compile(r"endorsements/intel\.py"),
    "VerifiedCrl": re.compile(r"x509/crl\.py"),
    "MeasuredLog": re.compile(r"evidence/tpm/log_verify\.py"),
}

CODE: Final = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*){2}")
PREFIX: Final = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")

LOCKS: Final = sorted(ROOT.glob("requirements/*.txt"))


_UNTRACKED: Final = {
    "__pycache__",
    "build",
    "corpus",
    "dist",
    "mutants",
    "node_modules",
    "sbom",
}


def _walk(folder: Path) -> Iterator[Path]:
    # What git tracks, without needing git: no caches, no builds, no virtual environment.
    for path in sorted(folder.iterdir()):
        hidden = path.name.startswith(".") and path.name not in {".ci", ".github", ".gitignore"}
        if hidden or (path.name in _UNTRACKED and path != ROOT / "tests" / "corpus"):
            continue
        if path.is_dir():
            yield from _walk(path)
        elif not path.name.endswith((".pyc", ".egg-info")):
            yield path


REPOSITORY: Final = tuple(_walk(ROOT))
TEXTS: Final = {path: path.read_bytes().decode("utf-8", "replace") for path in REPOSITORY}
MODULES: Final = {path: ast.parse(TEXTS[path]) for path in sorted(SOURCE.rglob("*.py"))}
PACKAGES: Final = sorted(path.parent for path in MODULES if path.name == "__init__.py")


def _lines_with(
    pattern: str, *, under: tuple[str, ...] = (), but: tuple[Path, ...] = ()
) -> list[str]:
    found = re.compile(pattern)
    return [
        f"{_name(path)}:{number}: {line.strip()}"
        for path, text in TEXTS.items()
        if path not in (Path(__file__), *but) and (not under or _name(path).startswith(under))
        for number, line in enumerate(text.splitlines(), 1)
        if found.search(line)
    ]


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _called(node: ast.Call) -> str:
    """The last name of what is called: `Verified` of `verified.Verified[SgxQuote](...)`."""
    callee = node.func.value if isinstance(node.func, ast.Subscript) else node.func
    if isinstance(callee, ast.Attribute):
        return callee.attr
    return callee.id if isinstance(callee, ast.Name) else ""


def _strings(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


# Code


def test_no_source_file_has_more_than_500_lines() -> None:
    sizes = {_name(path): text.count("\n") for path, text in TEXTS.items() if path.suffix == ".py"}

    assert {name: size for name, size in sizes.items() if size > MAX_LINES} == {}


@pytest.mark.parametrize("trusted", TRUSTED)
def test_only_verifiers_construct_verified_types(trusted: str) -> None:
    constructed = [
        f"{_name(path)}:{node.lineno}"
        for path, tree in MODULES.items()
        if not TRUSTED[trusted].fullmatch(path.relative_to(SOURCE).as_posix())
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _called(node) == trusted
    ]

    assert constructed == []


def test_the_rule_about_verified_types_sees_every_way_to_call_one() -> None:
    calls = ast.parse("Verified(a=1); Verified[T](a=1); m.Verified(a=1); m.Verified[T](a=1)")

    found = [_called(node) for node in ast.walk(calls) if isinstance(node, ast.Call)]

    assert found == ["Verified"] * 4


@pytest.mark.parametrize("package", PACKAGES, ids=_name)
def test_every_package_says_what_it_exports(package: Path) -> None:
    name = ".".join(package.relative_to(SOURCE.parent).parts)
    tree = MODULES[package / "__init__.py"]
    if not any(isinstance(node, (ast.Import, ast.ImportFrom)) for node in tree.body):
        return  # A namespace with a docstring: its modules are its interface.

    module = importlib.import_module(name)

    assert len(set(module.__all__)) == len(module.__all__)
    assert [export for export in module.__all__ if not hasattr(module, export)] == []


@pytest.mark.parametrize("package", PACKAGES, ids=_name)
def test_every_package_and_module_says_what_it_is(package: Path) -> None:
    silent = [
        _name(path)
        for path, tree in MODULES.items()
        if path.parent == package and ast.get_docstring(tree) is None
    ]

    assert silent == []


def test_no_module_is_named_for_having_no_noun() -> None:
    nameless = {"base", "common", "helper", "helpers", "misc", "shared", "util", "utils"}

    assert [_name(path) for path in MODULES if nameless & {path.stem, path.parent.name}] == []


def test_nothing_turns_verification_off() -> None:
    off = r"verify\s*=\s*False|CERT_NONE|check_hostname\s*=\s*False|_create_unverified_context"

    assert _lines_with(off, under=("src/", "tests/", "fuzz/", "benchmarks/")) == []


def test_only_the_clock_reads_the_time() -> None:
    reads = (
        r"datetime\.(now|utcnow|today)\(|date\.today\(|\btime\.(time|time_ns|gmtime|localtime)\("
    )

    assert _lines_with(reads, under=("src/",), but=(SOURCE / "clock.py",)) == []


def test_nothing_is_left_to_do() -> None:
    notes = r"\b(TODO|FIXME|XXX|HACK)\b"

    assert _lines_with(notes, under=("src/", "tests/", "fuzz/", "benchmarks/", "docs/")) == []


_PROCESS_EDGE = ("tests/unit/cli/", "tests/unit/client/")


def test_nothing_is_mocked() -> None:
    assert _lines_with(r"unittest\.mock|\bMagicMock\b", under=("tests/",)) == []


def test_only_the_edge_of_a_process_is_replaced() -> None:
    """Standard input, a limit, the server that a command starts: nothing that is verified."""
    replaced = _lines_with(r"\bmonkeypatch\.setattr\b", under=("tests/",))

    assert [line for line in replaced if not line.startswith(_PROCESS_EDGE)] == []


def test_every_claim_of_our_own_is_in_the_catalogue() -> None:
    written = {
        text
        for path, tree in MODULES.items()
        if path.relative_to(SOURCE).parts[0] not in {"claims", "simulator"}
        for text in _strings(tree)
        if re.fullmatch(r"x-assay-[a-z-]+", text)
    }

    assert written - {name for table in CATALOGUE.values() for name in table} == set()


# Findings


def _documented() -> set[str]:
    text = (ROOT / "docs" / "findings.md").read_text()
    return {code for code in re.findall(r"`([^`\s]+)`", text) if CODE.fullmatch(code)}


def test_every_code_in_the_source_is_documented() -> None:
    documented = _documented()
    formats = {code.partition(".")[0] for code in documented}
    passed = {
        keyword.value.value
        for tree in MODULES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "check" and isinstance(keyword.value, ast.Constant)
    }
    written = {
        text
        for tree in MODULES.values()
        for text in _strings(tree)
        if CODE.fullmatch(text) and (text.partition(".")[0] in formats or text in passed)
    }

    assert written - documented == set()


def test_every_documented_code_can_occur() -> None:
    written = {text for tree in MODULES.values() for text in _strings(tree)}

    def composed(code: str) -> bool:
        # `check="dcap.pck_crl"` in one module, f"{check}.crl_issuer" or "_expired" in another; a
        # policy's decision `no-permit` becomes a code's end.
        prefix, _, error_class = code.rpartition(".")
        endings = {error_class, f".{error_class}", error_class.replace("_", "-")} | {
            error_class[at:] for at, letter in enumerate(error_class) if letter == "_"
        }
        return not {prefix, f"{prefix}."}.isdisjoint(written) and not endings.isdisjoint(written)

    assert {code for code in _documented() if code not in written and not composed(code)} == set()


# Documents


def test_every_relative_link_leads_somewhere() -> None:
    broken = [
        f"{_name(path)}: {target}"
        for path, text in TEXTS.items()
        if path.suffix == ".md"
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
        if "://" not in target and not target.startswith("mailto:")
        if not (path.parent / target).exists()
    ]

    assert broken == []


def test_every_make_target_in_the_documents_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", TEXTS[ROOT / "Makefile"], re.MULTILINE))
    named = {
        target
        for path, text in TEXTS.items()
        if path.suffix == ".md"
        for target in re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE)
    }

    assert named - targets == set()


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = sorted(path.name[:4] for path in (ROOT / "docs" / "decisions").glob("0*.md"))

    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]


# What must not be in the repository


def test_no_path_of_a_developers_machine() -> None:
    assert _lines_with(r"/(home|Users)/[A-Za-z]|(?<![\w.])/(work|root)/\w|[A-Z]:\\Users") == []


def test_no_package_registry() -> None:
    registries = r"pypi\.org|pythonhosted|registry\.npmjs|artifactory|(?<!-no-emit)-index-url"

    assert _lines_with(registries) == []


@pytest.mark.parametrize("lock", LOCKS, ids=_name)
def test_locks_hold_hashes_and_no_address(lock: Path) -> None:
    assert "://" not in TEXTS[lock]
    assert TEXTS[lock].count("==") <= TEXTS[lock].count("--hash=sha256:")


def test_the_lock_of_npm_holds_hashes_and_no_address() -> None:
    lock = TEXTS[ROOT / "tests" / "conformance" / "js" / "package-lock.json"]
    packages = json.loads(lock)["packages"]
    packages.pop("")  # this one

    assert packages
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    assert not any("resolved" in package for package in packages.values())


def test_there_are_locks() -> None:
    assert LOCKS


def test_no_private_key_is_in_the_repository() -> None:
    assert _lines_with("-----BEGIN [A-Z ]*PRIVATE KEY-----$") == []


def test_nothing_of_the_shared_vectors_is_copied() -> None:
    folder = vectors_folder()
    if folder is None:
        assert not os.environ.get("CI"), MISSING
        pytest.skip(MISSING)
    if folder.parent.name == "shared":
        folder = folder.parent
    ours = {
        (len(data), hashlib.sha256(data).digest()): _name(path)
        for path in REPOSITORY
        # Vendor roots are public and are found inside evidence, too.
        if (data := path.read_bytes()) and "endorsements/roots/" not in _name(path)
    }
    sizes = {size for size, _ in ours}

    copied = {
        ours[key]: path.name
        for path in folder.rglob("*")
        if path.is_file() and path.stat().st_size in sizes
        if (key := _fingerprint(path)) in ours
    }

    assert copied == {}


def _fingerprint(path: Path) -> tuple[int, bytes]:
    data = path.read_bytes()
    return len(data), hashlib.sha256(data).digest()
