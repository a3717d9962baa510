from __future__ import annotations

from assay.cli.administration import user_name


def test_a_user_is_called_by_name_or_by_number() -> None:
    assert user_name(0) == "root"
    assert user_name(4_000_000_000) == "4000000000"
