from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from assay.client import HttpResponse
from assay.client.http import HttpRequest
from assay.client.kept_signers import KeptSigners, SignerCache
from assay.client.testing import FakeService

_HOUR = 3600


def _answer() -> HttpResponse:
    service = FakeService(algorithm="ES256")
    return service.answer(HttpRequest(method="GET", url=f"{service.url}/certs"))


def test_keys_are_kept_for_an_hour() -> None:
    kept = KeptSigners.of(_answer())

    assert kept.still(unlike=None)
    assert not replace(kept, since=time.monotonic() - _HOUR - 1).still(unlike=None)


def test_a_set_that_lacked_a_key_is_fetched_anew_once() -> None:
    fetched: list[HttpResponse] = []
    cache = SignerCache(_counted(fetched))
    first = cache.get()

    second = cache.get(unlike=first)

    assert second is not first
    # Whoever comes later with the old set finds the new one.
    assert cache.get(unlike=first) is second
    assert len(fetched) == 2


def test_threads_wait_for_one_fetch() -> None:
    fetched: list[HttpResponse] = []
    cache = SignerCache(_counted(fetched))

    with ThreadPoolExecutor(16) as threads:
        found = set(map(id, threads.map(lambda _: cache.get(), range(64))))

    assert (len(found), len(fetched)) == (1, 1)


def _counted(fetched: list[HttpResponse]) -> Callable[[], HttpResponse]:
    def fetch() -> HttpResponse:
        fetched.append(_answer())
        return fetched[-1]

    return fetch
