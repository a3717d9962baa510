"""A certificate that the client shows when it connects."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import final


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """A credential of TLS itself, in place of access tokens."""

    certificate: Path
    """PEM file; it may hold the chain, and the key as well."""

    key: Path | None = None
    password: str | None = field(default=None, repr=False)
