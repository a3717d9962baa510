from __future__ import annotations

from datetime import timedelta

import pytest

from assay.encoding import decode_base64url, encode_base64url, encode_json, parse_json_object
from assay.errors import UntrustedEvidenceError
from assay.token import (
    CONTEXT_LIFETIME,
    ContextKey,
    ContextScope,
    Purpose,
    open_context,
    seal_context,
)
from tests.conftest import AT

_KEY = ContextKey(name="AB" * 32, secret=bytes(range(32)))
_SCOPE = ContextScope(purpose=Purpose.ATTESTATION, instance="one")
_LAST = AT + CONTEXT_LIFETIME - timedelta(seconds=1)


def _sealed() -> str:
    return seal_context({"challenge": "AA"}, _KEY, _SCOPE, at=AT)


def _find(name: str) -> ContextKey | None:
    return _KEY if name == _KEY.name else None


def _with(**members: str) -> str:
    envelope = parse_json_object(decode_base64url(_sealed(), "context"), "context")
    return encode_base64url(encode_json({**envelope, **members}))


def test_what_was_sealed_comes_back_until_it_has_expired() -> None:
    members = open_context(_sealed(), _find, _SCOPE, at=_LAST)

    assert members["challenge"] == "AA"


def test_it_looks_as_recorded_ones_do() -> None:
    envelope = parse_json_object(decode_base64url(_sealed(), "context"), "context")

    assert list(envelope) == ["ProtectionKeyName", "ProtectedContext"]
    assert len(str(envelope["ProtectionKeyName"])) == 64


def test_no_two_are_the_same() -> None:
    assert _sealed() != _sealed()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "?",
        "e30",
        "x" * 5000,
        encode_base64url(b"{"),
        encode_base64url(b'{"ProtectionKeyName":"\xff","ProtectedContext":""}'),
        _with(ProtectionKeyName="CD" * 32),
        _with(ProtectedContext="AAAA"),
        _with(ProtectedContext="?"),
        _with(ProtectedContext=encode_base64url(bytes(64))),
    ],
)
def test_anything_else_is_refused_with_one_finding(text: str) -> None:
    with pytest.raises(UntrustedEvidenceError) as refused:
        open_context(text, _find, _SCOPE, at=AT)

    assert [finding.check for finding in refused.value.findings] == ["tpm.service_context.invalid"]
    assert refused.value.message == "the service context is invalid or expired"


@pytest.mark.parametrize(
    "scope",
    [
        ContextScope(purpose=Purpose.ENROLMENT, instance="one"),
        ContextScope(purpose=Purpose.ATTESTATION, instance="two"),
    ],
)
def test_it_is_no_good_elsewhere(scope: ContextScope) -> None:
    with pytest.raises(UntrustedEvidenceError):
        open_context(_sealed(), _find, scope, at=AT)


def test_it_is_no_good_later() -> None:
    with pytest.raises(UntrustedEvidenceError):
        open_context(_sealed(), _find, _SCOPE, at=AT + CONTEXT_LIFETIME)


def test_a_key_does_not_show_its_secret() -> None:
    assert "secret" not in repr(_KEY)
