from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from assay.errors import OperationRefusedError, UnknownInstanceError, UntrustedSignerError
from assay.store import Store
from tests.unit.store.records import ALICE, AT, SIGNER

_SECOND = replace(SIGNER, fingerprint="bb", certificate=b"\x30second")


def test_a_signer_comes_back_as_it_was_kept(store: Store) -> None:
    assert store.signers.of("one") == (SIGNER,)
    assert store.signers.of("two") == ()


def test_signers_are_listed_in_the_order_they_came(store: Store) -> None:
    third = replace(SIGNER, fingerprint="00")
    store.signers.add(_SECOND, under="aa")
    store.signers.add(third, under="bb")

    assert store.signers.of("one") == (SIGNER, _SECOND, third)


def test_adding_a_signer_again_changes_nothing(store: Store) -> None:
    store.signers.add(_SECOND, under="aa")

    store.signers.add(replace(_SECOND, certificate=b"other"), under="aa")

    assert store.signers.of("one") == (SIGNER, _SECOND)


def test_removing_a_signer_that_is_none_changes_nothing(store: Store) -> None:
    store.signers.remove("one", "bb", under="aa", at=AT, by=ALICE)

    assert store.signers.of("one") == (SIGNER,)


def test_a_signer_can_be_removed_by_another_and_by_itself(store: Store) -> None:
    store.signers.add(_SECOND, under="aa")
    store.signers.remove("one", "bb", under="aa", at=AT, by=ALICE)
    store.signers.add(_SECOND, under="aa")

    store.signers.remove("one", "aa", under="aa", at=AT, by=ALICE)

    assert store.signers.of("one") == (_SECOND,)


def test_the_last_signer_stays(store: Store) -> None:
    with pytest.raises(OperationRefusedError, match="this is the last"):
        store.signers.remove("one", "aa", under="aa", at=AT, by=ALICE)

    assert store.signers.of("one") == (SIGNER,)


def test_a_signer_that_was_removed_allows_nothing(store: Store) -> None:
    with pytest.raises(UntrustedSignerError):
        store.signers.add(_SECOND, under="cc")
    with pytest.raises(UntrustedSignerError):
        store.signers.remove("one", "aa", under="cc", at=AT, by=ALICE)

    assert store.signers.of("one") == (SIGNER,)


def test_signers_need_their_instance(store: Store) -> None:
    with pytest.raises(UnknownInstanceError):
        store.signers.add(replace(_SECOND, instance="two"), under="aa")
    with pytest.raises(UnknownInstanceError):
        store.signers.remove("two", "aa", under="aa", at=AT, by=ALICE)


def test_of_removals_at_the_same_moment_one_signer_is_left(store: Store) -> None:
    store.signers.add(_SECOND, under="aa")

    def remove(fingerprint: str) -> str:
        try:
            store.signers.remove("one", fingerprint, under=fingerprint, at=AT, by=ALICE)
        except OperationRefusedError:
            return "refused"
        return "removed"

    with ThreadPoolExecutor(2) as workers:
        outcomes = list(workers.map(remove, ["aa", "bb"]))

    assert sorted(outcomes) == ["refused", "removed"]
    assert len(store.signers.of("one")) == 1
