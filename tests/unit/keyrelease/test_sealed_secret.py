from __future__ import annotations

from pathlib import Path

import pytest

from assay.keyrelease.sealed_secret import SealedSecret
from tests.refusals import release_refusal_of
from tests.unit.keyrelease.conftest import KEK


@pytest.mark.parametrize("value", [b"", bytes(32 * 1024 + 1)])
def test_a_secret_of_no_size_is_not_sealed(tmp_path: Path, value: bytes) -> None:
    sealed = SealedSecret(name="a", version=1, policy_digest="x", path=tmp_path / "a")

    assert release_refusal_of(lambda: sealed.seal(value, KEK)) == ["keyrelease.secret.size"]
