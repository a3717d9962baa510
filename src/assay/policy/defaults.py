"""The policy an attestation type has until its owner sets one.

Source: MAA protocol, section 7.4, and policy semantics, section 7. The text is exact where its
hash is known from tokens: white space counts.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

Compatibility: TypeAlias = Literal["current", "2021"]
"""The service of today, or that of 2021 with its tokens."""

_SGX_ISSUANCE: Final = (
    "authorizationrules{=> permit();};"
    "issuancerules{"
    'c:[type=="x-ms-sgx-is-debuggable"] => issue(type="is-debuggable", value=c.value);'
    'c:[type=="x-ms-sgx-mrsigner"] => issue(type="sgx-mrsigner", value=c.value);'
    'c:[type=="x-ms-sgx-mrenclave"] => issue(type="sgx-mrenclave", value=c.value);'
    'c:[type=="x-ms-sgx-product-id"] => issue(type="product-id", value=c.value);'
    'c:[type=="x-ms-sgx-svn"] => issue(type="svn", value=c.value);'
    'c:[type=="x-ms-attestation-type"] => issue(type="tee", value=c.value);'
    "};"
)
_SGX_2021: Final = "version= 1.0;" + _SGX_ISSUANCE
_SGX: Final = (
    "version= 1.1;"
    "configurationrules{"
    '=> issueproperty(type="x-ms-sgx-tcbidentifier", value="azuredefault");'
    "};" + _SGX_ISSUANCE
)
_PERMIT: Final = "version= 1.0;authorizationrules{=> permit();};"
_AZURE_GUEST: Final = (
    "version= 1.0;"
    "authorizationrules{"
    '[type=="x-ms-azurevm-default-securebootkeysvalidated", value==false] => deny();'
    '[type=="x-ms-azurevm-debuggersdisabled", value==false] => deny();'
    '[type=="secureboot", value==false] => deny();'
    '[type=="x-ms-azurevm-signingdisabled", value==false] => deny();'
    '[type=="x-ms-azurevm-dbvalidated", value==false] => deny();'
    '[type=="x-ms-azurevm-dbxvalidated", value==false] => deny();'
    "=> permit();"
    "};"
    "issuancerules{};"
)

# Tpm and VbsEnclave have none: attestation fails until a policy is set.
_CURRENT: Final = {
    "SgxEnclave": _SGX,
    "OpenEnclave": _SGX,
    "SevSnpVm": _PERMIT,
    "TdxVm": _PERMIT,
    "AzureGuest": _AZURE_GUEST,
}
_2021: Final = _CURRENT | {"SgxEnclave": _SGX_2021, "OpenEnclave": _SGX_2021}


def default_policy(attestation_type: str, compatibility: Compatibility = "current") -> str | None:
    """The text of the default policy; `None` where the type has none."""
    return (_CURRENT if compatibility == "current" else _2021).get(attestation_type)
