"""Policies and claims as files hold them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from assay.claims import Claim
from assay.cli.input_file import read_input, read_text, reading
from assay.encoding import JsonValue, parse_json_object
from assay.errors import PolicyError, RequestError
from assay.policy import CompiledPolicy, PolicySyntaxError, compile_policy
from assay.policy.fixtures import read_claim_sets
from assay.policy.incoming import (
    claims_from_token,
    read_incoming_claims,
    token_attestation_type,
)
from assay.token import read_unverified

POLICY_SUFFIX: Final = ".policy"
FIXTURE_SUFFIX: Final = ".json"

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")


def read_policy_file(file: Path) -> CompiledPolicy:
    """The policy in a file.

    Raises:
        RequestError: The file cannot be read.
        PolicyError: It is no policy.
    """
    try:
        return compile_policy(read_text(file))
    except PolicySyntaxError as error:
        raise not_a_policy(file, error) from error


def not_a_policy(file: Path, error: PolicySyntaxError) -> PolicyError:
    """The error of a file whose text is no policy."""
    return PolicyError(f"{file} is not a policy\n{error}")


def read_claims_file(file: Path) -> tuple[Claim, ...]:
    """The incoming claims in a file.

    Raises:
        RequestError: The file cannot be read, or holds a fixture.
        EncodingError: It is not an object of claims.
    """
    members = parse_json_object(read_input(file), str(file))
    if _is_fixture(members):
        raise RequestError(
            f"{file}: expected incoming claims, got a fixture with cases; "
            "`assay policy test` runs those"
        )
    return read_incoming_claims(members, str(file))


def read_claims_folder(folder: Path) -> Iterator[tuple[str, tuple[Claim, ...]]]:
    """Each set of incoming claims under a folder with its name: files of claims, fixtures, tokens.

    Raises:
        RequestError: There is no such folder, it has none, or a file in it cannot be read.
        EncodingError: A file is none of the three.
        TokenError: A file looks like a token and is none.
    """
    with reading(folder):
        files = sorted(
            file for file in folder.rglob("*") if file.is_file() and file.suffix != POLICY_SUFFIX
        )
    if not files:
        raise RequestError(f"{folder}: expected a folder with claims, fixtures or tokens, got none")
    for file in files:
        text = read_text(file).strip()
        if _TOKEN.fullmatch(text):
            yield str(file), claims_of_token(text, None)[1]
            continue
        members = parse_json_object(text.encode(), str(file))
        if _is_fixture(members):
            yield from read_claim_sets(members, str(file))
        else:
            yield str(file), read_incoming_claims(members, str(file))


def claims_of_token(token: str, attestation_type: str | None) -> tuple[str, tuple[Claim, ...]]:
    """The attestation type of a token that nobody verified, and the claims of its evidence.

    Raises:
        TokenError: It is no token.
        EncodingError: It does not say its type, and none is given.
    """
    members = read_unverified(token).claims
    kind = attestation_type or token_attestation_type(members)
    return kind, claims_from_token(members, kind)


def _is_fixture(members: Mapping[str, JsonValue]) -> bool:
    return isinstance(members.get("cases"), list)
