from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from urllib.parse import quote, unquote

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount

from assay.endorsements.intel import verify_collateral
from assay.endorsements.platform import DcapPlatform, PckCa, Tee
from assay.endorsements.source import STANDARD, EvaluationSelection, GatheredCollateral
from assay.endorsements.sources import open_source
from assay.errors import CollateralUnavailableError
from assay.simulator import SimulatedPlatform
from assay.simulator.pcs import Dialect, pcs_app
from assay.simulator.pki import Authority
from assay.simulator.tcb import signed_body
from tests.conftest import AT
from tests.servers.loopback import loopback
from tests.servers.recorder import Recorder
from tests.servers.thim import thim_app
from tests.servers.virtual_time import elapsed, run

NOW: Callable[[], datetime] = lambda: AT  # noqa: E731  a constant, not a function


@pytest.fixture
def pcs(platform: SimulatedPlatform) -> Recorder:
    return Recorder(pcs_app(platform, now=NOW))


@pytest.fixture
def pccs(platform: SimulatedPlatform) -> Recorder:
    return Recorder(pcs_app(platform, dialect=Dialect.PCCS, now=NOW))


@pytest.fixture
def thim(platform: SimulatedPlatform) -> Recorder:
    return Recorder(thim_app(platform, now=NOW))


def gather(
    name: str,
    app: Recorder,
    platform: DcapPlatform,
    evaluation: EvaluationSelection = STANDARD,
) -> GatheredCollateral:
    async def ask() -> GatheredCollateral:
        source = open_source(name, now=NOW, transport=httpx2.ASGITransport(app))
        try:
            return await source.gather(platform, evaluation=evaluation)
        finally:
            await source.close()

    return run(ask())


def refuse(
    name: str,
    app: Recorder,
    platform: DcapPlatform,
    evaluation: EvaluationSelection = STANDARD,
) -> str:
    with pytest.raises(CollateralUnavailableError) as caught:
        gather(name, app, platform, evaluation)
    (finding,) = caught.value.findings
    return str(finding)


def signed_tcb_info(document: bytes, platform: SimulatedPlatform) -> Response:
    return Response(
        signed_body("tcbInfo", document, platform.sign_document(document)),
        headers={"TCB-Info-Issuer-Chain": quote(platform.pki.chain(Authority.TCB_SIGNING))},
    )


def assert_same(gathered: GatheredCollateral, platform: SimulatedPlatform, number: int) -> None:
    expected = platform.collateral(AT, number=number)
    collateral = gathered.collateral
    verified = verify_collateral(collateral, roots=platform.anchors)
    assert verified.tcb_info.evaluation_number == number
    assert verified.qe_identity.evaluation_number == number
    assert collateral.tcb_info == expected.tcb_info
    assert collateral.tcb_info_issuer_chain == expected.tcb_info_issuer_chain
    assert collateral.qe_identity == expected.qe_identity
    assert collateral.pck_crl_issuer_chain == expected.pck_crl_issuer_chain
    assert gathered.fetched_at == AT
    assert not gathered.stale


# Intel's service


def test_intel_is_asked_for_four_documents(pcs: Recorder, platform: SimulatedPlatform) -> None:
    gathered = gather("pcs", pcs, platform.dcap_platform)

    assert_same(gathered, platform, 20)
    assert gathered.source == "pcs"
    assert {(asked.host, asked.path) for asked in pcs.asked} == {
        ("api.trustedservices.intel.com", "/sgx/certification/v4/tcb"),
        ("api.trustedservices.intel.com", "/sgx/certification/v4/qe/identity"),
        ("api.trustedservices.intel.com", "/sgx/certification/v4/pckcrl"),
        ("certificates.trustedservices.intel.com", "/IntelSGXRootCA.der"),
    }
    assert pcs.find("/tcb").query == {"fmspc": "00606a000000"}
    assert pcs.find("/qe/identity").query == {}
    assert pcs.find("/pckcrl").query == {"ca": "platform", "encoding": "der"}
    assert {asked.headers["accept-encoding"] for asked in pcs.asked} == {"identity"}


