from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import MalformedEvidenceError
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.attest import parse_certification, parse_quote
from assay.evidence.tpm.enclave import parse_enclave_report
from assay.evidence.tpm.platform_claim import parse_platform_claim
from assay.evidence.tpm.public import parse_public
from assay.evidence.tpm.request_parse import parse_tpm_request
from assay.evidence.tpm.signature import parse_signature
from assay.simulator.tpm.enclave import EnclaveDraft
from assay.simulator.tpm.platform import untouched_pcrs
from assay.simulator.tpm.request import draft_v2
from tests.tpm import simulated_tpm

_QUOTE = simulated_tpm().quote({HashAlgorithm.SHA256: untouched_pcrs()}, bytes(32))
_WRITTEN: dict[Callable[[bytes], object], bytes] = {
    parse_quote: _QUOTE.attest,
    parse_certification: simulated_tpm().certify(simulated_tpm().aik_public, b"").attest,
    parse_signature: _QUOTE.signature,
    parse_public: simulated_tpm().aik_public,
    parse_enclave_report: EnclaveDraft(data=bytes(64)).sign(simulated_tpm().root_key),
}
_PARSERS = (*_WRITTEN, parse_platform_claim)
_REQUEST = draft_v2(simulated_tpm()).sign()

pytestmark = pytest.mark.property


@pytest.mark.parametrize("parse", _PARSERS, ids=lambda parse: parse.__name__)
@given(data=st.binary(max_size=600))
def test_any_bytes_are_read_or_refused(parse: Callable[[bytes], object], data: bytes) -> None:
    with suppress(MalformedEvidenceError):
        parse(data)


@pytest.mark.parametrize("parse", _WRITTEN, ids=lambda parse: parse.__name__)
@given(data=st.data())
def test_a_structure_that_is_cut_off_or_goes_on_is_refused(
    parse: Callable[[bytes], object], data: st.DataObject
) -> None:
    whole = _WRITTEN[parse]
    cut = data.draw(st.integers(0, len(whole) - 1))
    more = data.draw(st.binary(min_size=1, max_size=8))

    for changed in (whole[:cut], whole + more):
        with pytest.raises(MalformedEvidenceError):
            parse(changed)


@given(place=st.integers(0, len(_REQUEST) - 1), letter=st.characters())
def test_a_request_with_another_character_is_read_or_refused(place: int, letter: str) -> None:
    with suppress(MalformedEvidenceError):
        parse_tpm_request(_REQUEST[:place] + letter + _REQUEST[place + 1 :])
