from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Scope

from assay.errors import UnauthorizedError
from assay.server.auth.credentials import MAX_CREDENTIAL_BYTES, Credentials, read_credentials


def _scope(*values: bytes, name: bytes = b"authorization") -> Scope:
    return {"type": "http", "headers": [(name, value) for value in values]}


def _refusal(*values: bytes) -> str:
    with pytest.raises(UnauthorizedError) as caught:
        read_credentials(_scope(*values), certificates=False)
    (finding,) = caught.value.findings
    return finding.check


@pytest.mark.parametrize("value", [b"Bearer a.b-c_d~e+f/g==", b"bearer x", b"BEARER   x"])
def test_a_bearer_token_is_read(value: bytes) -> None:
    """RFC 6750 section 2.1, RFC 9110 section 11.1: the scheme has no case."""
    credentials = read_credentials(_scope(value), certificates=False)

    assert credentials.bearer == value.split()[1].decode()


def test_no_header_is_no_credential() -> None:
    assert read_credentials(_scope(), certificates=False) == Credentials()
    other = _scope(b"Bearer x", name=b"proxy-authorization")
    assert read_credentials(other, certificates=True) == Credentials()


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b" ",
        b"Bearer",
        b"Bearer ",
        b"Bearerx",
        b"Bearer\tx",
        b" Bearer x",
        b"Bearer x ",
        b"Bearer x y",
        b"Bearer x, Bearer y",
        b"Bearer x,y",
        b'Bearer "x"',
        b"Bearer x=y",
        b"Bearer \xc3\xa4",
        b"Bearer x\n",
        b"Token x",
        b"Basic YTpi",
        b"x",
    ],
)
def test_another_form_is_refused(value: bytes) -> None:
    assert _refusal(value) == "access.credential.header_format"


def test_the_header_has_a_size() -> None:
    """PA-06: at the limit and one more."""
    text = b"Bearer " + b"x" * (MAX_CREDENTIAL_BYTES - 7)

    assert read_credentials(_scope(text), certificates=False).bearer is not None
    assert _refusal(text + b"x") == "access.credential.size"


@pytest.mark.parametrize("values", [(b"Bearer x", b"Bearer x"), (b"", b""), (b"Bearer x", b"")])
def test_two_headers_are_refused(values: tuple[bytes, ...]) -> None:
    assert _refusal(*values) == "access.credential.ambiguous"


@given(st.binary(max_size=60), st.sampled_from([b"", b"Bearer "]))
def test_any_bytes_are_a_token_or_refused(value: bytes, scheme: bytes) -> None:
    token = None
    with contextlib.suppress(UnauthorizedError):
        token = read_credentials(_scope(scheme + value), certificates=False).bearer

    assert token is None or value.endswith(token.encode())


def test_credentials_do_not_show_themselves() -> None:
    assert "secret" not in repr(Credentials(bearer="secret"))
