from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from urllib.parse import unquote_to_bytes

import pytest
from cryptography import x509
from starlette.testclient import TestClient

from assay.encoding import parse_json_object
from assay.simulator import SimulatedPlatform
from assay.simulator.pcs import ROOT_CRL_PATH, Dialect, pcs_app
from assay.simulator.pki import Authority
from assay.simulator.tcb import signed_body

BASE = "/sgx/certification/v4"
FMSPC = "00606a000000"


@pytest.fixture(scope="module")
def pcs(platform: SimulatedPlatform, at: datetime) -> Iterator[TestClient]:
    with TestClient(pcs_app(platform, now=lambda: at)) as client:
        yield client


@pytest.fixture(scope="module")
def pccs(platform: SimulatedPlatform, at: datetime) -> Iterator[TestClient]:
    with TestClient(pcs_app(platform, dialect=Dialect.PCCS, now=lambda: at)) as client:
        yield client


@pytest.mark.parametrize("fmspc", [FMSPC, FMSPC.upper()])
def test_the_tcb_info_is_served_as_it_was_signed(
    pcs: TestClient, platform: SimulatedPlatform, at: datetime, fmspc: str
) -> None:
    answer = pcs.get(f"{BASE}/tcb", params={"fmspc": fmspc})

    collateral = platform.collateral(at)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["request-id"]
    assert answer.content == signed_body(
        "tcbInfo", collateral.tcb_info, collateral.tcb_info_signature
    )
    chain = unquote_to_bytes(answer.headers["TCB-Info-Issuer-Chain"])
    assert chain == collateral.tcb_info_issuer_chain


def test_the_qe_identity_is_served_as_it_was_signed(
    pcs: TestClient, platform: SimulatedPlatform, at: datetime
) -> None:
    answer = pcs.get(f"{BASE}/qe/identity")

    collateral = platform.collateral(at)
    assert answer.content == signed_body(
        "enclaveIdentity", collateral.qe_identity, collateral.qe_identity_signature
    )
    chain = unquote_to_bytes(answer.headers["SGX-Enclave-Identity-Issuer-Chain"])
    assert chain == collateral.qe_identity_issuer_chain


def number_in(document: bytes, member: str) -> object:
    inner = parse_json_object(document, "answer")[member]
    assert isinstance(inner, dict)
    return inner["tcbEvaluationDataNumber"]


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ({}, 20),
        ({"update": "standard"}, 20),
        ({"update": "early"}, 21),
        ({"tcbEvaluationDataNumber": "18"}, 18),
    ],
)
def test_the_update_chooses_the_evaluation_number(
    pcs: TestClient, query: dict[str, str], number: int
) -> None:
    tcb = pcs.get(f"{BASE}/tcb", params={"fmspc": FMSPC} | query)
    identity = pcs.get(f"{BASE}/qe/identity", params=query)

    assert number_in(tcb.content, "tcbInfo") == number
    assert number_in(identity.content, "enclaveIdentity") == number


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"update": "early", "tcbEvaluationDataNumber": "20"}, 400),
        ({"update": "late"}, 400),
        ({"tcbEvaluationDataNumber": "twenty"}, 400),
        ({"tcbEvaluationDataNumber": "²"}, 400),
        ({"tcbEvaluationDataNumber": "22"}, 404),
        ({"tcbEvaluationDataNumber": "16"}, 410),
    ],
)
def test_an_evaluation_number_that_is_not_served_has_its_status(
    pcs: TestClient, query: dict[str, str], status: int
) -> None:
    for path in ("tcb", "qe/identity"):
        answer = pcs.get(f"{BASE}/{path}", params={"fmspc": FMSPC} | query)

        assert answer.status_code == status
        assert answer.content == b""
        assert answer.headers["request-id"]


@pytest.mark.parametrize(
    ("query", "status"),
    [({}, 400), ({"fmspc": "00"}, 400), ({"fmspc": "z" * 12}, 400), ({"fmspc": "0" * 12}, 404)],
)
def test_a_tcb_info_of_no_known_platform_has_its_status(
    pcs: TestClient, query: dict[str, str], status: int
) -> None:
    assert pcs.get(f"{BASE}/tcb", params=query).status_code == status


