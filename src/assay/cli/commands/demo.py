"""`assay demo`: see it work, on a machine without SGX and without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.cli.options import JsonOption

if TYPE_CHECKING:
    from pathlib import Path

    from assay.cli.demonstration import Demonstration
    from assay.cli.render import Answer
    from assay.client import ServiceError
    from assay.encoding import JsonValue


def demo(*, as_json: JsonOption = False) -> None:
    """See it work: a server, a verdict, a token, two refusals.

    Starts a server of its own on a free port of this machine, with a simulated SGX platform and
    its data in a temporary directory, and ends with all of it gone.
    """
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from assay.cli.render import Answer

    talk = Answer(stderr=as_json)
    talk.line(("Assay demo", "bold"), " - simulated SGX hardware, a real service, real signatures")
    with TemporaryDirectory(prefix="assay-demo-") as folder:
        _run(Path(folder), talk, as_json=as_json)
    talk.line()
    talk.line("The server has ended and its files are gone; nothing is left running.")


def _run(folder: Path, talk: Answer, *, as_json: bool) -> None:
    from assay import clock
    from assay.cli.demonstration import Demonstration
    from assay.cli.server_process import running_server
    from assay.client import AttestationClient
    from assay.simulator import SimulatedPlatform, save_platform

    platform = SimulatedPlatform.create(clock.now())
    home = folder / "platform"
    save_platform(platform, home)
    options = ("--dev", "--simulator", str(home))
    with running_server(options, folder=folder) as url, AttestationClient(url) as client:
        talk.line(f"A server has started at {url}; it trusts the simulated platform and no other.")
        demonstration = Demonstration(platform=platform, client=client)
        if as_json:
            _print_report(demonstration)
        else:
            _show(demonstration, talk)


def _show(demonstration: Demonstration, answer: Answer) -> None:
    from assay.cli.appraisal_text import show_appraisal, show_verdict
    from assay.cli.demonstration import DENYING_POLICY, RUNTIME_DATA, tampered
    from assay.cli.render import GOOD

    answer.heading("1. An enclave makes evidence, and the service judges it")
    evidence = demonstration.evidence()
    answer.line(f"The quote has {len(evidence)} bytes and vouches for {RUNTIME_DATA.decode()}.")
    issued = demonstration.attest(evidence)
    answer.line("The service answers with a token. Its own function, run here, says why:")
    answer.line()
    result = demonstration.explain(evidence)
    show_verdict(answer, result.verdict)
    show_appraisal(answer, result)

    answer.heading("2. The service signs what it found, and a relying party verifies it")
    answer.line(
        ("token: ", "bold"),
        ("valid", GOOD),
        f" - {len(issued.serialize())} characters, signed by key {issued.key_id}, "
        "found at the service's /certs",
    )
    answer.members({"header": dict(issued.header), "claims": dict(issued.claims)})

    answer.heading("3. A policy refuses an enclave whose memory the host can read")
    answer.block(DENYING_POLICY, "    ")
    answer.line("With this policy, evidence of an enclave in debug mode is")
    debuggable = demonstration.evidence(debug=True)
    _show_refusal(answer, demonstration.refusal(debuggable, DENYING_POLICY))

    answer.heading("4. Somebody changes one bit of the enclave's measurement")
    answer.line("The changed quote is")
    _show_refusal(answer, demonstration.refusal(tampered(evidence)))


def _show_refusal(answer: Answer, error: ServiceError) -> None:
    from assay.cli.render import BAD

    answer.line(("refused", BAD), f" - status {error.status}, {error.code}")
    for detail in error.details:
        answer.line("  ", (detail.code, BAD))
        answer.line("    ", detail.message)


def _print_report(demonstration: Demonstration) -> None:
    from assay.cli.appraisal_report import appraisal_report
    from assay.cli.demonstration import DENYING_POLICY, tampered
    from assay.cli.render import print_json

    evidence = demonstration.evidence()
    issued = demonstration.attest(evidence)
    denial = demonstration.refusal(demonstration.evidence(debug=True), DENYING_POLICY)
    forgery = demonstration.refusal(tampered(evidence))
    print_json(
        {
            "appraisal": appraisal_report(demonstration.explain(evidence)),
            "token": issued.serialize(),
            "header": dict(issued.header),
            "claims": dict(issued.claims),
            "denial": _refusal_report(denial),
            "forgery": _refusal_report(forgery),
        }
    )


def _refusal_report(error: ServiceError) -> dict[str, JsonValue]:
    return {
        "status": error.status,
        "code": error.code,
        "message": error.message,
        "details": [{"code": one.code, "message": one.message} for one in error.details],
    }