@pytest.mark.parametrize(
    ("evaluation", "query", "number"),
    [
        ("early", {"update": "early"}, 21),
        ("18", {"tcbEvaluationDataNumber": "18"}, 18),
    ],
)
def test_intel_is_asked_for_an_evaluation(
    pcs: Recorder,
    platform: SimulatedPlatform,
    evaluation: str,
    query: dict[str, str],
    number: int,
) -> None:
    gathered = gather("pcs", pcs, platform.dcap_platform, EvaluationSelection(evaluation))

    assert_same(gathered, platform, number)
    assert pcs.find("/tcb").query == {"fmspc": "00606a000000", **query}
    assert pcs.find("/qe/identity").query == query


def test_a_mirror_of_intel_is_one_host(pcs: Recorder, platform: SimulatedPlatform) -> None:
    gathered = gather("pcs:https://mirror.example", pcs, platform.dcap_platform)

    assert_same(gathered, platform, 20)
    assert gathered.source == "pcs:https://mirror.example"
    assert {asked.host for asked in pcs.asked} == {"mirror.example"}


@pytest.mark.parametrize(("number", "status"), [("1", 410), ("99", 404)])
def test_a_number_that_is_not_served_is_named_with_what_to_do(
    pcs: Recorder, platform: SimulatedPlatform, number: str, status: int
) -> None:
    refusal = refuse("pcs", pcs, platform.dcap_platform, EvaluationSelection(number))

    assert f"status {status}" in refusal
    assert f"tcbEvaluationDataNumber={number}" in refusal
    assert "TCB evaluation data number" in refusal
    assert max(pcs.times.values()) == 1


def test_an_unknown_platform_is_final(pcs: Recorder) -> None:
    other = DcapPlatform(
        tee=Tee.SGX, fmspc=bytes.fromhex("00906ed50000"), pceid=bytes(2), ca=PckCa.PROCESSOR
    )

    refusal = refuse("pcs", pcs, other)

    assert "pcs at /sgx/certification/v4/tcb?fmspc=00906ed50000" in refusal
    assert "status 404" in refusal
    assert pcs.times["/sgx/certification/v4/tcb"] == 1


# The caching service of a data centre


def test_hexadecimal_lists_of_a_caching_service_are_read(
    pccs: Recorder, platform: SimulatedPlatform
) -> None:
    name = "pccs:https://pccs.example:8081"

    gathered = gather(name, pccs, platform.dcap_platform)

    assert_same(gathered, platform, 20)
    assert gathered.source == name
    assert pccs.find("/rootcacrl").query == {}
    assert pccs.find("/pckcrl").query == {"ca": "platform"}
    assert {asked.host for asked in pccs.asked} == {"pccs.example:8081"}


@pytest.mark.parametrize("evaluation", ["early", "18"])
def test_a_caching_service_is_not_asked_for_what_it_does_not_have(
    pccs: Recorder, platform: SimulatedPlatform, evaluation: str
) -> None:
    refusal = refuse(
        "pccs:https://pccs.example",
        pccs,
        platform.dcap_platform,
        EvaluationSelection(evaluation),
    )

    assert f"got {evaluation} (ask for `standard`" in refusal
    assert pccs.asked == []


@pytest.mark.parametrize("status", [460, 461, 462])
def test_statuses_of_the_caching_service_are_final_and_explained(
    pccs: Recorder, platform: SimulatedPlatform, status: int
) -> None:
    pccs.always["/tcb"] = Response(status_code=status)

    refusal = refuse("pccs:https://pccs.example", pccs, platform.dcap_platform)

    assert f"got status {status} (the caching service" in refusal
    assert pccs.times["/sgx/certification/v4/tcb"] == 1


# Azure's cache


def test_azure_is_asked_with_its_parameters_and_header(
    thim: Recorder, platform: SimulatedPlatform
) -> None:
    gathered = gather("thim", thim, platform.dcap_platform)

    assert_same(gathered, platform, 20)
    assert {asked.host for asked in thim.asked} == {"global.acccache.azure.net"}
    for asked in thim.asked:
        assert asked.headers["metadata"] == "true"
        assert asked.query["clientid"] == "production_client"
        assert asked.query["api-version"] == "2018-10-01-preview"
    lists = {asked.query["uri"] for asked in thim.asked if "uri" in asked.query}
    assert all(address == address.lower() and "://" not in address for address in lists)
    assert {unquote(address) for address in lists} == {
        "https://certificates.trustedservices.intel.com/intelsgxrootca.crl",
        (
            "https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl"
            "?ca=platform&encoding=pem"
        ),
    }


