from __future__ import annotations

import pytest

from assay.claims import ClaimValue
from assay.policy.settings import PROPERTIES, SETTINGS


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [
        ("x-ms-sgx-tcbidentifier", "azuredefault", True),
        ("x-ms-sgx-tcbidentifier", "15", True),
        ("x-ms-sgx-tcbidentifier", 15, False),
        ("x-ms-sgx-tcbidentifier", "015", False),
        ("x-ms-sgx-tcbidentifier", "15\n", False),
        ("require_valid_aik_cert", False, True),
        ("require_valid_aik_cert", 0, False),
        ("required_pcr_mask", 0, True),
        ("required_pcr_mask", 0xFFFFFF, True),
        ("required_pcr_mask", 0x1000000, False),
        ("required_pcr_mask", -1, False),
        ("required_pcr_mask", True, False),
        ("required_pcr_mask", "15", False),
        ("report_validity_in_minutes", 1, True),
        ("report_validity_in_minutes", 525_600, True),
        ("report_validity_in_minutes", 525_601, False),
        ("report_validity_in_minutes", 0, False),
        ("report_validity_in_minutes", True, False),
        ("report_validity_in_minutes", "1", False),
        ("omit_x5c", True, True),
        ("omit_x5c", "true", False),
    ],
)
def test_a_setting_has_its_values(name: str, value: ClaimValue, *, fits: bool) -> None:
    assert {**SETTINGS, **PROPERTIES}[name].fits(value) is fits
