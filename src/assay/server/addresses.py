"""Addresses: which of them are this machine's, and which one a request came from."""

from __future__ import annotations

import ipaddress

from starlette.types import Scope


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address of this name."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def client_address(scope: Scope) -> str:
    """The address that a request came from; empty where it has none."""
    client = scope.get("client")
    return client[0] if client else ""
