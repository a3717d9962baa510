"""Every recorded change and reading of policies and signers, done again: the same answers.

What differs, and why: `iss`, `iat`, `nbf`, `exp`, `jku` and `kid` are of the instance and the
moment. Before a recorded reading, the instance is brought to the state that it then had.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from cryptography import x509

from assay.encoding import decode_base64
from assay.service.policies import PolicyService
from assay.store import InstanceRecord, Store, TrustModel
from assay.token import TokenExpectations, parse_key_set, read_unverified, verify_token
from tests.administration import ALICE, Hosted, add_instance, hosted
from tests.conftest import AT
from tests.vectors import vector_params

_OF_THE_MOMENT: Final = {"iss", "iat", "nbf", "exp"}


def _interactions(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["interactions"]
    return [one for one in found if urlsplit(one["uri"]).path.startswith(("/policies", "/certif"))]


def _signers(vectors: Path) -> list[x509.Certificate]:
    """The isolated instance's, before the recorded tests added one."""
    path = vectors / "maa/python/test_policy_getset.test_get_policy_management_certificates.json"
    lists = [
        one["response_token"]["claims"]["x-ms-policy-certificates"]["keys"]
        for one in _interactions(path)
    ]
    [keys] = [keys for keys in lists if keys]
    return [x509.load_der_x509_certificate(decode_base64(key["x5c"][0], "x5c")) for key in keys]


@pytest.fixture
def service(upgraded_url: str, vectors: Path) -> Iterator[Hosted]:
    issuers = {
        urlsplit(one["response_token"]["claims"]["iss"]).hostname
        for path in (vectors / "maa/python").glob("test_policy*.json")
        for one in _interactions(path)
    }
    with closing(Store.open(upgraded_url)) as store:
        for host in sorted(filter(None, issuers)):
            model = TrustModel.AAD
            if "iso" in host:
                model = TrustModel.ISOLATED
            elif "shared" in host:
                model = TrustModel.SHARED
            record = InstanceRecord(
                name=host.partition(".")[0],
                issuer=f"https://{host}",
                trust_model=model,
                settings={"compatibility": "2021"},
                created_at=AT,
            )
            signers = _signers(vectors) if model is TrustModel.ISOLATED else []
            add_instance(store, record, signers)
    with hosted(upgraded_url, default="none") as found:
        yield found


def _recall(service: Hosted, interaction: dict[str, Any], instance: str) -> None:
    """Bring a policy to the state that a recorded reading shows."""
    recorded = interaction["response_token"]["claims"].get("x-ms-policy")
    if interaction["method"] != "GET" or recorded is None:
        return
    kind = urlsplit(interaction["uri"]).path.rpartition("/")[2]
    policies = PolicyService(store=service.store, now=lambda: AT)
    if policies.get(instance, kind) != recorded:
        policies.set(instance, kind, recorded, by=ALICE)


def _send(service: Hosted, interaction: dict[str, Any], host: str) -> Any:  # noqa: ANN401
    parts = urlsplit(interaction["uri"])
    headers = {"host": host}
    content = None
    if "request_jws" in interaction:
        jws = interaction["request_jws"]["raw"]
        content = json.dumps(jws) if interaction["request_body_is_json_string"] else jws
        headers["content-type"] = interaction["request_headers"]["Content-Type"]
    return service.call(
        interaction["method"], f"{parts.path}?{parts.query}", content=content, headers=headers
    )


@pytest.mark.parametrize("path", vector_params("maa/python/test_policy*.json"))
def test_a_recorded_exchange_gives_the_recorded_answer(path: Path, service: Hosted) -> None:
    interactions = _interactions(path)
    assert interactions

    for interaction in interactions:
        recorded = interaction["response_token"]
        issuer = recorded["claims"]["iss"]
        host = str(urlsplit(issuer).hostname)
        _recall(service, interaction, host.partition(".")[0])

        answer = _send(service, interaction, host)

        assert answer.status_code == interaction["status"], answer.text
        expected_type = interaction["response_headers"]["content-type"]
        assert answer.headers["content-type"] == expected_type
        keys = parse_key_set(service.call("GET", "/certs", headers={"host": host}).content)
        token = answer.json()["token"]
        claims = verify_token(token, keys, at=AT, expect=TokenExpectations(issuer=issuer)).claims
        header = read_unverified(token).header
        assert list(header) == list(recorded["header"])
        assert (header["alg"], header["typ"], header["jku"]) == ("RS256", "JWT", f"{issuer}/certs")
        assert list(claims) == list(recorded["claims"])
        assert _content(dict(claims)) == _content(recorded["claims"])
        assert int(str(claims["exp"])) - int(str(claims["iat"])) == recorded["exp_minus_iat"]


def _content(claims: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if name not in _OF_THE_MOMENT}


def test_a_recorded_policy_for_tpm_is_set(service: Hosted, vectors: Path) -> None:
    path = vectors / "maa/python/test_attestation.test_tpm_attestation.json"
    [interaction] = _interactions(path)
    recorded = interaction["response_token"]["claims"]
    host = str(urlsplit(recorded["iss"]).hostname)

    answer = _send(service, interaction, host)

    claims = read_unverified(answer.json()["token"]).claims
    assert _content(dict(claims)) == _content(recorded)


def test_the_recorded_refusal_of_an_unsigned_policy_has_its_status_and_code(
    service: Hosted, vectors: Path
) -> None:
    errors = json.loads((vectors / "maa/other/errors_recorded.json").read_text())
    [recorded] = [one for one in errors if "SetPolicyUnsecuredIsolated" in one["source"]]

    answer = service.call(
        "PUT",
        "/pylarryoattestationiso/policies/SgxEnclave?api-version=2020-10-01",
        content="eyJhbGciOiJub25lIn0.e30.",
    )

    assert answer.status_code == recorded["status"]
    assert answer.json()["error"]["code"] == recorded["body"]["error"]["code"]
