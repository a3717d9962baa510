"""The whole protocol against swtpm: enrolment, both versions, and the ways in which TPMs start."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from typer.testing import CliRunner

from assay.attester.tpm import TpmDevice, TpmExchange
from assay.attester.tpm.agent import ALL_PCRS, Selection, TpmAgent, open_agent
from assay.attester.tpm.device import Hierarchy, StartupType
from assay.attester.tpm.request_signing import SoftwareKey, TpmKey
from assay.attester.tpm.templates import ecc_aik_template, signing_template
from assay.cli.app import app
from assay.errors import UntrustedEvidenceError
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.credential import check_endorsement_key, make_credential
from assay.evidence.tpm.event_types import EventType
from assay.evidence.tpm.request import LogKind, SentLog
from assay.simulator.linux_boot import grub_boot, kernel_measurements
from assay.simulator.measured_boot import BootDraft, measured_by_kernel
from assay.simulator.uefi_boot import measured
from assay.simulator.windows_boot import windows_boot
from assay.token import read_unverified
from tests.serving import RunningServer, running_server
from tests.software_tpm import Manufactured, SoftwareTpm, manufacture, software_tpm

VERSION: Final = "?api-version=2022-08-01"
_BANKS: Final = (HashAlgorithm.SHA1, HashAlgorithm.SHA256, HashAlgorithm.SHA384)
_POLICY: Final = """version=1.2;
configurationrules { => issueproperty(type="require_valid_aik_cert", value=%s); };
authorizationrules { => permit(); };
issuancerules {
    c:[type=="aikValidated"] => issue(type="aik", value=c.value);
    c:[type=="secureBootEnabled"] => issue(type="secureBoot", value=c.value);
    c:[type=="bootEvents"] => issue(type="bootEvents", value=c.value);
};"""
_ECC_ENDORSEMENT_KEY: Final = 0x81010016


@dataclass(frozen=True, slots=True)
class Service:
    """A running server, whose instance trusts the TPM's maker."""

    server: RunningServer
    client: httpx2.Client

    @property
    def exchange(self) -> TpmExchange:
        return TpmExchange(self.post)

    def post(self, path: str, body: bytes) -> bytes:
        """The body of the answer; what the service refuses becomes an error with its findings."""
        headers = {"content-type": "application/json"}
        answer = self.client.post(self.server.url + path + VERSION, content=body, headers=headers)
        if answer.status_code == 200:
            return answer.content
        codes = [detail["code"] for detail in answer.json()["error"].get("details", [])]
        raise UntrustedEvidenceError(" ".join(codes))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Manufactured:
    return manufacture(tmp_path_factory.mktemp("tpm"))


