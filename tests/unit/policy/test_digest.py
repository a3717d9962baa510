from __future__ import annotations

import pytest

from assay.errors import PolicyError
from assay.policy import policy_hash


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "version=1.0; authorizationrules{=> permit();}; issuancerules{};",
            "z0FRjKS0ssQTNur1V6BV8WIrh9M3fzgTo0EfHRvapWU",
        ),
        (
            "version= 1.0;authorizationrules{=> permit();};",
            "9NY0VnTQ-IiBriBplVUpFbczcDaEBUwsiFYAzHu_gco",
        ),
    ],
)
def test_the_hash_is_the_one_that_tokens_of_the_service_carry(text: str, expected: str) -> None:
    assert policy_hash(text) == expected


def test_white_space_counts() -> None:
    assert policy_hash("a\n") != policy_hash("a\r\n") != policy_hash("a")


def test_half_a_surrogate_pair_has_no_hash() -> None:
    with pytest.raises(PolicyError, match="at character 1"):
        policy_hash("a\ud800")
