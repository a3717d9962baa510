"""A service's token for evidence, as the user sees it."""

from __future__ import annotations

from assay.cli.render import GOOD, WARNING, Answer, print_json
from assay.token import VerifiedToken


def show_attestation(token: str, verified: VerifiedToken, *, as_json: bool) -> None:
    """The token itself on standard output; what it says beside it."""
    if as_json:
        print_json(
            {
                "token": token,
                "signed": verified.signed,
                "header": dict(verified.header),
                "claims": dict(verified.claims),
            }
        )
        return
    talk = Answer(stderr=True)
    if verified.signed:
        talk.line(("permitted", GOOD), f": the token is signed by key {verified.kid}")
    else:
        talk.line(("permitted by the draft policy", GOOD), (": the token is not signed", WARNING))
    talk.members({"claims": dict(verified.claims)})
    print(token)
