from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache, partial
from itertools import product
from typing import Any, Final, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.endorsements.anchors import Anchors
from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.platform import PckCa
from assay.endorsements.tcb import TcbStatus
from assay.errors import AssayError, Finding
from assay.evidence.dcap.memory import BoundedMemory, DcapMemory
from assay.evidence.dcap.verify import DcapVerification, VerifiedQuote
from assay.evidence.sgx import VerifiedSgxQuote, parse_quote, verify_quote
from assay.simulator import SimulatedPlatform
from assay.simulator.pki import Authority, generate_key, raw_point, raw_signature
from assay.simulator.quote import binding
from tests.conftest import AT

# A bounded memory


class _BrokenError(Exception):
    pass


def broken() -> int:
    raise _BrokenError


def test_a_value_is_made_once_and_then_recalled() -> None:
    memory: BoundedMemory[str, list[int]] = BoundedMemory(2)

    first = memory.recall("a", lambda: [1])

    assert memory.recall("a", lambda: [2]) is first
    assert len(memory) == 1


def test_no_more_is_kept_than_was_agreed() -> None:
    memory: BoundedMemory[int, int] = BoundedMemory(3)

    for key in range(100):
        assert memory.recall(key, partial(int, key)) == key

    assert len(memory) == 3


def test_what_was_used_least_recently_is_forgotten() -> None:
    memory: BoundedMemory[str, int] = BoundedMemory(2)
    memory.recall("old", lambda: 1)
    memory.recall("used", lambda: 2)
    memory.recall("old", broken)

    memory.recall("new", lambda: 3)

    assert memory.recall("old", broken) == 1
    assert memory.recall("new", broken) == 3
    with pytest.raises(_BrokenError):
        memory.recall("used", broken)


def test_nothing_is_kept_of_what_could_not_be_made() -> None:
    memory: BoundedMemory[str, int] = BoundedMemory(2)

    with pytest.raises(_BrokenError):
        memory.recall("a", broken)

    assert len(memory) == 0
    assert memory.recall("a", lambda: 1) == 1


def test_one_key_does_not_wait_for_the_making_of_another() -> None:
    memory: BoundedMemory[str, int] = BoundedMemory(2)

    def slow() -> int:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(memory.recall, "fast", lambda: 1).result(timeout=10)

    assert memory.recall("slow", slow) == 1


def test_a_value_may_be_forgotten_while_it_is_made_and_asked_for_by_many() -> None:
    memory: BoundedMemory[int, int] = BoundedMemory(1)
    start = threading.Barrier(8)

    def ask(thread: int) -> list[tuple[int, int]]:
        start.wait(timeout=10)
        keys = [(thread + step) % 3 for step in range(2000)]
        return [(key, memory.recall(key, partial(int, key))) for key in keys]

    with ThreadPoolExecutor(8) as pool:
        answers = [pair for found in pool.map(ask, range(8)) for pair in found]

    assert all(key == value for key, value in answers)
    assert len(memory) == 1


# What verifications remember of each other

PLATFORM: Final = SimulatedPlatform.create(AT)
OTHER: Final = SimulatedPlatform.create(AT)
"""Of the same names, under another root."""

Outcome: TypeAlias = VerifiedSgxQuote | tuple[type[AssayError], tuple[Finding, ...]]


@dataclass(frozen=True)
class Case:
    quote: bytes
    collateral: DcapCollateral
    roots: Anchors
    at: datetime

    def outcome(self, memory: DcapMemory | None = None) -> Outcome:
        context = DcapVerification(
            collateral=self.collateral,
            at=self.at,
            roots=self.roots,
            memory=memory or DcapMemory(self.roots),
        )
        try:
            return verify_quote(parse_quote(self.quote), context)
        except AssayError as error:
            return type(error), error.findings


def sound(
    quote: bytes | None = None,
    collateral: DcapCollateral | None = None,
    roots: Anchors = PLATFORM.anchors,
    at: datetime = AT,
) -> Case:
    return Case(PLATFORM.quote() if quote is None else quote, collateral or COLLATERAL, roots, at)


COLLATERAL: Final = PLATFORM.collateral(AT)


def memories(memory: DcapMemory) -> list[BoundedMemory[bytes, object]]:
    values = [getattr(memory, name) for name in DcapMemory.__slots__]
    return [value for value in values if isinstance(value, BoundedMemory)]


def test_a_second_quote_of_a_platform_is_verified_from_memory() -> None:
    memory = DcapMemory(PLATFORM.anchors)

    first = sound().outcome(memory)
    sizes = [len(part) for part in memories(memory)]
    second = sound(PLATFORM.quote(report_data=b"other")).outcome(memory)

    assert isinstance(first, VerifiedQuote)
    assert isinstance(second, VerifiedQuote)
    assert sizes == [1] * len(sizes)
    assert [len(part) for part in memories(memory)] == sizes


