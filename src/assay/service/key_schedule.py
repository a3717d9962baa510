"""When a signing key begins and ceases to sign, and when it is gone: the plan, without a clock.

| state | is published | signs | until |
|---|---|---|---|
| prepared | yes | no | the overlap has passed |
| active | yes | yes | its successor takes over |
| retired | yes | no | every token that it signed has expired |

An instance has one active key, and at most one prepared one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final, final

from assay.errors import SettingsError
from assay.keys import SigningAlgorithm
from assay.policy.settings import MAX_VALIDITY_MINUTES
from assay.service.instance_options import InstanceOptions
from assay.store import KeyState, SigningKeyRecord
from assay.token import ANSWER_LIFETIME, ATTESTATION_LIFETIME

LEAD: Final = timedelta(seconds=5)
"""How long a key is in the store before anybody signs with it, whatever the overlap is.

Each server looks for changes four times a second, and reads the keys anew before it answers; so
they are in every `/certs` long before.
"""

CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far apart the clocks of servers and relying parties may be, all in all."""

LONGEST_TOKEN: Final = max(ATTESTATION_LIFETIME, ANSWER_LIFETIME)
"""No token that an instance signs is valid for longer, but for reports on TPMs."""

LONGEST_REPORT: Final = timedelta(minutes=MAX_VALIDITY_MINUTES)
"""The longest that a policy may have a report on a TPM be valid."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class KeySchedule:
    """How often keys change, and for how long the next one is known before it signs."""

    period: timedelta | None = timedelta(days=90)
    """For how long a key signs; nothing where only an operator changes it."""

    overlap: timedelta = timedelta(hours=24)
    longest_token: timedelta = LONGEST_TOKEN
    """How long a token may be valid that one of the keys signs."""

    @property
    def retention(self) -> timedelta:
        """How long a retired key stays: the longest token, and a server that learnt of it late."""
        return self.longest_token + self.overlap + CLOCK_SKEW

    @property
    def certified_for(self) -> timedelta:
        """How long the certificate of a delegated key holds, with one missed rotation.

        Raises:
            SettingsError: Keys are not changed by schedule.
        """
        if self.period is None:
            raise SettingsError(
                "delegated keys live for a limited time, and keys.rotation_days is 0; set it to "
                "the days that a key is to sign, or keys.custody to software or token"
            )
        return 2 * self.period + self.overlap + self.retention

    def signs_at(self, prepared: SigningKeyRecord) -> datetime:
        """When a prepared key takes over."""
        return prepared.created_at + self.overlap

    def gone_at(self, retired: SigningKeyRecord) -> datetime:
        """When a retired key is removed."""
        return (retired.retired_at or retired.signs_since) + self.retention

    def successor_at(self, active: SigningKeyRecord) -> datetime | None:
        """When the successor of the active key is prepared, if it is by schedule."""
        if self.period is None:
            return None
        return active.signs_since + max(self.period - self.overlap, timedelta(0))


def schedule_of(
    options: InstanceOptions, default: KeySchedule, *, reports: bool = False
) -> KeySchedule:
    """The schedule of an instance: the server's, but for what the instance has of its own.

    Args:
        options: The instance's.
        default: The server's.
        reports: Whether the instance has ever had a policy to report on TPMs by.
    """
    days, hours = options.key_rotation_days, options.key_overlap_hours
    return KeySchedule(
        period=default.period if days is None else rotation_period(days),
        overlap=default.overlap if hours is None else timedelta(hours=hours),
        longest_token=LONGEST_REPORT if reports else LONGEST_TOKEN,
    )


def rotation_period(days: float) -> timedelta | None:
    """The period of a setting in days; none for 0."""
    return timedelta(days=days) if days else None


class KeyAction(Enum):
    """What happens to a key."""

    PREPARE = auto()
    """It gets a successor."""

    ACTIVATE = auto()
    REMOVE = auto()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStep:
    """One step of the plan."""

    action: KeyAction
    kid: str
    at: datetime
    """Not before then."""


def next_step(
    keys: Sequence[SigningKeyRecord], algorithm: SigningAlgorithm, schedule: KeySchedule
) -> KeyStep | None:
    """The next step for the keys of an instance, however far away, or nothing.

    Args:
        keys: All that it has.
        algorithm: What its tokens are to be signed with. A key for another one is replaced.
        schedule: The plan.
    """
    return min(_steps(keys, algorithm, schedule), key=lambda step: step.at, default=None)


def _steps(
    keys: Sequence[SigningKeyRecord], algorithm: SigningAlgorithm, schedule: KeySchedule
) -> Iterable[KeyStep]:
    has_prepared = any(key.state is KeyState.PREPARED for key in keys)
    for key in keys:
        fits = key.algorithm is algorithm
        if key.state is KeyState.RETIRED:
            yield KeyStep(action=KeyAction.REMOVE, kid=key.kid, at=schedule.gone_at(key))
        elif key.state is KeyState.PREPARED:
            action = KeyAction.ACTIVATE if fits else KeyAction.REMOVE
            at = schedule.signs_at(key) if fits else key.created_at
            yield KeyStep(action=action, kid=key.kid, at=at)
        elif not has_prepared:
            due = schedule.successor_at(key) if fits else key.signs_since
            if due is not None:
                yield KeyStep(action=KeyAction.PREPARE, kid=key.kid, at=due)
