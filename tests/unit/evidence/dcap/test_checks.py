from __future__ import annotations

import pytest

from assay.evidence.dcap.checks import DCAP_CHECKS, Check

CERTIFICATES = (
    "cert_format",
    "chain",
    "root_untrusted",
    "cert_expired",
    "cert_not_yet_valid",
    "revoked",
)
LISTS = ("crl_format", "crl_issuer", "crl_signature", "crl_expired", "crl_not_yet_valid")
DOCUMENTS = (
    "collateral_signature",
    "collateral_format",
    "collateral_expired",
    "collateral_not_yet_valid",
    "collateral_mismatch",
    "tcb_unrecognized",
)
CODES: dict[str, dict[str, tuple[str, ...]]] = {
    "1": {"dcap.quote": ("quote_format", "unsupported")},
    "2": {"dcap.pck_chain": (*CERTIFICATES, "pck_ext")},
    "3": {"dcap.root_ca_crl": LISTS, "dcap.pck_crl": LISTS, "dcap.pck_crl_chain": CERTIFICATES},
    "4": {
        "dcap.tcb_info": DOCUMENTS,
        "dcap.tcb_info_chain": CERTIFICATES,
        "dcap.qe_identity": DOCUMENTS,
        "dcap.qe_identity_chain": CERTIFICATES,
    },
    "5": {"dcap.qe_report": ("qe_report_signature", "qe_report_data")},
    "6": {"dcap.qe_report": ("qe_identity",)},
    "7": {"dcap.quote": ("quote_signature",)},
    "8": {"dcap.tcb": ("tcb_not_supported", "tcb_revoked", "tcb_not_accepted")},
}


@pytest.mark.parametrize(
    ("step", "code"),
    [
        (step, f"{name}.{error_class}")
        for step, objects in CODES.items()
        for name, classes in objects.items()
        for error_class in classes
    ],
)
def test_every_finding_belongs_to_exactly_one_step(step: str, code: str) -> None:
    assert [check.step for check in DCAP_CHECKS if check.covers(code)] == [step]


@pytest.mark.parametrize(
    "code",
    ["", "dcap", "dcap.", "dcap.quote", "dcap.quote.", "dcap.quotes.quote_format", "sgx.quote.x"],
)
def test_a_code_of_something_else_belongs_to_no_step(code: str) -> None:
    assert not any(check.covers(code) for check in DCAP_CHECKS)


def test_a_whole_code_covers_itself_and_the_start_of_one_what_begins_with_it() -> None:
    check = Check("1", "title", ("a.b.", "a.c.d"))

    assert check.covers("a.b.c")
    assert check.covers("a.c.d")
    assert not check.covers("a.c.de")
    assert not check.covers("a.bc")


def test_steps_are_numbered_and_need_only_earlier_ones() -> None:
    assert [check.step for check in DCAP_CHECKS] == [str(number) for number in range(1, 9)]
    for check in DCAP_CHECKS:
        assert all(int(needed) < int(check.step) for needed in check.needs)
        assert check.title
        assert check.codes