def test_a_memory_keeps_as_many_platforms_as_it_is_told_to() -> None:
    memory = DcapMemory(PLATFORM.anchors, platforms=2)

    for svn in range(5):
        enclave = replace(PLATFORM.settings.quoting_enclave, isv_svn=8 + svn)
        platform = PLATFORM.with_settings(quoting_enclave=enclave, pcesvn=13 + svn)
        assert isinstance(sound(platform.quote()).outcome(memory), VerifiedQuote)

    assert all(len(part) <= 2 for part in memories(memory))


def test_a_memory_serves_one_set_of_roots_only() -> None:
    memory = DcapMemory(OTHER.anchors)

    with pytest.raises(ValueError, match="other roots"):
        sound().outcome(memory)


def test_nothing_is_kept_of_a_verification_that_failed_everywhere() -> None:
    memory = DcapMemory(OTHER.anchors)

    sound(roots=OTHER.anchors).outcome(memory)

    assert [len(part) for part in memories(memory)] == [0] * len(memories(memory))


def test_only_what_was_good_is_kept_of_a_verification_that_failed() -> None:
    memory = DcapMemory(PLATFORM.anchors)

    sound(with_parts(qe_report=bytes(384))).outcome(memory)

    assert len(memory.collateral) == len(memory.pck_chains) == 1
    assert len(memory.platforms) == 0


# The same answer, warm or cold


def with_parts(**fields: Any) -> bytes:  # noqa: ANN401
    return replace(PLATFORM.draft().sign(), **fields).encode()


def signed_by_stranger() -> bytes:
    """The platform's own quoting part under a quote that somebody else signed."""
    parts = PLATFORM.draft(report_data=b"evil").sign()
    return replace(parts, quote_signature=raw_signature(generate_key(), parts.signed)).encode()


def with_strangers_key() -> bytes:
    """A quote that is good but for who certified its attestation key."""
    stranger = generate_key()
    parts = PLATFORM.draft().sign()
    return replace(
        parts,
        attestation_key=raw_point(stranger.public_key()),
        quote_signature=raw_signature(stranger, parts.signed),
    ).encode()


@cache
def quotes() -> list[bytes]:
    draft = PLATFORM.draft(report_data=b"other").sign()
    outdated = replace(PLATFORM.settings.quoting_enclave, isv_svn=4)
    return [
        PLATFORM.quote(),
        PLATFORM.quote(report_data=b"another"),
        PLATFORM.quote(version=4),
        PLATFORM.quote(version=5),
        signed_by_stranger(),
        with_strangers_key(),
        with_parts(quote_signature=draft.quote_signature),
        with_parts(quote_signature=bytes(64)),
        with_parts(qe_auth=bytes(32)),
        with_parts(qe_report=bytes(384)),
        with_parts(qe_report_signature=draft.quote_signature),
        with_parts(certification_data=PLATFORM.pck_chain + b"\0"),
        with_parts(certification_data=PLATFORM.pck_chain.replace(b"\n", b"\r\n")),
        with_parts(certification_data=OTHER.pck_chain),
        with_parts(certification_data=PLATFORM.pki.chain(Authority.PLATFORM_CA)),
        with_parts(certification_type=4),
        PLATFORM.with_settings(quoting_enclave=outdated).quote(),
        PLATFORM.with_settings(pcesvn=7).quote(),
        PLATFORM.with_settings(ca=PckCa.PROCESSOR).quote(),
        PLATFORM.with_settings(fmspc=bytes(6)).quote(),
        OTHER.quote(),
        *ambiguous_quotes(),
    ]


@cache
def collaterals() -> list[DcapCollateral]:
    serial = PLATFORM.pck.certificate.serial_number
    return [
        COLLATERAL,
        PLATFORM.collateral(AT, number=19),
        PLATFORM.collateral(AT + timedelta(days=40)),
        PLATFORM.with_settings(pck_crl_revoked=(serial,)).collateral(AT),
        PLATFORM.with_status(TcbStatus.CONFIGURATION_NEEDED).collateral(AT),
        PLATFORM.with_status(TcbStatus.UP_TO_DATE, TcbStatus.OUT_OF_DATE).collateral(AT),
        PLATFORM.with_status(TcbStatus.REVOKED).collateral(AT),
        PLATFORM.with_settings(ca=PckCa.PROCESSOR).collateral(AT),
        replace(COLLATERAL, tcb_info=COLLATERAL.tcb_info + b" "),
        OTHER.collateral(AT),
    ]