def test_azure_inside_a_virtual_machine_is_asked_at_the_metadata_address(
    thim: Recorder, platform: SimulatedPlatform
) -> None:
    thim.app = Starlette(routes=[Mount("/metadata/THIM", thim.app)])

    gathered = gather("thim:http://169.254.169.254/metadata/THIM", thim, platform.dcap_platform)

    assert_same(gathered, platform, 20)
    assert {asked.host for asked in thim.asked} == {"169.254.169.254"}


def test_azure_refuses_early_before_it_is_asked(
    thim: Recorder, platform: SimulatedPlatform
) -> None:
    refusal = refuse("thim", thim, platform.dcap_platform, EvaluationSelection("early"))

    assert "got early" in refusal
    assert thim.asked == []


def test_a_number_that_azure_passes_over_is_no_answer(
    thim: Recorder, platform: SimulatedPlatform
) -> None:
    refusal = refuse("thim", thim, platform.dcap_platform, EvaluationSelection("18"))

    # Base64 of `tcbEvaluationDataNumber=18`.
    assert thim.find("/tcb").query["customParam"] == "dGNiRXZhbHVhdGlvbkRhdGFOdW1iZXI9MTg="
    assert "expected TCB evaluation data 18 from thim, got number 20" in refusal


# Answers


def test_documents_are_fetched_at_once(pcs: Recorder, platform: SimulatedPlatform) -> None:
    class Meeting(httpx2.ASGITransport):
        barrier = asyncio.Barrier(4)

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            await self.barrier.wait()
            return await super().handle_async_request(request)

    async def ask() -> GatheredCollateral:
        source = open_source("pcs", now=NOW, transport=Meeting(pcs))
        return await source.gather(platform.dcap_platform)

    assert_same(run(ask()), platform, 20)


