"""The settings that a policy can make: for the engine, and for the token.

Source: MAA policy language, section 8.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final

from assay.claims import ClaimValue
from assay.claims.model import value_type_of

TCB_IDENTIFIER: Final = "x-ms-sgx-tcbidentifier"
"""Which evaluation data set of the collateral an SGX quote is held against."""

_TCB_IDENTIFIER_VALUE: Final = re.compile(r"azuredefault|[1-9][0-9]{0,8}")
_MAX_PCR_MASK: Final = 0xFFFFFF
MAX_VALIDITY_MINUTES: Final = 525_600
_SGX: Final = frozenset({"SgxEnclave", "OpenEnclave"})
_TPM: Final = frozenset({"Tpm", "VbsEnclave"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting and the values it can have."""

    fits: Callable[[ClaimValue], bool]
    expected: str
    types: frozenset[str]
    """The attestation types for which it has an effect."""

    def complaint(self, value: ClaimValue) -> str:
        """What to say of a value that does not fit."""
        got = f"{json.dumps(value)} of type {value_type_of(value)}"
        return f"{self.expected} is expected, got {got}"


def _is_tcb_identifier(value: ClaimValue) -> bool:
    return isinstance(value, str) and _TCB_IDENTIFIER_VALUE.fullmatch(value) is not None


def _is_boolean(value: ClaimValue) -> bool:
    return isinstance(value, bool)


def _is_within(least: int, greatest: int, value: ClaimValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= greatest


SETTINGS: Final[Mapping[str, Setting]] = MappingProxyType(
    {
        TCB_IDENTIFIER: Setting(
            fits=_is_tcb_identifier,
            expected='"azuredefault" or a number as string',
            types=_SGX,
        ),
        "require_valid_aik_cert": Setting(fits=_is_boolean, expected="true or false", types=_TPM),
        "required_pcr_mask": Setting(
            fits=partial(_is_within, 0, _MAX_PCR_MASK),
            expected=f"an integer from 0 to {_MAX_PCR_MASK}",
            types=_TPM,
        ),
    }
)
"""What configurationrules set."""

PROPERTIES: Final[Mapping[str, Setting]] = MappingProxyType(
    {
        "report_validity_in_minutes": Setting(
            fits=partial(_is_within, 1, MAX_VALIDITY_MINUTES),
            expected=f"an integer from 1 to {MAX_VALIDITY_MINUTES}",
            types=_TPM,
        ),
        "omit_x5c": Setting(fits=_is_boolean, expected="true or false", types=_TPM),
    }
)
"""What issuancerules set."""
