"""A secret on its way: what the enclave takes, and everything else."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import Any, Final

import pytest
from joserfc import jwe
from joserfc.jwk import ECKey, OctKey, RSAKey

from assay.encoding import decode_base64url, encode_base64url, encode_json
from assay.errors import ReleaseRefusedError
from assay.keyrelease import (
    MAX_SECRET_BYTES,
    ReleaseContext,
    ReleaseKey,
    WrapAlgorithm,
    attested_key,
    wrap,
)
from tests.release import release_context

CONTEXT: Final = release_context()
SECRET: Final = b"correct horse battery staple"


@cache
def _key(algorithm: WrapAlgorithm, _number: int = 0) -> ReleaseKey:
    return ReleaseKey.generate(algorithm)


@pytest.fixture(params=list(WrapAlgorithm))
def key(request: pytest.FixtureRequest) -> ReleaseKey:
    return _key(request.param)


def _public(key: ReleaseKey) -> RSAKey | ECKey:
    return attested_key({"x-ms-runtime": json.loads(key.runtime_data(CONTEXT))}).key


def _wrapped(key: ReleaseKey, context: ReleaseContext = CONTEXT) -> str:
    return wrap(SECRET, _public(key), context)


def _refusal(key: ReleaseKey, envelope: str, context: ReleaseContext = CONTEXT) -> list[str]:
    with pytest.raises(ReleaseRefusedError) as caught:
        key.unwrap(envelope, context)
    return [one.check for one in caught.value.findings]


def _with_header(envelope: str, **changes: Any) -> str:  # noqa: ANN401  members
    first, _, rest = envelope.partition(".")
    header = json.loads(decode_base64url(first, "header")) | changes
    header = {name: value for name, value in header.items() if value is not None}
    return f"{encode_base64url(encode_json(header))}.{rest}"


def test_the_enclave_unwraps_what_was_wrapped_for_it(key: ReleaseKey) -> None:
    assert key.unwrap(_wrapped(key), CONTEXT) == SECRET


def test_the_report_data_is_the_hash_of_the_runtime_data(key: ReleaseKey) -> None:
    data = key.runtime_data(CONTEXT)

    assert key.report_data(CONTEXT) == hashlib.sha256(data).digest() + bytes(32)
    assert data == key.runtime_data(CONTEXT)
    assert json.loads(data) == {"keys": [key.jwk], "release": CONTEXT.members()}


def test_the_private_half_is_nowhere_in_what_leaves_the_enclave(key: ReleaseKey) -> None:
    """KR-05."""
    assert not key.jwk.keys() & {"d", "p", "q", "dp", "dq", "qi", "oth"}
    assert "ReleaseKey object" in repr(key)


def test_an_envelope_is_a_jwe_that_others_read(key: ReleaseKey) -> None:
    """TK-05: header and tag are where RFC 7516 has them."""
    parts = _wrapped(key).split(".")
    header = json.loads(decode_base64url(parts[0], "header"))

    assert len(parts) == 5
    assert len(decode_base64url(parts[2], "iv")) == 12
    assert len(decode_base64url(parts[3], "ciphertext")) == len(SECRET)
    assert len(decode_base64url(parts[4], "tag")) == 16
    assert header["enc"] == "A256GCM"
    assert header["release"] == CONTEXT.members()


@pytest.mark.parametrize(
    "other",
    [
        release_context("signing"),
        release_context(requester="another"),
        release_context(nonce="m" * 43),
    ],
)
def test_an_answer_to_another_request_is_refused(key: ReleaseKey, other: ReleaseContext) -> None:
    """KR-01."""
    assert _refusal(key, _wrapped(key, other)) == ["keyrelease.envelope.context"]


def test_a_context_that_was_changed_on_the_way_does_not_decrypt(key: ReleaseKey) -> None:
    """KR-01."""
    other = release_context("signing")
    forged = _with_header(_wrapped(key, other), release=CONTEXT.members())

    assert _refusal(key, forged) == ["keyrelease.envelope.integrity"]


@pytest.mark.parametrize("part", range(1, 5))
def test_a_change_of_any_part_does_not_decrypt(key: ReleaseKey, part: int) -> None:
    parts = _wrapped(key).split(".")
    data = bytearray(decode_base64url(parts[part], "part"))
    data[0] ^= 1
    parts[part] = encode_base64url(bytes(data))

    assert _refusal(key, ".".join(parts)) == ["keyrelease.envelope.integrity"]


@pytest.mark.parametrize("size", [0, 1, 11, 31])
@pytest.mark.parametrize("part", range(1, 5))
def test_a_part_that_is_too_short_is_refused(key: ReleaseKey, part: int, size: int) -> None:
    """PA-11."""
    parts = _wrapped(key).split(".")
    parts[part] = encode_base64url(b"\0" * size)

    assert _refusal(key, ".".join(parts)) == ["keyrelease.envelope.integrity"]


def test_a_secret_for_another_key_is_refused(key: ReleaseKey) -> None:
    for algorithm in WrapAlgorithm:
        stranger = _key(algorithm, 1)

        assert _refusal(key, _wrapped(stranger)) in (
            ["keyrelease.envelope.key"],
            ["keyrelease.envelope.algorithm"],
        )
        renamed = _with_header(_wrapped(stranger), kid=key.jwk["kid"])
        assert _refusal(key, renamed) in (
            ["keyrelease.envelope.integrity"],
            ["keyrelease.envelope.algorithm"],
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"alg": "dir"},
        {"alg": "RSA1_5"},
        {"alg": "RSA-OAEP"},
        {"alg": "PBES2-HS256+A128KW"},
        {"alg": "ECDH-ES"},
        {"alg": None},
        {"alg": ["RSA-OAEP-256"]},
        {"enc": "A128CBC-HS256"},
        {"enc": "a256gcm"},
        {"typ": "JWT"},
        {"typ": None},
        {"kid": None},
        {"release": None},
        {"zip": "DEF"},
        {"p2c": 10**9, "p2s": "AA"},
        {"crit": ["exp"]},
        {"jku": "https://evil.example"},
        {"release": {"secret": "database"}},
        {"release": {"secret": 1, "requester": "payroll", "nonce": "n" * 43}},
        {"release": [1]},
    ],
)
def test_a_header_of_another_form_is_refused(key: ReleaseKey, changes: dict[str, Any]) -> None:
    """TK-02: no compression, no passwords, no other algorithm."""
    (check,) = _refusal(key, _with_header(_wrapped(key), **changes))

    assert check in {
        "keyrelease.envelope.algorithm",
        "keyrelease.envelope.jwe_format",
        "keyrelease.context.release_format",
    }


@pytest.mark.parametrize("envelope", ["", ".", "a.b.c", "e30", "x" * 70_000, "ä....", "W10...."])
def test_what_is_no_envelope_is_refused(key: ReleaseKey, envelope: str) -> None:
    assert _refusal(key, envelope) == ["keyrelease.envelope.jwe_format"]


def test_a_point_off_the_curve_is_refused() -> None:
    """TK-03."""
    key = _key(WrapAlgorithm.ECDH_ES_A256KW)
    for epk in (
        {"kty": "EC", "crv": "P-256", "x": "AA" * 21 + "A", "y": "AA" * 21 + "A"},
        {"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"},
        {"kty": "EC"},
        7,
        None,
    ):
        assert _refusal(key, _with_header(_wrapped(key), epk=epk)) == [
            "keyrelease.envelope.integrity"
        ]


def test_an_envelope_by_a_shared_key_is_refused(key: ReleaseKey) -> None:
    secret = OctKey.generate_key(256)
    header = {"alg": "dir", "enc": "A256GCM"}
    envelope = jwe.encrypt_compact(header, SECRET, secret, algorithms=["dir", "A256GCM"])

    assert _refusal(key, envelope) == ["keyrelease.envelope.jwe_format"]


def test_the_longest_secret_passes_and_no_longer_one(key: ReleaseKey) -> None:
    """PA-06."""
    longest = bytes(MAX_SECRET_BYTES)

    assert key.unwrap(wrap(longest, _public(key), CONTEXT), CONTEXT) == longest
    with pytest.raises(ReleaseRefusedError, match="bytes"):
        wrap(longest + b"x", _public(key), CONTEXT)


@pytest.mark.parametrize(
    "change",
    [
        {"secret": ""},
        {"secret": "../database"},
        {"secret": "a..b"},
        {"secret": "Database"},
        {"secret": "a/b"},
        {"secret": "%2e%2e"},
        {"secret": "a\0"},
        {"secret": "a" * 65},
        {"secret": "-a"},
        {"requester": ""},
        {"requester": "two words"},
        {"requester": "a\nb"},
        {"requester": "ä"},
        {"requester": "a" * 129},
        {"nonce": ""},
        {"nonce": "n" * 42},
        {"nonce": "n" * 44},
        {"nonce": "n" * 42 + "="},
    ],
)
def test_a_name_of_another_form_is_refused(change: dict[str, str]) -> None:
    """KR-02."""
    texts = {"secret": "database", "requester": "payroll", "nonce": "n" * 43} | change

    with pytest.raises(ReleaseRefusedError) as caught:
        ReleaseContext(**texts)
    assert [one.check for one in caught.value.findings] == ["keyrelease.context.release_format"]
