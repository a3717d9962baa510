"""SGX quotes verified per second, by what the verifier already knows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from assay.evidence.dcap.memory import BoundedMemory, DcapMemory
from assay.evidence.dcap.verify import DcapVerification
from assay.evidence.sgx import parse_quote, verify_quote
from assay.simulator import SimulatedPlatform
from benchmarks.floor import Rate, measure


def cases(platform: SimulatedPlatform, at: datetime) -> dict[str, Rate]:
    """The rates, from the worst case to the best."""
    quote = platform.quote()
    collateral = platform.collateral(at)
    roots = platform.anchors

    def verifier(prepare: Callable[[DcapMemory], DcapMemory]) -> Callable[[], object]:
        memory = DcapMemory(roots)

        def verify() -> object:
            context = DcapVerification(
                collateral=collateral, at=at, roots=roots, memory=prepare(memory)
            )
            return verify_quote(parse_quote(quote), context)

        return verify

    def collateral_kept(memory: DcapMemory) -> DcapMemory:
        fresh = DcapMemory(roots)
        fresh.collateral = memory.collateral
        return fresh

    def chain_kept(memory: DcapMemory) -> DcapMemory:
        memory.platforms = BoundedMemory(1)
        return memory

    return {
        "everything cold": measure(verifier(lambda _: DcapMemory(roots))),
        "collateral kept": measure(verifier(collateral_kept)),
        "collateral and PCK chain kept": measure(verifier(chain_kept)),
        "quoting enclave remembered too": measure(verifier(lambda memory: memory)),
    }
