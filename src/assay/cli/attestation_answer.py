"""A service's token for evidence, as the user sees it."""

from __future__ import annotations

from assay.cli.render import GOOD, WARNING, Answer, print_json
from assay.client import AttestationToken


def show_attestation(token: AttestationToken, *, as_json: bool) -> None:
    """The token itself on standard output; what it says beside it."""
    if as_json:
        print_json(
            {
                "token": token.serialize(),
                "signed": token.secured,
                "header": dict(token.header),
                "claims": dict(token.claims),
            }
        )
        return
    talk = Answer(stderr=True)
    if token.secured:
        talk.line(("permitted", GOOD), f": the token is signed by key {token.key_id}")
    else:
        talk.line(("permitted by the draft policy", GOOD), (": the token is not signed", WARNING))
    talk.members({"claims": dict(token.claims)})
    print(token.serialize())
