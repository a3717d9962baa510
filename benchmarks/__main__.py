"""`make bench`: one run, one table, every figure beside its floor."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from assay.appraisal import AppraisalContext, AppraisalRequest, AppraisalSettings, appraise
from assay.clock import now
from assay.evidence.dcap.memory import DcapMemory
from assay.evidence.format import AttestationType
from assay.keys import SigningAlgorithm
from assay.policy import compile_policy, default_policy
from assay.simulator import SimulatedPlatform, save_platform
from benchmarks.administration import databases, measure_administration
from benchmarks.attestation import distinct_requests, repeating_requests
from benchmarks.event_log import event_log_steps, log_bytes
from benchmarks.floor import Floor, Rate, is_noisy, mean, measure, measure_floor, spread
from benchmarks.hosting import ALGORITHM, INSTANCES, POLICIES, measure_hosting
from benchmarks.load import run_load
from benchmarks.policy import QUERIES, RULES, tpm_claims, tpm_policy
from benchmarks.server import running_server
from benchmarks.tokens import TOKENS, checked_tokens
from benchmarks.verification import cases

_CONNECTIONS = 32
"""For each worker: several would have less to do than one otherwise."""

_SECONDS = 5.0
_HELP_RUNS = 5


class Report:
    """The table under way; each row is measured between two floors."""

    def __init__(self) -> None:
        self.table = Table("what", "figure", "floor", "ratio", title="Assay")
        self._processes = 1
        self._floor = measure_floor()
        self.noise = 0.0

    def begin(self, processes: int) -> None:
        """Begin with rows whose floor is that of so many processes at once."""
        self._processes = processes
        self._floor = measure_floor(processes)

    def floor(self) -> Floor:
        """The mean of the floor before the rows since the last call and the floor after them."""
        after = measure_floor(self._processes)
        middle = mean(self._floor, after)
        self.noise = max(self.noise, spread(self._floor, after))
        if is_noisy(self._floor, after):
            self.table.caption = "The machine was busy: floors differ by more than 15%."
        self._floor = after
        return middle

    def rate(self, what: str, rate: Rate, floor: Rate) -> None:
        """A row that has a floor."""
        self.table.add_row(
            what,
            f"{rate.per_second:,.0f}/s",
            f"{floor.per_second:,.0f}/s",
            f"{rate.per_second / floor.per_second:.2f}",
        )

    def plain(self, what: str, figure: str) -> None:
        """A row that has none."""
        self.table.add_row(what, figure, "", "")


def main() -> None:
    """Measure and print."""
    report = Report()
    platform = SimulatedPlatform.create(now())
    _verification(report, platform)
    _policy(report, platform)
    _event_log(report)
    _tokens(report, platform)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_platform(platform, folder / "platform")
        cores = os.cpu_count() or 1
        for algorithm in ("RS256", "ES256"):
            for workers in sorted({1, cores}):
                _attestation(report, platform, folder, algorithm=algorithm, workers=workers)
        _hosting(report, platform, folder)
        _administration(report, folder)
    _command_line(report)
    report.plain("largest difference between two floors", f"{report.noise:.0%}")
    Console().print(report.table)


def _verification(report: Report, platform: SimulatedPlatform) -> None:
    rates = cases(platform, now())
    floor = report.floor()
    for name, rate in rates.items():
        report.rate(f"SGX quote, {name}", rate, floor.two_verifications)


def _policy(report: Report, platform: SimulatedPlatform) -> None:
    text = default_policy("SgxEnclave", "current")
    assert text is not None
    policy = compile_policy(text)
    context = AppraisalContext(
        collateral=platform.collateral(now()),
        policy=policy,
        at=now(),
        roots=platform.anchors,
        settings=AppraisalSettings(),
        memory=DcapMemory(platform.anchors),
    )
    request = AppraisalRequest(evidence_type=AttestationType.SGX_ENCLAVE, evidence=platform.quote())
    incoming = appraise(request, context).incoming
    evaluation = measure(lambda: policy.evaluate(incoming))
    report.plain("default SGX policy, compiled", f"{evaluation.microseconds:.1f} us")
    tpm, boot = tpm_policy(), tpm_claims()
    evaluation = measure(lambda: tpm.evaluate(boot))
    what = f"TPM policy of {RULES} rules and {QUERIES} queries"
    report.plain(what, f"{evaluation.microseconds / 1000:.2f} ms")
    whole = measure(lambda: appraise(request, context))
    report.plain("appraisal without signing, all remembered", f"{whole.microseconds:.0f} us")


def _event_log(report: Report) -> None:
    what = f"boot log of {log_bytes() / 1000:.0f} KB and a policy of {RULES} rules"
    for step, rate in event_log_steps().items():
        report.plain(f"{what}: {step}", f"{rate.microseconds / 1000:.2f} ms")


def _tokens(report: Report, platform: SimulatedPlatform) -> None:
    for algorithm in (SigningAlgorithm.RS256, SigningAlgorithm.ES256):
        ours, bare = checked_tokens(platform, algorithm, now())
        report.rate(f"{TOKENS:,} tokens checked, {algorithm}, key at hand", ours, bare)


def _attestation(
    report: Report, platform: SimulatedPlatform, folder: Path, *, algorithm: str, workers: int
) -> None:
    variants = {
        "platforms remembered": repeating_requests(platform),
        "platforms all new": distinct_requests(platform, workers=workers),
    }
    connections = _CONNECTIONS * workers
    data = folder / f"data-{algorithm}-{workers}"
    with running_server(data, folder / "platform", workers=workers, algorithm=algorithm) as server:
        report.begin(workers)
        for name, requests in variants.items():
            load = run_load(server, requests, connections=connections, seconds=_SECONDS)
            bare = report.floor().attestation(algorithm)
            what = f"HTTP attestation, {algorithm}, {workers} worker(s), {name}"
            report.rate(what, Rate(load.per_second), bare)
            report.plain(
                f"  latency with {connections} connections, p50 / p99",
                f"{load.p50_milliseconds:.1f} / {load.p99_milliseconds:.1f} ms",
            )
            own = f"{load.own_microseconds:.0f} us"
            report.plain("  what the load takes of a core for a request", own)
        if algorithm == "RS256":
            report.plain(
                f"  start until it answers, {workers} worker(s)", f"{server.start_seconds:.2f} s"
            )
            report.plain("  memory of a worker", f"{server.memory_per_worker():.0f} MiB")


def _hosting(report: Report, platform: SimulatedPlatform, folder: Path) -> None:
    hosting = measure_hosting(folder, folder / "platform", platform)
    what = (
        f"HTTP attestation, {ALGORITHM}, 1 worker, {INSTANCES} instances of {POLICIES} policies "
        "in turn"
    )
    report.table.add_row(
        what, f"{hosting.many:,.0f}/s", f"{hosting.one:,.0f}/s of one", f"{hosting.ratio:.2f}"
    )


def _administration(report: Report, folder: Path) -> None:
    with databases(folder) as urls:
        for name, url in urls.items():
            rates = measure_administration(folder / f"data-{name}", folder / "platform", url)
            report.plain(f"policy set over HTTP, {name}", f"{rates.sets:,.0f}/s")
            report.plain(f"policy get over HTTP, {name}", f"{rates.gets:,.0f}/s")


def _command_line(report: Report) -> None:
    best = min(_timed_help() for _ in range(_HELP_RUNS))
    report.plain("assay --help", f"{best:.2f} s")


def _timed_help() -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "assay", "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
