from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from assay.simulator import SimulatedPlatform
from assay.simulator.faults import FAULTS, Attempt
from assay.simulator.faults.attempt import attempt, flip, lookalike, with_edit
from assay.simulator.quote import QuoteParts


def differences(one: Attempt, other: Attempt) -> Iterator[str]:
    for field in dataclasses.fields(Attempt):
        if getattr(one, field.name) != getattr(other, field.name):
            yield field.name


def test_an_attempt_has_no_defect_by_itself(platform: SimulatedPlatform, at: datetime) -> None:
    plain = attempt(platform)

    assert plain.at == at
    assert plain.evidence == platform.quote()
    assert plain.collateral == platform.collateral(at)
    assert plain.roots == platform.anchors


def test_every_fault_changes_what_the_verifier_is_given_and_not_when(
    platform: SimulatedPlatform,
) -> None:
    sound = attempt(platform)
    changed = {fault.name: set(differences(fault.apply(platform), sound)) for fault in FAULTS}

    assert [name for name, fields in changed.items() if not fields or "at" in fields] == []


def test_a_fault_leaves_the_platform_alone(platform: SimulatedPlatform) -> None:
    before = attempt(platform)

    for fault in FAULTS:
        fault.apply(platform)

    assert attempt(platform) == before


def test_a_fault_changes_one_thing_in_the_quote(platform: SimulatedPlatform) -> None:
    sound = platform.quote()

    def edit(parts: QuoteParts) -> QuoteParts:
        return replace(parts, body=flip(parts.body))

    changed = with_edit(edit)(platform).evidence

    assert sum(a != b for a, b in zip(changed, sound, strict=True)) == 1


def test_flipping_changes_one_bit() -> None:
    assert flip(b"\0\0") == b"\0\1"
    assert flip(b"\0\0", 0) == b"\1\0"


def test_a_lookalike_shares_names_and_settings_only(platform: SimulatedPlatform) -> None:
    other = lookalike(platform)

    assert other.settings == platform.settings
    assert other.root_certificate.subject == platform.root_certificate.subject
    assert other.anchors != platform.anchors
