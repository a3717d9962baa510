"""A template of the gallery as the options name it, and as files."""

from __future__ import annotations

from pathlib import Path

from assay.cli.input_file import write_output, writing
from assay.cli.policy_file import FIXTURE_SUFFIX, POLICY_SUFFIX
from assay.errors import RequestError
from assay.policy.gallery import TEMPLATES, Template


def templates_of(attestation_type: str | None) -> tuple[Template, ...]:
    """The templates that fit a type; all without one."""
    return tuple(
        one for one in TEMPLATES if attestation_type is None or attestation_type in one.types
    )


def find_template(name: str | None, attestation_type: str | None) -> Template:
    """The template with a name.

    Raises:
        RequestError: There is none, or it is for other types.
    """
    fitting = templates_of(attestation_type)
    names = ", ".join(one.name for one in fitting)
    for one in TEMPLATES:
        if one.name == name and one not in fitting:
            raise RequestError(
                f"--template: {name} is for {' and '.join(one.types)}, not for "
                f"{attestation_type}; there are {names}"
            )
        if one.name == name:
            return one
    got = "none" if name is None else repr(name)
    raise RequestError(f"--template: expected one of {names}, got {got}")


def write_template(template: Template, file: Path) -> dict[str, str]:
    """Write the policy to `file` and its fixture beside it; where both went.

    Raises:
        RequestError: The name is no policy's, a file is there already, or cannot be written.
    """
    fixture = file.with_suffix(FIXTURE_SUFFIX)
    if file.suffix != POLICY_SUFFIX:
        # `assay policy test` finds no other.
        raise RequestError(f"--out: expected a name such as {file.stem}.policy, got {file.name}")
    for path in (file, fixture):
        with writing(path):
            is_there = path.exists()
        if is_there:
            raise RequestError(f"--out: {path} is there already; choose another name")
    write_output(file, template.policy.encode())
    write_output(fixture, template.fixture.encode())
    return {"policy": str(file), "fixture": str(fixture)}
