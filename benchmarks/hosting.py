"""Many instances on one server against one: what finding each one's keys and policies costs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from assay import clock
from assay.keys import SigningAlgorithm
from assay.server.assembly import open_chest
from assay.server.settings_reader import load_settings
from assay.service.instance_options import InstanceOptions
from assay.service.policies import PolicyService
from assay.service.provisioning import NewInstance, ProvisioningService
from assay.simulator import SimulatedPlatform
from assay.store import SERVICE
from assay.token import policy_payload, unsecured_owner_token
from benchmarks.attestation import instance_requests
from benchmarks.load import run_load
from benchmarks.server import running_server

INSTANCES = 1000
POLICIES = 3
ALGORITHM = SigningAlgorithm.RS256
"""The one that instances have unless they are told otherwise."""

_TYPES = ("SgxEnclave", "OpenEnclave", "Tpm")
_CONNECTIONS = 32
_ROUNDS = 6
_SECONDS = 2.0
_LOADING_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Hosting:
    """Attestations per second; medians of rounds in turn."""

    one: float
    many: float

    @property
    def ratio(self) -> float:
        """What is left with many."""
        return self.many / self.one


def measure_hosting(folder: Path, machine: Path, platform: SimulatedPlatform) -> Hosting:
    """Two servers under load in turn: one has a single instance, the other a thousand."""
    loads: list[Sequence[bytes]] = []
    for number in (1, INSTANCES):
        names = [f"i{index}" for index in range(number)]
        _make_instances(folder / f"hosting-{number}", machine, names)
        # As many requests for either, so that sending them costs the same.
        loads.append(instance_requests(platform, names * (INSTANCES // number)))
    with (
        running_server(folder / "hosting-1", machine) as one,
        running_server(folder / f"hosting-{INSTANCES}", machine) as many,
    ):
        servers = (one, many)
        rates: tuple[list[float], list[float]] = ([], [])
        for server, requests in zip(servers, loads, strict=True):
            # Instances are loaded when they are first asked for.
            run_load(server, requests, connections=_CONNECTIONS, seconds=_LOADING_SECONDS)
        for _ in range(_ROUNDS):
            for server, requests, found in zip(servers, loads, rates, strict=True):
                load = run_load(server, requests, connections=_CONNECTIONS, seconds=_SECONDS)
                found.append(load.per_second)
    return Hosting(*(statistics.median(found) for found in rates))


def _make_instances(data: Path, machine: Path, names: Sequence[str]) -> None:
    flags = {"data_dir": str(data), "dev": True, "simulator": str(machine)}
    options = InstanceOptions(simulator=True, token_algorithm=ALGORITHM)
    with open_chest(load_settings(environment={}, flags=flags)) as chest:
        provisioning = ProvisioningService(chest=chest, now=clock.now)
        policies = PolicyService(store=chest.store, now=clock.now)
        for name in names:
            wanted = NewInstance(name=name, issuer=f"https://{name}.example", options=options)
            provisioning.create(wanted, by=SERVICE)
            for kind in _TYPES:
                # No two instances have one policy.
                text = f"version= 1.0;authorizationrules{{=> permit();}}; // {name}"
                jws = unsecured_owner_token(policy_payload(text))
                policies.set(name, kind, jws, by=SERVICE)
