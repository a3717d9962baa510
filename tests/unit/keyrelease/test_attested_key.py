from __future__ import annotations

import json
from typing import Any, Final

import pytest
from joserfc.jwk import ECKey

from assay.encoding import JsonValue, encode_base64url
from assay.errors import ReleaseRefusedError
from assay.keyrelease import ReleaseKey, WrapAlgorithm, attested_key
from tests.release import release_context

CONTEXT: Final = release_context()
KEY: Final = ReleaseKey.generate()


def _runtime(**changes: JsonValue) -> dict[str, JsonValue]:
    runtime: dict[str, JsonValue] = json.loads(KEY.runtime_data(CONTEXT))
    return {name: one for name, one in (runtime | changes).items() if one is not None}


def _refusal(claims: dict[str, JsonValue]) -> list[str]:
    with pytest.raises(ReleaseRefusedError) as caught:
        attested_key(claims)
    return [one.check for one in caught.value.findings]


def _of_key(**changes: Any) -> list[str]:  # noqa: ANN401  members of a JWK
    jwk = {name: one for name, one in (KEY.jwk | changes).items() if one is not None}
    return _refusal({"x-ms-runtime": _runtime(keys=[jwk])})


@pytest.mark.parametrize("algorithm", list(WrapAlgorithm))
@pytest.mark.parametrize("form", ["JSON", "bytes"])
def test_key_and_context_are_those_of_the_runtime_data(algorithm: WrapAlgorithm, form: str) -> None:
    key = ReleaseKey.generate(algorithm)
    data = key.runtime_data(CONTEXT)

    found = attested_key(
        {"x-ms-runtime": json.loads(data)}
        if form == "JSON"
        else {"x-ms-sgx-ehd": encode_base64url(data)}
    )

    assert found.context == CONTEXT
    assert found.key.thumbprint() == key.jwk["kid"]
    assert not found.key.is_private


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"x-ms-runtime": "text"},
        {"x-ms-sgx-ehd": 7},
        {"x-ms-sgx-ehd": "*"},
        {"x-ms-sgx-ehd": encode_base64url(b"[]")},
        {"x-ms-sgx-ehd": encode_base64url(b'{"keys":[],"keys":[]}')},
        {"x-ms-runtime": _runtime(keys=None)},
        {"x-ms-runtime": _runtime(keys=[])},
        {"x-ms-runtime": _runtime(keys=[KEY.jwk, KEY.jwk])},
        {"x-ms-runtime": _runtime(keys={"0": KEY.jwk})},
        {"x-ms-runtime": _runtime(keys=["key"])},
    ],
)
def test_runtime_data_without_one_key_is_refused(claims: dict[str, JsonValue]) -> None:
    assert _refusal(claims) == ["keyrelease.token.runtime_data"]


@pytest.mark.parametrize("release", [None, 7, {}, {"secret": "a"}])
def test_runtime_data_without_a_context_is_refused(release: JsonValue) -> None:
    assert _refusal({"x-ms-runtime": _runtime(release=release)}) == [
        "keyrelease.context.release_format"
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"kty": "oct", "k": "AA"},
        {"kty": None},
        {"kty": 7},
        {"kty": "RSA"},
        {"d": "AA"},
        {"x5c": ["AA"]},
        {"alg": "ECDH-ES"},
        {"use": "sig"},
        {"use": 7},
        {"crv": "P-521"},
        {"crv": "secp256k1"},
        {"x": None},
        {"x": "AA"},
        {"y": KEY.jwk["x"]},
        {"kid": "another"},
    ],
)
def test_what_is_no_public_key_to_encrypt_to_is_refused(changes: dict[str, Any]) -> None:
    """TK-03 among others."""
    assert _of_key(**changes) == ["keyrelease.token.key"]


def test_a_key_need_not_name_itself() -> None:
    jwk = {name: one for name, one in KEY.jwk.items() if name not in {"kid", "use"}}

    assert attested_key({"x-ms-runtime": _runtime(keys=[jwk])}).context == CONTEXT


def test_p_384_serves_and_p_521_does_not() -> None:
    for curve, fits in (("P-384", True), ("P-521", False)):
        jwk = ECKey.generate_key(curve, auto_kid=False).as_dict(private=False)
        claims: dict[str, JsonValue] = {
            "x-ms-runtime": _runtime(keys=[{name: str(one) for name, one in jwk.items()}])
        }
        if fits:
            assert isinstance(attested_key(claims).key, ECKey)
        else:
            assert _refusal(claims) == ["keyrelease.token.key"]


@pytest.mark.parametrize(
    ("n_bytes", "e"), [(255, b"\1\0\1"), (1025, b"\1\0\1"), (256, b"\1" * 5), (100_000, b"\3")]
)
def test_an_rsa_key_of_another_size_is_refused_unread(n_bytes: int, e: bytes) -> None:
    """PA-12."""
    jwk: JsonValue = {
        "kty": "RSA",
        "n": encode_base64url(b"\xff" * n_bytes),
        "e": encode_base64url(e),
    }

    assert _refusal({"x-ms-runtime": _runtime(keys=[jwk])}) == ["keyrelease.token.key"]


@pytest.mark.parametrize(
    "n", [b"\0" + b"\xff" * 255, b"\xff" * 255 + b"\xfe"], ids=["padded", "even"]
)
def test_an_rsa_modulus_that_only_looks_its_size_is_refused(n: bytes) -> None:
    jwk: JsonValue = {"kty": "RSA", "n": encode_base64url(n), "e": "AQAB"}

    assert _refusal({"x-ms-runtime": _runtime(keys=[jwk])}) == ["keyrelease.token.key"]


@pytest.mark.parametrize("changes", [{"n": "*"}, {"n": None}, {"e": None}, {"e": "Ag"}])
def test_an_rsa_key_that_is_none_is_refused(changes: dict[str, Any]) -> None:
    jwk = ReleaseKey.generate(WrapAlgorithm.RSA_OAEP_256).jwk | changes
    members: JsonValue = {name: one for name, one in jwk.items() if one is not None}

    assert _refusal({"x-ms-runtime": _runtime(keys=[members])}) == ["keyrelease.token.key"]
