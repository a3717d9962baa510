"""Releases of secrets, as tests ask for them."""

from __future__ import annotations

from assay.keyrelease import ReleaseContext


def release_context(
    name: str = "database", requester: str = "payroll", nonce: str = "n" * 43
) -> ReleaseContext:
    """What a release is about."""
    return ReleaseContext(secret=name, requester=requester, nonce=nonce)