def test_all_attempts_together_have_an_end(platform: SimulatedPlatform) -> None:
    async def wait(_request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(3600)
        return httpx2.Response(200)

    async def ask() -> None:
        source = open_source("pcs", now=NOW, transport=httpx2.MockTransport(wait))
        with pytest.raises(CollateralUnavailableError, match=r"from pcs within 15 s, got no"):
            await source.gather(platform.dcap_platform)
        assert elapsed() == pytest.approx(15)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(ask())


def test_one_final_failure_ends_the_others(platform: SimulatedPlatform) -> None:
    async def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/pckcrl"):
            return httpx2.Response(404)
        await asyncio.sleep(3600)
        return httpx2.Response(200)

    async def ask() -> None:
        source = open_source("pcs", now=NOW, transport=httpx2.MockTransport(answer))
        with pytest.raises(CollateralUnavailableError, match="status 404"):
            await source.gather(platform.dcap_platform)
        assert elapsed() == 0

    run(ask())


@pytest.mark.parametrize("kind", ["pcs", "thim"])
def test_the_list_of_the_platforms_own_ca_is_fetched(
    kind: str, platform: SimulatedPlatform
) -> None:
    other = platform.with_settings(ca=PckCa.PROCESSOR)
    app = pcs_app(other, now=NOW) if kind == "pcs" else thim_app(other, now=NOW)

    gathered = gather(kind, Recorder(app), other.dcap_platform)

    assert_same(gathered, other, 20)


@pytest.mark.parametrize("kind", ["pcs", "pccs:https://pccs.example", "thim"])
def test_tdx_platforms_have_paths_of_their_own(kind: str, platform: SimulatedPlatform) -> None:
    app = Recorder(pcs_app(platform, now=NOW))
    own = platform.dcap_platform
    tdx = DcapPlatform(tee=Tee.TDX, fmspc=own.fmspc, pceid=own.pceid, ca=own.ca)

    refusal = refuse(kind, app, tdx)

    assert "/tdx/certification/v4/" in refusal
    assert {"/tdx/certification/v4/tcb", "/tdx/certification/v4/qe/identity"} <= app.times.keys()
    if kind == "thim":
        assert app.find("/tdx/certification/v4/pckcrl").query["ca"] == "platform"
        assert app.times["/tdx/certification/v4/rootcacrl"] == 1
    else:
        assert "/sgx/certification/v4/pckcrl" in app.times


def test_the_pce_identifier_is_no_part_of_the_question(
    pcs: Recorder, platform: SimulatedPlatform
) -> None:
    own = platform.dcap_platform
    other = DcapPlatform(tee=own.tee, fmspc=own.fmspc, pceid=b"\x01\x00", ca=own.ca)

    assert_same(gather("pcs", pcs, other), platform, 20)


def test_an_answer_about_another_platform_is_refused(
    pcs: Recorder, platform: SimulatedPlatform
) -> None:
    other = platform.with_settings(fmspc=bytes.fromhex("00906ed50000"))
    collateral = other.collateral(AT)
    pcs.always["/tcb"] = signed_tcb_info(collateral.tcb_info, platform)

    refusal = refuse("pcs", pcs, platform.dcap_platform)

    assert "some for FMSPC 00906ed50000" in refusal


@pytest.mark.parametrize(
    ("path", "body", "check"),
    [
        ("/tcb", b"<html>", "dcap.tcb_info.collateral_format"),
        ("/tcb", b"", "dcap.tcb_info.collateral_format"),
        ("/qe/identity", b'{"enclaveIdentity":{}', "dcap.qe_identity.collateral_format"),
        ("/pckcrl", b"<html>", "dcap.pck_crl.crl_format"),
        ("/IntelSGXRootCA.der", b"crl", "dcap.root_ca_crl.crl_format"),
        ("/tcb", b'{"tcbInfo":{},"signature":"00"}', "appraisal.collateral.unavailable"),
        ("/IntelSGXRootCA.der", b"\x30\x03\x02\x01\x05", "appraisal.collateral.unavailable"),
    ],
)
def test_garbage_is_refused_by_the_documents_name(
    pcs: Recorder, platform: SimulatedPlatform, path: str, body: bytes, check: str
) -> None:
    chain = dict.fromkeys(CHAINS, "-----BEGIN%20CERTIFICATE-----")
    pcs.always[path] = Response(body, headers=chain)

    refusal = refuse("pcs", pcs, platform.dcap_platform)

    assert refusal.startswith(f"{check}: ")
    assert "from pcs" in refusal or "in pcs" in refusal


CHAINS = (
    "TCB-Info-Issuer-Chain",
    "SGX-Enclave-Identity-Issuer-Chain",
    "SGX-PCK-CRL-Issuer-Chain",
)


@pytest.mark.parametrize(
    ("path", "header", "body"),
    [
        ("/tcb", CHAINS[0], '{"tcbInfo":{},"signature":"00"}'),
        ("/qe/identity", CHAINS[1], '{"enclaveIdentity":{},"signature":"00"}'),
        ("/pckcrl", CHAINS[2], "3000"),
    ],
)
def test_a_missing_issuer_chain_is_named(
    pcs: Recorder, platform: SimulatedPlatform, path: str, header: str, body: str
) -> None:
    pcs.always[path] = Response(body)

    refusal = refuse("pcs", pcs, platform.dcap_platform)

    assert f"header {header.lower()} from pcs, got no such header" in refusal


def test_the_chain_may_have_its_old_name(pcs: Recorder, platform: SimulatedPlatform) -> None:
    answer = signed_tcb_info(platform.collateral(AT).tcb_info, platform)
    answer.headers["SGX-TCB-Info-Issuer-Chain"] = answer.headers["TCB-Info-Issuer-Chain"]
    del answer.headers["TCB-Info-Issuer-Chain"]
    pcs.always["/tcb"] = answer

    assert_same(gather("pcs", pcs, platform.dcap_platform), platform, 20)


def test_a_defect_of_a_transport_is_not_taken_for_missing_collateral(
    platform: SimulatedPlatform,
) -> None:
    def fail(_request: httpx2.Request) -> httpx2.Response:
        raise ZeroDivisionError

    async def ask() -> None:
        source = open_source("pcs", now=NOW, transport=httpx2.MockTransport(fail))
        await source.gather(platform.dcap_platform)

    with pytest.raises(ExceptionGroup) as caught:
        run(ask())
    assert isinstance(caught.value.exceptions[0], ZeroDivisionError)


# Over a socket


@pytest.mark.parametrize("dialect", Dialect)
def test_collateral_comes_over_a_socket(dialect: Dialect, platform: SimulatedPlatform) -> None:
    async def ask(url: str) -> GatheredCollateral:
        source = open_source(f"{dialect}:{url}", now=NOW)
        try:
            return await source.gather(platform.dcap_platform)
        finally:
            await source.close()

    with loopback(pcs_app(platform, dialect=dialect, now=NOW)) as url:
        gathered = asyncio.run(ask(url))

    assert_same(gathered, platform, 20)
