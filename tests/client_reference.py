"""The reference of the client library, made of its docstrings. A test compares the page.

`python -m tests.client_reference` writes it anew.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from tests.surface import instance_attributes, stated

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "client-reference.md"
_MODULES: Final = ("assay.client", "assay.client.aio", "assay.client.testing")
_HEAD: Final = """# Reference of the client library

Made of the docstrings of `assay.client`; the tests compare it. [The page about the library](client.md) shows how it is used.
"""  # noqa: E501  Markdown


def reference() -> str:
    """The whole page."""
    parts = [_HEAD]
    for name in _MODULES:
        module = importlib.import_module(name)
        parts.append(f"## `{name}`\n\n{_text(inspect.getdoc(module) or '')}\n")
        for export in sorted(module.__all__, key=str.lower):
            found = getattr(module, export)
            if inspect.isclass(found):
                parts.append(_class(export, found))
            elif callable(found):
                parts.append(_function(export, found))
    return "\n".join(parts)


def _class(name: str, found: type) -> str:
    source = inspect.unwrap(found)
    tree = ast.parse(inspect.getsource(source)).body[0]
    assert isinstance(tree, ast.ClassDef)
    lines = [f"### `{name}`\n", _text(ast.get_docstring(tree) or ""), ""]
    fields = list(_fields(tree))
    if fields:
        lines += ["| Field | Type | |", "|---|---|---|"]
        lines += [f"| `{field}` | `{kind}` | {text} |" for field, kind, text in fields]
        lines.append("")
    attributes = list(instance_attributes(found))
    if attributes:
        lines += ["| Attribute | |", "|---|---|"]
        lines += [f"| `{attribute}` | {text} |" for attribute, text in attributes]
        lines.append("")
    for member in tree.body:
        if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef) and _is_public(member):
            lines += _method(member)
    return "\n".join(lines)


def _fields(tree: ast.ClassDef) -> Iterator[tuple[str, str, str]]:
    """Names, types or values, and what is said of them."""
    for member, following in pairwise([*tree.body, ast.Pass()]):
        text = stated(following)
        if isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name):
            said = " ".join(part for part in (_wire_name(member.value), text) if part)
            yield member.target.id, ast.unparse(member.annotation).replace("|", "\\|"), said
        elif isinstance(member, ast.Assign) and isinstance(member.targets[0], ast.Name):
            yield member.targets[0].id, ast.unparse(member.value), text


def _wire_name(value: ast.expr | None) -> str:
    """The claim that a field is read from, where it has another name."""
    keywords = value.keywords if isinstance(value, ast.Call) else []
    names = [ast.literal_eval(one.value) for one in keywords if one.arg == "name"]
    return f"`{names[0]}`." if names else ""


def _is_public(member: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return member.name == "__init__" or not member.name.startswith("_")


def _method(member: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    text = ast.get_docstring(member)
    if text is None:
        return []
    decorators = {ast.unparse(one) for one in member.decorator_list}
    if "property" in decorators:
        returned = "" if member.returns is None else f": {ast.unparse(member.returns)}"
        return [f"`{member.name}{returned}`", "", _text(text), ""]
    prefix = "async " if isinstance(member, ast.AsyncFunctionDef) else ""
    shown = f"{prefix}{member.name}({_arguments(member.args)})"
    if member.returns is not None and member.name != "__init__":
        shown += f" -> {ast.unparse(member.returns)}"
    return [f"`{shown}`", "", _text(text), ""]


def _arguments(arguments: ast.arguments) -> str:
    shown = ast.unparse(arguments)
    return re.sub(r"^(self|cls)(, )?", "", shown)


def _function(name: str, found: Any) -> str:  # noqa: ANN401  a function
    tree = ast.parse(inspect.getsource(inspect.unwrap(found))).body[0]
    assert isinstance(tree, ast.FunctionDef)
    shown = f"{name}({_arguments(tree.args)})"
    if tree.returns is not None:
        shown += f" -> {ast.unparse(tree.returns)}"
    return f"### `{name}`\n\n`{shown}`\n\n{_text(ast.get_docstring(tree) or '')}\n"


def _text(docstring: str) -> str:
    """A docstring's sections as Markdown."""
    lines: list[str] = []
    in_list = False
    for line in docstring.splitlines():
        if re.fullmatch(r"(Args|Raises|Returns):", line):
            lines += [f"*{line[:-1]}*", ""]
            in_list = line != "Returns:"
        elif in_list and re.match(r"    \w", line):
            name, _, rest = line.strip().partition(": ")
            lines.append(f"- `{name}`: {rest}")
        else:
            in_list = in_list and bool(line)
            lines.append(f"  {line.strip()}" if in_list else line.strip())
    return "\n".join(lines).rstrip()


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