@pytest.mark.parametrize(
    ("ca", "authority"),
    [("platform", Authority.PLATFORM_CA), ("processor", Authority.PROCESSOR_CA)],
)
def test_revocation_lists_come_as_pem_or_as_der(
    pcs: TestClient, platform: SimulatedPlatform, ca: str, authority: Authority
) -> None:
    pem = pcs.get(f"{BASE}/pckcrl", params={"ca": ca})
    der = pcs.get(f"{BASE}/pckcrl", params={"ca": ca, "encoding": "der"})

    assert pem.headers["content-type"] == "application/x-pem-file"
    assert der.headers["content-type"] == "application/pkix-crl"
    assert x509.load_pem_x509_crl(pem.content) == x509.load_der_x509_crl(der.content)
    chain = unquote_to_bytes(der.headers["SGX-PCK-CRL-Issuer-Chain"])
    assert chain == platform.pki.chain(authority)


@pytest.mark.parametrize("query", [{}, {"ca": "root"}, {"ca": "platform", "encoding": "hex"}])
def test_a_revocation_list_of_nobody_is_a_bad_request(
    pcs: TestClient, query: dict[str, str]
) -> None:
    assert pcs.get(f"{BASE}/pckcrl", params=query).status_code == 400


def test_the_root_s_list_is_der(pcs: TestClient, platform: SimulatedPlatform, at: datetime) -> None:
    assert pcs.get(ROOT_CRL_PATH).content == platform.root_ca_crl(at)


def test_the_evaluation_numbers_are_signed(pcs: TestClient, platform: SimulatedPlatform) -> None:
    answer = pcs.get(f"{BASE}/tcbevaluationdatanumbers")

    assert answer.content.startswith(b'{"tcbEvaluationDataNumbers":{"id":"SGX"')
    chain = unquote_to_bytes(answer.headers["TCB-Evaluation-Data-Numbers-Issuer-Chain"])
    assert chain == platform.pki.chain(Authority.TCB_SIGNING)


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ({}, b'[{"fmspc":"00606A000000","platform":"E5"}]'),
        ({"platform": "all"}, b'[{"fmspc":"00606A000000","platform":"E5"}]'),
        ({"platform": "E5"}, b'[{"fmspc":"00606A000000","platform":"E5"}]'),
        ({"platform": "client"}, b"[]"),
    ],
)
def test_families_of_platforms_are_listed_by_kind(
    pcs: TestClient, query: dict[str, str], body: bytes
) -> None:
    assert pcs.get(f"{BASE}/fmspcs", params=query).content == body


def test_an_unknown_kind_of_platform_is_a_bad_request(pcs: TestClient) -> None:
    assert pcs.get(f"{BASE}/fmspcs", params={"platform": "toaster"}).status_code == 400


def test_what_nobody_serves_is_not_found(pcs: TestClient) -> None:
    answer = pcs.get("/tdx/certification/v4/tcb")

    assert answer.status_code == 404
    assert answer.headers["request-id"]


def test_the_cache_sends_hexadecimal_under_other_names(
    pccs: TestClient, platform: SimulatedPlatform, at: datetime
) -> None:
    root = pccs.get(f"{BASE}/rootcacrl")
    pck = pccs.get(f"{BASE}/pckcrl", params={"ca": "platform"})

    assert root.headers["content-type"] == "application/pkix-crl"
    assert bytes.fromhex(root.text) == platform.root_ca_crl(at)
    assert pck.headers["content-type"] == "application/x-pem-file"
    assert bytes.fromhex(pck.text) == platform.pck_crl(at)


def test_the_cache_sends_der_where_that_is_asked_for(
    pccs: TestClient, platform: SimulatedPlatform, at: datetime
) -> None:
    answer = pccs.get(f"{BASE}/pckcrl", params={"ca": "platform", "encoding": "der"})

    assert answer.content == platform.pck_crl(at)


def test_the_cache_knows_no_evaluation_numbers(pccs: TestClient) -> None:
    answer = pccs.get(f"{BASE}/tcb", params={"fmspc": FMSPC, "tcbEvaluationDataNumber": "18"})

    assert number_in(answer.content, "tcbInfo") == 20
    assert pccs.get(f"{BASE}/tcbevaluationdatanumbers").status_code == 404
    assert pccs.get(ROOT_CRL_PATH).status_code == 404
