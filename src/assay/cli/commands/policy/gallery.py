"""`assay policy new`: a policy from the gallery, with its fixture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.options import JsonOption, PolicyTypeChoice, PolicyTypeOption
from assay.cli.path_argument import given_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.encoding import JsonValue
    from assay.policy.gallery import Template


def new(
    *,
    template: Annotated[
        str | None, typer.Option("--template", metavar="NAME", help="Which policy to start from.")
    ] = None,
    policy_type: PolicyTypeOption = PolicyTypeChoice.ANY,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Where the policy goes, NAME.policy; its fixture goes beside it.",
            parser=given_path,
        ),
    ] = None,
    list_all: Annotated[
        bool, typer.Option("--list", help="List the templates, those of --type if it is given.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Start a policy from a template.

    Templates are commented and have cases that test them. Without --out the policy is printed. What
    has to be put in is marked EDIT; the sample that stands there refuses real evidence.
    """
    from assay.cli.render import print_json
    from assay.cli.template import find_template, templates_of, write_template

    if list_all:
        _list(templates_of(policy_type.attestation_type), as_json=as_json)
        return
    chosen = find_template(template, policy_type.attestation_type)
    if out is not None:
        written = write_template(chosen, out)
        if as_json:
            print_json({"template": chosen.name, **written})
        else:
            for what, path in written.items():
                print(f"{what:<9}{path}")
    elif as_json:
        print_json({**_row(chosen), "policy": chosen.policy, "fixture": chosen.fixture})
    else:
        print(chosen.policy, end="")


def _list(templates: Sequence[Template], *, as_json: bool) -> None:
    from assay.cli.render import DIM, Answer, print_json

    if as_json:
        print_json({"templates": [_row(one) for one in templates]})
        return
    answer = Answer()
    width = max(len(one.name) for one in templates)
    for one in templates:
        answer.line((f"{one.name:<{width}}  ", "bold"), one.summary, (f"  {one.types[0]}", DIM))


def _row(template: Template) -> dict[str, JsonValue]:
    return {
        "name": template.name,
        "summary": template.summary,
        "types": list(template.types),
    }
