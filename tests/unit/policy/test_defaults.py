from __future__ import annotations

import pytest

from assay.policy import compile_policy, default_policy

TYPES = ["SgxEnclave", "OpenEnclave", "SevSnpVm", "TdxVm", "AzureGuest"]


@pytest.mark.parametrize("attestation_type", TYPES)
def test_every_default_policy_compiles(attestation_type: str) -> None:
    for text in (default_policy(attestation_type), default_policy(attestation_type, "2021")):
        assert text is not None
        compile_policy(text).configuration()


@pytest.mark.parametrize("attestation_type", ["SgxEnclave", "OpenEnclave"])
def test_the_sgx_default_of_2021_has_the_hash_of_the_tokens_of_2021(attestation_type: str) -> None:
    text = default_policy(attestation_type, "2021")

    assert text is not None
    assert compile_policy(text).hash == "bROrN897ZfWmWY2V0FLUlu3uwk5xatGnKYHn3zBbSlw"
    assert compile_policy(text).configuration() == {}


def test_the_sgx_default_of_today_asks_for_the_default_baseline() -> None:
    text = default_policy("SgxEnclave")

    assert text is not None
    assert compile_policy(text).version == "1.1"
    assert compile_policy(text).hash == "ViVGS4BYl70X8eUrgryHg0TtbEk9WtIc6DtTBEFxaWc"
    assert compile_policy(text).configuration() == {"x-ms-sgx-tcbidentifier": "azuredefault"}


def test_the_snp_default_has_the_hash_of_published_tokens() -> None:
    text = default_policy("SevSnpVm")

    assert text is not None
    assert compile_policy(text).hash == "9NY0VnTQ-IiBriBplVUpFbczcDaEBUwsiFYAzHu_gco"


@pytest.mark.parametrize("attestation_type", ["Tpm", "VbsEnclave", "sgx", ""])
def test_a_type_without_a_default_has_none(attestation_type: str) -> None:
    assert default_policy(attestation_type) is None
