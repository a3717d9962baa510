"""Whether a store is whole: schema, tables, policies, audit record, signing keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, Protocol

from assay.audit import verify_export
from assay.errors import AuditError, PolicyError, SettingsError, TokenError
from assay.policy import policy_hash
from assay.service.checkup import CheckOutcome, CheckResult, refuse_problems, run_check
from assay.store import HEAD, KeptPolicy, SealedSecret, SigningKeyRecord, StoreSnapshot
from assay.token import read_owner_token, read_policy_text


class KeyOpener(Protocol):
    """Opens what is sealed. Methods raise `SettingsError` where they cannot."""

    def open(self, instance: str, records: Sequence[SigningKeyRecord]) -> object:
        """All signing keys of an instance."""
        ...

    def open_secret(self, secret: SealedSecret) -> object:
        """Another secret."""
        ...


_RESTORE: Final = "look at the disk, and restore a backup"
_COMPARE: Final = "somebody wrote to the database; compare it with a backup, and restore that"


def check_store(snapshot: StoreSnapshot, opener: KeyOpener) -> tuple[CheckResult, ...]:
    """Look over all that a store keeps.

    Args:
        snapshot: The store at one moment.
        opener: What opens keys.
    """
    schema = run_check("schema", lambda: _check_schema(snapshot), remedy=_RESTORE)
    if schema.outcome is CheckOutcome.FAILED:
        # What the others ask for need not be there.
        return (schema,)
    return (
        schema,
        run_check("integrity", lambda: _check_integrity(snapshot), remedy=_RESTORE),
        run_check("tables", lambda: _check_tables(snapshot), remedy=_COMPARE),
        run_check("policies", lambda: _check_policies(snapshot), remedy=_COMPARE),
        run_check("audit", lambda: _check_audit(snapshot), remedy=_COMPARE),
        check_keys(snapshot, opener),
    )


def check_keys(snapshot: StoreSnapshot, opener: KeyOpener) -> CheckResult:
    """Whether every key can be opened with the configured key-encryption key."""
    return run_check("keys", lambda: _check_keys(snapshot, opener), remedy=_RESTORE)


def _check_schema(snapshot: StoreSnapshot) -> str:
    refuse_problems(snapshot.check_schema(), remedy=_COMPARE)
    return f"revision {HEAD}, which this release needs"


def _check_integrity(snapshot: StoreSnapshot) -> str:
    refuse_problems(snapshot.damage(), remedy=_RESTORE)
    return "the database finds nothing wrong with itself"


def _check_tables(snapshot: StoreSnapshot) -> str:
    refuse_problems(snapshot.disagreements(), remedy=_COMPARE)
    return "policies, histories, signers and numbers agree"


def _check_policies(snapshot: StoreSnapshot) -> str:
    number = 0

    def wrong() -> Iterator[str]:
        nonlocal number
        for policy in snapshot.policies():
            number += 1
            if not _is_its_hash(policy):
                yield f"{policy} is not of the hash that is kept with it"

    refuse_problems(wrong(), remedy=_COMPARE)
    return f"{number} policies, present and past, have the hashes of their texts"


def _is_its_hash(policy: KeptPolicy) -> bool:
    try:
        text = read_policy_text(read_owner_token(policy.jws.decode("ascii")))
        return text is not None and policy_hash(text) == policy.text_hash
    except (UnicodeDecodeError, TokenError, PolicyError):
        return False


def _check_audit(snapshot: StoreSnapshot) -> str:
    head = verify_export(snapshot.audit_lines())
    if head != snapshot.audit_head():
        raise AuditError(
            f"the audit record ends with record {head.sequence} of another digest than the one "
            f"that the next would follow; {_COMPARE}"
        )
    return f"{head.sequence} records, each chained to the one before"


def _check_keys(snapshot: StoreSnapshot, opener: KeyOpener) -> str:
    number = 0
    problems: list[str] = []

    def attempt(open_it: Callable[[], object]) -> None:
        try:
            open_it()
        except SettingsError as error:
            # All of them may fail for one reason, and each says it.
            problems.append(error.message)

    for instance, records in snapshot.signing_keys():
        number += len(records)
        attempt(partial(opener.open, instance, records))
    secrets = snapshot.secrets()
    for secret in secrets:
        attempt(partial(opener.open_secret, secret))
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        problem, _, remedy = problems[0].partition("; ")
        raise SettingsError(f"{problem}{more}; {remedy or _RESTORE}")
    others = f" and {len(secrets)} others" if secrets else ""
    return f"{number} signing keys{others} open with the key-encryption key"
