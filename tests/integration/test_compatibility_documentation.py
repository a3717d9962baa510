"""`docs/compatibility.md` against the catalogue of claims."""

from __future__ import annotations

import re
from typing import Final

from assay.claims.names import Where, claim_names
from tests.documentation import read_page, rows, section

_PAGE: Final = read_page("compatibility.md")


def test_the_claims_that_are_added_are_those_of_the_catalogue() -> None:
    catalogue = {
        row.name: row.where
        for row in claim_names("SgxEnclave").values()
        if row.name.startswith("x-assay-")
    }

    documented = {
        name: where
        for names, where, _ in rows(section(_PAGE, "Added"))
        for name in re.findall(r"`(.*?)`", names)
    }

    assert documented.keys() == catalogue.keys()
    for name, where in documented.items():
        assert ("polic" in where) is (Where.INCOMING in catalogue[name])
        assert ("token" in where) is (Where.TOKEN in catalogue[name])
