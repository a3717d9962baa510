"""The public surface of packages as text: names, signatures, fields. Tests compare it.

`python -m tests.surface` writes the files anew, for when it changes on purpose.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import msgspec

FOLDER: Final = Path(__file__).resolve().parent / "samples"
SURFACES: Final = {
    "client_surface.txt": ("assay.client", "assay.client.aio", "assay.client.testing"),
}


def surface(*modules: str) -> str:
    """What a program can use of these modules."""
    lines: list[str] = []
    for name in modules:
        module = importlib.import_module(name)
        lines += [f"# {name}", ""]
        for export in sorted(module.__all__):
            lines += [*_described(export, getattr(module, export)), ""]
    return "\n".join(lines).rstrip() + "\n"


def _described(name: str, found: Any) -> Iterator[str]:  # noqa: ANN401  anything
    if inspect.isclass(found):
        bases = ", ".join(one.__name__ for one in found.__bases__ if one is not object)
        yield f"class {name}({bases})"
        yield from (f"    {line}" for line in _members(found))
    elif callable(found):
        yield f"def {name}{_signature(found)}"
    else:
        yield f"{name} = {found!r}"


def _members(kind: type) -> Iterator[str]:
    if issubclass(kind, enum.Enum):
        yield from (f"{one.name} = {one.value!r}" for one in kind)
        return
    fields = _fields(kind)
    for name, annotation in fields.items():
        yield f"{name}: {getattr(annotation, '__forward_arg__', annotation)}"
    if not fields and "__init__" in kind.__dict__ and not getattr(kind, "_is_protocol", False):
        yield f"def __init__{_signature(kind.__dict__['__init__'])}"
    yield from (f"attribute {name}" for name, _ in instance_attributes(kind))
    for name, member in sorted(kind.__dict__.items()):
        if not name.startswith("_"):
            yield from _member(name, member)


def instance_attributes(kind: type) -> Iterator[tuple[str, str]]:
    """What a class's own `__init__` sets for everybody, with the texts below."""
    if "__init__" not in kind.__dict__ or dataclasses.is_dataclass(kind):
        return
    [tree] = ast.parse(textwrap.dedent(inspect.getsource(kind.__dict__["__init__"]))).body
    assert isinstance(tree, ast.FunctionDef)
    for statement, following in pairwise([*tree.body, ast.Pass()]):
        for target in _targets(statement):
            if isinstance(target, ast.Attribute) and not target.attr.startswith("_"):
                yield target.attr, stated(following)


def _targets(statement: ast.stmt) -> list[ast.expr]:
    if isinstance(statement, ast.Assign):
        return statement.targets
    return [statement.target] if isinstance(statement, ast.AnnAssign) else []


def stated(statement: ast.stmt) -> str:
    """The text of a statement that is nothing but a text, in one line."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return " ".join(str(statement.value.value).split())
    return ""


def _fields(kind: Any) -> dict[str, Any]:  # noqa: ANN401  a class
    if dataclasses.is_dataclass(kind):
        return {one.name: one.type for one in dataclasses.fields(kind)}
    names = kind.__struct_fields__ if issubclass(kind, msgspec.Struct) else ()
    names = kind._fields if issubclass(kind, tuple) else names
    return {name: kind.__annotations__[name] for name in names}


def _member(name: str, member: Any) -> Iterator[str]:  # noqa: ANN401  anything
    if isinstance(member, property):
        returned = inspect.signature(member.fget).return_annotation if member.fget else ""
        yield f"property {name}: {returned}"
    elif isinstance(member, classmethod):
        yield f"classmethod {name}{_signature(member.__func__)}"
    elif inspect.iscoroutinefunction(member):
        yield f"async def {name}{_signature(member)}"
    elif inspect.isfunction(member):
        yield f"def {name}{_signature(member)}"


def _signature(found: Any) -> str:  # noqa: ANN401  anything that can be called
    while hasattr(found, "__wrapped__"):
        found = found.__wrapped__
    # A function as a default value is shown by its name, not by its address.
    return re.sub(r"<function (\w+) at 0x[0-9a-f]+>", r"\1", str(inspect.signature(found)))


if __name__ == "__main__":
    for file, modules in SURFACES.items():
        (FOLDER / file).write_text(surface(*modules), encoding="utf-8")
