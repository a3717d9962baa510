"""A simulated SGX platform with its own root: quotes, collateral, and evidence that is wrong.

For tests and demonstrations on machines without SGX. Nothing that it makes is trusted unless
somebody trusts its root by name.
"""

from __future__ import annotations

from assay.simulator.directory import load_platform, save_platform
from assay.simulator.sgx import SimulatedPlatform

__all__ = ["SimulatedPlatform", "load_platform", "save_platform"]