@pytest.fixture(scope="module")
def service(made: Manufactured, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    files: dict[str, list[str]] = {}
    for name, pems in (("tpm_roots", made.roots), ("tpm_intermediates", made.intermediates)):
        files[name] = []
        for number, pem in enumerate(pems):
            path = folder / f"{name}-{number}.pem"
            path.write_bytes(pem)
            files[name].append(str(path))
    flags = {
        "dev": True,
        "instance.policies.Tpm": _POLICY % "true",
        **{f"instance.{name}": paths for name, paths in files.items()},
    }
    with running_server(folder, flags) as server, httpx2.Client(trust_env=False) as client:
        yield Service(server, client)


@pytest.fixture
def tpm(made: Manufactured) -> Iterator[SoftwareTpm]:
    with software_tpm(made) as found:
        yield found


@pytest.fixture(scope="module")
def request_key() -> SoftwareKey:
    return SoftwareKey(rsa.generate_private_key(65537, 2048))


def _boot(device: TpmDevice, boot: BootDraft) -> None:
    """Measure what a boot measures, into every bank that the TPM has."""
    for event in boot.events:
        if not event.is_remark:
            device.extend_pcr(event.pcr, {bank: event.digest(bank) for bank in _BANKS})


def _logs(boot: BootDraft) -> Callable[[], tuple[SentLog, ...]]:
    return lambda: (SentLog(LogKind.TCG, boot.encode()),)


def _enrolled(service: Service, device: TpmDevice) -> bytes:
    with open_agent(device, lambda: ()) as agent:
        return service.exchange.enroll(device, agent.aik)


@contextlib.contextmanager
def _agent(
    service: Service, device: TpmDevice, boot: BootDraft, selection: Selection = ALL_PCRS
) -> Iterator[TpmAgent]:
    certificate = _enrolled(service, device)
    with open_agent(device, _logs(boot), aik_certificate=certificate, selection=selection) as agent:
        yield agent


def _claims(report: str) -> dict[str, Any]:
    return dict(read_unverified(report).claims)


def _attested(service: Service, agent: TpmAgent, key: SoftwareKey | TpmKey, **more: Any) -> str:  # noqa: ANN401
    challenge, context = service.exchange.challenge()
    return service.exchange.report(agent.request(challenge, context, key, **more))


def test_an_enrolled_tpm_is_attested_with_a_key_bound_by_its_quote(
    service: Service, tpm: SoftwareTpm, request_key: SoftwareKey
) -> None:
    boot = windows_boot()
    with tpm.device() as device:
        tpm.control("-i")
        device.startup()
        _boot(device, boot)

        with _agent(service, device, boot) as agent:
            claims = _claims(_attested(service, agent, request_key, rp_data=b"nonce"))

    assert claims["x-ms-policy"] == {"aik": True, "secureBoot": True}
    assert claims["x-assay-request-key-binding"] == "quote"
    assert claims["rp_data"] == "bm9uY2U"


def test_a_key_that_lives_in_the_tpm_is_bound_by_certification(
    service: Service, tpm: SoftwareTpm
) -> None:
    boot = grub_boot()
    log, _ = measured_by_kernel(kernel_measurements(), boot.registers())
    with tpm.device() as device:
        tpm.control("-i")
        device.startup()
        _boot(device, boot)
        for one in kernel_measurements():
            device.extend_pcr(10, {bank: one.digest(bank) for bank in _BANKS})

        with (
            _agent(service, device, boot) as agent,
            device.primary(Hierarchy.OWNER, signing_template()) as loaded,
        ):
            linux = replace(agent, read_logs=lambda: (*_logs(boot)(), SentLog(LogKind.IMA, log)))
            key = TpmKey(device=device, loaded=loaded)
            claims = _claims(_attested(service, linux, key))

    assert claims["x-assay-request-key-binding"] == "certify"
    assert claims["x-ms-tpm-request-key"]["info"]["tpm_certify"]["name_alg"] == 11


def test_the_first_version_is_attested(
    service: Service, tpm: SoftwareTpm, request_key: SoftwareKey
) -> None:
    boot = windows_boot()
    with tpm.device() as device:
        tpm.control("-i")
        device.startup()
        _boot(device, boot)

        with _agent(service, device, boot) as agent:
            challenge, context = service.exchange.challenge()
            report = service.exchange.report(agent.request_v1(challenge, context, request_key))

    assert _claims(report)["x-assay-request-key-binding"] == "none"


def test_a_boot_attestation_counts_after_hibernation_and_not_after_a_cold_boot(
    service: Service, tpm: SoftwareTpm, request_key: SoftwareKey
) -> None:
    boot = windows_boot()
    with tpm.device() as device:
        tpm.control("-i")
        device.startup()
        _boot(device, boot)
        with _agent(service, device, boot) as agent:
            before = agent.attestation(b"at boot")
        device.shutdown(StartupType.STATE)
        tpm.control("-i")
        device.startup()
        _boot(device, boot)
        with _agent(service, device, boot) as agent:
            resumed = _claims(_attested(service, agent, request_key, boot=before))
        device.shutdown()
        tpm.control("-i")
        device.startup()
        _boot(device, boot)

        with (
            _agent(service, device, boot) as agent,
            pytest.raises(UntrustedEvidenceError, match=r"tpm\.boot\.cycle"),
        ):
            _attested(service, agent, request_key, boot=before)

    assert "bootEvents" in resumed["x-ms-policy"]


def test_a_tpm_that_was_started_from_locality_three_is_attested(
    service: Service, tpm: SoftwareTpm, request_key: SoftwareKey
) -> None:
    boot = replace(windows_boot(), locality=3)
    with tpm.device() as device:
        tpm.control("-i")
        tpm.control("-l", "3")
        device.startup()
        tpm.control("-l", "0")
        _boot(device, boot)

        with _agent(service, device, boot) as agent:
            assert _attested(service, agent, request_key)


def test_a_measurement_of_the_hardware_comes_before_everything(
    service: Service, tpm: SoftwareTpm, request_key: SoftwareKey
) -> None:
    boot = windows_boot()
    content = b"what the hardware measured"
    first = measured(0, EventType.EV_EFI_HCRTM_EVENT, content)
    logged = boot.with_events(lambda events: (first, *events))
    with tpm.device() as device:
        tpm.control("-i")
        tpm.control("-h", content.decode())
        device.startup()
        _boot(device, boot)

        with _agent(service, device, logged) as agent:
            assert _attested(service, agent, request_key)


def test_a_software_key_is_no_attestation_key(service: Service, tpm: SoftwareTpm) -> None:
    """Another TPM's certificate does not help: the key has to be the certified one."""
    boot = windows_boot()
    with tpm.device() as device:
        tpm.control("-i")
        device.startup()
        _boot(device, boot)
        certificate = _enrolled(service, device)
        with (
            open_agent(
                device, _logs(boot), aik_certificate=certificate, template=ecc_aik_template()
            ) as agent,
            pytest.raises(UntrustedEvidenceError, match=r"tpm\.aik_certificate\.key_mismatch"),
        ):
            _attested(service, agent, SoftwareKey(rsa.generate_private_key(65537, 2048)))


def test_credentials_for_elliptic_curve_endorsement_keys_activate(tpm: SoftwareTpm) -> None:
    secret = bytes(range(32))
    with tpm.device() as device:
        tpm.control("-i")
        device.startup()
        ek = device.read_public(_ECC_ENDORSEMENT_KEY)
        check_endorsement_key(ek.public)
        with open_agent(device, lambda: (), template=ecc_aik_template()) as agent:
            name = agent.aik.public.name
            made = make_credential(ek.public, name, secret, random=bytes)

            opened = device.activate_credential(agent.aik, ek, blob=made.blob, secret=made.secret)

    assert opened == secret


def test_the_commands_enrol_and_attest(service: Service, tpm: SoftwareTpm, tmp_path: Path) -> None:
    boot = windows_boot()
    log, certificate = tmp_path / "log", tmp_path / "aik.pem"
    log.write_bytes(boot.encode())
    with tpm.device() as device:
        tpm.control("-i")
        device.startup()
        _boot(device, boot)
    reach = ["--socket", tpm.address, "--url", service.server.url]
    run = CliRunner()

    shown = run.invoke(app, ["tpm", "show", "--socket", tpm.address])
    enrolled = run.invoke(app, ["tpm", "enroll", *reach, "--out", str(certificate)])
    attested = run.invoke(
        app,
        ["tpm", "attest", *reach, "--certificate", str(certificate), "--log", str(log)],
    )
    in_tpm = run.invoke(
        app,
        [
            *("tpm", "attest", *reach, "--certificate", str(certificate), "--log", str(log)),
            "--key-in-tpm",
        ],
    )

    assert shown.exit_code == enrolled.exit_code == attested.exit_code == in_tpm.exit_code == 0
    assert "endorsement_key" in shown.stdout
    assert _claims(attested.stdout.strip())["x-ms-policy"]["aik"] is True
    assert _claims(in_tpm.stdout.strip())["x-assay-request-key-binding"] == "certify"
