"""`docs/compatibility.md` against the clients that the tests here have."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Final

from tests.conformance.dialects import OWNERS
from tests.documentation import read_page, rows, section

_CLIENTS: Final = rows(section(read_page("compatibility.md"), "Clients"))


def test_the_packages_are_those_that_run_here() -> None:
    manifest = json.loads((Path(__file__).parent / "js" / "package.json").read_text())
    python = ("azure-security-attestation", "azure-mgmt-attestation")
    packages = {name: version(name) for name in python} | manifest["dependencies"]

    documented = {
        client.split("`")[1]: released
        for client, released, how in _CLIENTS
        if how.startswith("the package itself")
    }

    assert documented == packages


def test_the_clients_on_the_wire_are_those_that_speak_here() -> None:
    documented = {client for client, _, how in _CLIENTS if how.startswith("on the wire")}

    assert documented == {dialect.client for dialect in OWNERS}
