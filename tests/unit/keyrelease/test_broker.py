"""The broker behind its HTTP application, with an attestation service's tokens made here."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from assay.errors import (
    AuditError,
    CollateralUnavailableError,
    ReleaseRefusedError,
    StoreUnavailableError,
)
from assay.keyrelease import ReleaseContext, ReleaseKey, WrapAlgorithm
from assay.keyrelease.broker import Broker, BrokerParts
from assay.keyrelease.protocol import MAX_BODY_BYTES
from assay.keyrelease.settings import Secret
from assay.keys import KeyEncryptionKey
from assay.relying_party.aio import AsyncTokenVerifier
from tests.attestation_tokens import ISSUER, MR_SIGNER, AsyncKeys, key_set, service_key, token
from tests.conftest import AT
from tests.refusals import release_refusal_of
from tests.release import release_context
from tests.unit.keyrelease.conftest import VALUES, Scene, release_rules, sealed_secrets


def _token(key: ReleaseKey, context: ReleaseContext, /, **changes: Any) -> str:  # noqa: ANN401
    return token(x_ms_runtime=json.loads(key.runtime_data(context)), **changes)


@pytest.mark.parametrize("algorithm", list(WrapAlgorithm))
def test_the_right_enclave_gets_the_secret_and_it_is_recorded(
    scene: Scene, algorithm: WrapAlgorithm
) -> None:
    key, context = ReleaseKey.generate(algorithm), scene.ask()

    with scene.client as client:
        answer = client.release(context, _token(key, context))

    assert key.unwrap(answer, context) == VALUES["database"]
    ((outcome, target, details),) = scene.records()
    assert (outcome, target) == ("done", "database")
    assert details["key"] == key.jwk["kid"]
    assert details["version"] == "2"
    assert details["x-ms-sgx-mrsigner"] == MR_SIGNER


def test_a_wrong_measurement_is_refused_and_recorded(scene: Scene) -> None:
    key, context = ReleaseKey.generate(), scene.ask()
    wrong = _token(key, context, x_ms_sgx_mrsigner="00" * 32, x_ms_sgx_product_id=8)

    assert release_refusal_of(lambda: scene.client.release(context, wrong)) == [
        "token.claims.requirement",
        "keyrelease.policy.denied",
    ]
    ((outcome, _, details),) = scene.records()
    assert outcome == "refused"
    assert details["findings"] == "token.claims.requirement keyrelease.policy.denied"


def test_a_replayed_request_is_refused_and_recorded(scene: Scene) -> None:
    key, context = ReleaseKey.generate(), scene.ask()
    text = _token(key, context)
    scene.client.release(context, text)

    assert release_refusal_of(lambda: scene.client.release(context, text)) == [
        "keyrelease.challenge.used"
    ]
    assert [outcome for outcome, _, _ in scene.records()] == ["done", "refused"]


def test_a_token_for_another_secret_is_refused_and_recorded(scene: Scene) -> None:
    key, other, context = ReleaseKey.generate(), scene.ask("signing"), scene.ask()

    assert release_refusal_of(lambda: scene.client.release(context, _token(key, other))) == [
        "keyrelease.token.context"
    ]
    assert [(outcome, target) for outcome, target, _ in scene.records()] == [
        ("refused", "database")
    ]


def test_a_token_of_another_challenge_is_refused(scene: Scene) -> None:
    """BI-02: an old token with a new challenge."""
    key, old, context = ReleaseKey.generate(), scene.ask(), scene.ask()

    assert release_refusal_of(lambda: scene.client.release(context, _token(key, old))) == [
        "keyrelease.token.context"
    ]


def test_a_sealed_secret_in_anothers_place_is_refused_and_recorded(scene: Scene) -> None:
    """KR-01, KR-04."""
    one, two = scene.folder / "database.sealed", scene.folder / "signing.sealed"
    one.write_bytes(two.read_bytes())
    key, context = ReleaseKey.generate(), scene.ask()

    assert release_refusal_of(lambda: scene.client.release(context, _token(key, context))) == [
        "keyrelease.secret.sealed_context"
    ]
    assert scene.records()[0][2]["findings"] == "keyrelease.secret.sealed_context"


@pytest.mark.parametrize("change", ["version", "rules", "key"])
def test_a_secret_that_was_sealed_otherwise_is_refused(
    make: Callable[..., Scene], tmp_path: Path, change: str
) -> None:
    """KR-01: name, version and rules are what it is sealed to."""
    secrets = sealed_secrets(tmp_path)
    secret = secrets["database"]
    looser = release_rules(required={"svn__ge": 0}, text=None)
    changed: dict[str, Any] = {
        "version": {"secrets": {"database": _with(secret, version=1)}},
        "rules": {
            "secrets": {
                "database": replace(_with(secret, policy_digest=looser.digest), policy=looser)
            }
        },
        "key": {"key": KeyEncryptionKey(bytes(32))},
    }
    scene = make(**changed[change])
    key, context = ReleaseKey.generate(), scene.ask()

    assert release_refusal_of(lambda: scene.client.release(context, _token(key, context))) == [
        "keyrelease.secret.sealed_context"
    ]


def _with(secret: Secret, **changes: Any) -> Secret:  # noqa: ANN401  of where it rests
    return replace(secret, sealed=replace(secret.sealed, **changes))


def test_a_token_of_somebody_else_is_refused_and_recorded(scene: Scene) -> None:
    key, context = ReleaseKey.generate(), scene.ask()
    forged = _token(key, context, key=service_key(1))

    assert release_refusal_of(lambda: scene.client.release(context, forged)) == [
        "token.jws.key_unknown"
    ]
    assert scene.records()[0][2]["findings"] == "token.jws.key_unknown"


def test_a_token_of_simulated_hardware_is_refused(scene: Scene) -> None:
    """KR-07."""
    key, context = ReleaseKey.generate(), scene.ask()
    simulated = _token(key, context, x_assay_simulated=True)

    assert release_refusal_of(lambda: scene.client.release(context, simulated)) == [
        "token.claims.simulated"
    ]


def test_a_challenge_that_has_ended_is_refused(scene: Scene) -> None:
    key, context = ReleaseKey.generate(), scene.ask()
    scene.now[0] += timedelta(seconds=60)

    assert release_refusal_of(lambda: scene.client.release(context, _token(key, context))) == [
        "keyrelease.challenge.expired"
    ]


def test_a_challenge_is_used_up_by_a_request_that_fails(scene: Scene) -> None:
    key, context = ReleaseKey.generate(), scene.ask()

    assert release_refusal_of(lambda: scene.client.release(context, "x"))
    assert release_refusal_of(lambda: scene.client.release(context, _token(key, context))) == [
        "keyrelease.challenge.used"
    ]


def test_many_uses_of_one_challenge_at_once_give_one_release(scene: Scene) -> None:
    """BI-07."""
    key, context = ReleaseKey.generate(), scene.ask()
    text = _token(key, context)

    async def main() -> list[object]:
        attempts = (scene.broker.release(context, text) for _ in range(100))
        return await asyncio.gather(*attempts, return_exceptions=True)

    outcomes = asyncio.run(main())

    assert sum(isinstance(one, str) for one in outcomes) == 1
    assert sum(outcome == "done" for outcome, _, _ in scene.records()) == 1


def test_a_secret_that_is_not_there_has_no_challenge(scene: Scene) -> None:
    """KR-02."""
    assert release_refusal_of(lambda: scene.client.challenge("another", "payroll")) == [
        "keyrelease.secret.unknown"
    ]
    for name in ("../database", "", "Database"):
        assert release_refusal_of(lambda name=name: scene.client.challenge(name, "payroll")) == [  # type: ignore[misc]
            "keyrelease.context.release_format"
        ]
    assert release_refusal_of(lambda: scene.client.challenge("database", "two words")) == [
        "keyrelease.context.release_format"
    ]


def test_a_broker_that_has_no_room_says_so(scene: Scene) -> None:
    for _ in range(50):
        scene.ask()

    with pytest.raises(ReleaseRefusedError, match="503") as caught:
        scene.ask()
    assert [one.check for one in caught.value.findings] == ["keyrelease.challenge.busy"]


def test_nothing_is_released_that_cannot_be_recorded(make: Callable[..., Scene]) -> None:
    """KR: the record comes first."""

    class Full:
        def record(self, _event: object) -> None:
            raise StoreUnavailableError("the disk is full")

        def close(self) -> None:
            """Nothing is open."""

    scene = make()
    broker = Broker(
        replace(_parts_of(scene), audit=Full())  # type: ignore[arg-type]  # a fake
    )
    context, _ = broker.challenge("database", "payroll")
    key = ReleaseKey.generate()

    with pytest.raises(StoreUnavailableError):
        asyncio.run(broker.release(context, _token(key, context)))
    assert _status(Scene(scene.folder, broker, scene.now), "release", context) == 503


def _parts_of(scene: Scene) -> BrokerParts:
    parts: BrokerParts = scene.broker._parts  # noqa: SLF001  to exchange one of them
    return parts


def _status(scene: Scene, path: str, context: ReleaseContext | None = None) -> int:
    body = json.dumps({**(context or release_context()).members(), "token": "x"})
    return _post(scene, path, body.encode()).status_code


def _post(scene: Scene, path: str, body: bytes) -> httpx2.Response:
    async def send() -> httpx2.Response:
        transport = httpx2.ASGITransport(scene.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://broker") as client:
            return await client.post(path, content=body)

    return asyncio.run(send())


def test_keys_that_cannot_be_had_are_no_refusal(make: Callable[..., Scene]) -> None:
    source = AsyncKeys(service_key())
    source.source.fails = True
    scene = make(verifier=AsyncTokenVerifier(ISSUER, keys=source, now=lambda: AT))
    key, context = ReleaseKey.generate(), scene.ask()

    with pytest.raises(ReleaseRefusedError, match="503"):
        scene.client.release(context, _token(key, context))
    assert scene.records()[0][2]["findings"] == "IssuerUnavailableError"


def test_collateral_that_cannot_be_had_is_no_refusal(make: Callable[..., Scene]) -> None:
    class Signer:
        def check(self, _key: object, *, at: object) -> None:
            raise CollateralUnavailableError(f"none for {at}")

    verifier = AsyncTokenVerifier(ISSUER, keys=key_set(), signer=Signer(), now=lambda: AT)
    scene = make(verifier=verifier)
    key, context = ReleaseKey.generate(), scene.ask()

    with pytest.raises(ReleaseRefusedError, match="503"):
        scene.client.release(context, _token(key, context))


def test_a_secret_that_is_gone_is_for_the_operator(scene: Scene) -> None:
    (scene.folder / "database.sealed").unlink()
    key, context = ReleaseKey.generate(), scene.ask()

    with pytest.raises(ReleaseRefusedError, match="500"):
        scene.client.release(context, _token(key, context))
    assert scene.records()[0][2]["findings"] == "SettingsError"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"secret":"database"}',
        b'{"secret":"database","requester":"payroll","more":1}',
        b'{"secret":"database","requester":7}',
        b'{"secret":"database","secret":"database","requester":"payroll"}',
        b'{"secret":"database","requester":"' + b"x" * MAX_BODY_BYTES + b'"}',
    ],
    ids=["empty", "array", "no member", "one", "more", "number", "twice", "huge"],
)
@pytest.mark.parametrize("path", ["challenge", "release"])
def test_a_request_of_another_form_is_refused(scene: Scene, path: str, body: bytes) -> None:
    """PA-06."""
    answer = _post(scene, path, body)

    assert answer.status_code == 400
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("defect", [LookupError, AuditError])
def test_a_defect_is_no_answer(make: Callable[..., Scene], defect: type[Exception]) -> None:
    class Broken:
        def issue(self, secret: str, requester: str, *, at: datetime) -> None:
            raise defect(f"{secret} {requester} {at}")

    scene = make(challenges=Broken())

    with pytest.raises(defect):
        scene.ask()


def test_no_secret_is_in_records_logs_and_errors(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """KR-05."""
    with caplog.at_level(logging.DEBUG):
        for changes in ({}, {"x_ms_sgx_svn": 1}):
            key, context = ReleaseKey.generate(), scene.ask()
            text = _token(key, context, **changes)
            if changes:
                assert release_refusal_of(lambda c=context, t=text: scene.client.release(c, t))  # type: ignore[misc]
            else:
                scene.client.release(context, text)

    everything = caplog.text.encode() + (scene.folder / "releases.jsonl").read_bytes()
    assert b"canary" not in everything
    assert not any(b"canary" in path.read_bytes() for path in scene.folder.iterdir())