ROOTS: Final = (PLATFORM.anchors, OTHER.anchors, PLATFORM.anchors + OTHER.anchors, ())
TIMES: Final = (AT, AT + timedelta(days=40), AT - timedelta(days=800))

cases: Final = st.builds(
    Case,
    st.deferred(lambda: st.sampled_from(quotes())),
    st.deferred(lambda: st.sampled_from(collaterals())),
    st.sampled_from(ROOTS),
    st.sampled_from(TIMES),
)


@cache
def cold(case: Case) -> Outcome:
    return case.outcome()


@pytest.mark.property
@given(st.lists(cases, min_size=2, max_size=12), st.sampled_from([1, 2, 4096]))
def test_memory_never_changes_an_answer(steps: list[Case], size: int) -> None:
    kept = {roots: DcapMemory(roots, platforms=size) for roots in ROOTS}

    for case in steps:
        assert case.outcome(kept[case.roots]) == cold(case)


@pytest.mark.parametrize("order", [1, -1])
def test_memory_changes_no_answer_of_all_quotes_and_collateral_in_turn(order: int) -> None:
    memory = DcapMemory(PLATFORM.anchors)

    for quote, collateral in list(product(quotes(), collaterals()))[::order]:
        case = sound(quote, collateral)
        assert case.outcome(memory) == cold(case)


def test_a_platform_that_is_revoked_is_refused_though_it_is_remembered() -> None:
    memory = DcapMemory(PLATFORM.anchors)
    sound().outcome(memory)

    revoked = sound(collateral=collaterals()[3]).outcome(memory)

    assert isinstance(revoked, tuple)
    assert [finding.check for finding in revoked[1]] == ["dcap.pck_chain.revoked"]


def test_a_remembered_quoting_enclave_lends_its_name_to_no_other_signature() -> None:
    """BI-01: the attacker reuses all of a genuine quote but its signature."""
    memory = DcapMemory(PLATFORM.anchors)
    sound().outcome(memory)

    forged = sound(signed_by_stranger()).outcome(memory)
    swapped = sound(with_strangers_key()).outcome(memory)

    assert isinstance(forged, tuple)
    assert [finding.check for finding in forged[1]] == ["dcap.quote.quote_signature"]
    assert isinstance(swapped, tuple)
    assert [finding.check for finding in swapped[1]] == ["dcap.qe_report.qe_report_data"]


def test_time_is_compared_on_every_use() -> None:
    memory = DcapMemory(PLATFORM.anchors)
    sound().outcome(memory)

    late = sound(at=AT + timedelta(days=40)).outcome(memory)

    assert isinstance(late, tuple)
    assert {finding.error_class for finding in late[1]} == {"CRL_EXPIRED", "COLLATERAL_EXPIRED"}


@cache
def ambiguous_quotes() -> tuple[bytes, bytes]:
    """Two quotes whose signature data are the same bytes and mean different parts.

    Version 4 begins with a type and a size where version 3 has the QE report's first field, which
    no verifier looks at: whoever chose it could make one quoting part for both.
    """
    draft = PLATFORM.draft()
    chain = PLATFORM.pck_chain
    # Of version 4: 38 bytes of auth data that begin inside version 3's, then type and size.
    auth = bytes(4) + (32).to_bytes(2, "little") + bytes(32) + (5).to_bytes(2, "little")
    auth += (len(chain) + 6).to_bytes(4, "little")
    outer_size = 384 + 64 + 2 + len(auth) + 6 + len(chain) - 6
    cpu_svn = (6).to_bytes(2, "little") + outer_size.to_bytes(4, "little") + bytes(10)
    point = raw_point(PLATFORM.attestation_key.public_key())
    report = replace(draft.qe_report, cpu_svn=cpu_svn, report_data=binding(point, auth))
    listed = replace(draft, qe_report=report, qe_auth=auth).sign()
    header = bytearray(listed.header)
    header[0] = 4
    unsigned = replace(listed, header=bytes(header))
    nested = replace(
        unsigned, quote_signature=raw_signature(PLATFORM.attestation_key, unsigned.signed)
    )
    return listed.encode(), nested.encode()


def test_the_same_bytes_in_another_version_are_other_parts() -> None:
    listed, nested = ambiguous_quotes()
    memory = DcapMemory(PLATFORM.anchors)

    good = sound(listed).outcome(memory)
    confused = sound(nested).outcome(memory)

    assert parse_quote(listed).signature.qe_report != parse_quote(nested).signature.qe_report
    assert isinstance(good, VerifiedQuote)
    assert isinstance(confused, tuple)
    assert confused == sound(nested).outcome()
