"""The addresses of policies and policy signers: authorize, decode, one use case, sign the answer.

Source: MAA protocol, sections 7 and 8.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from assay.access import ANONYMOUS, Right
from assay.audit import AuditEvent, AuditOutcome
from assay.encoding import JsonValue
from assay.errors import (
    AssayError,
    OperationRefusedError,
    RequestError,
    TokenError,
    UnauthorizedError,
    UntrustedSignerError,
)
from assay.policy import PolicySyntaxError
from assay.server.answers import send_body
from assay.server.auth.author import request_author
from assay.server.auth.authorizer import Authorizer
from assay.server.errors import Refusal, RefusedRequestError, StoredPolicyError
from assay.server.hosting import Instances, chosen_instance
from assay.server.maa.owner_body import read_owner_body
from assay.server.maa.versions import check_api_version
from assay.service.policies import PolicyService, policy_type
from assay.service.refusals import RefusalRecord
from assay.service.signers import SignerService
from assay.store import Author, InstanceEntry
from assay.token import answer_claims, policy_answer, sign_token

Content = dict[str, JsonValue]

_NO_BODY: Final = ""
_REFUSALS: Final = (UnauthorizedError, TokenError, OperationRefusedError, UntrustedSignerError)
"""What ends a change that was not to be, rather than one that was badly asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Administration:
    """What administering instances takes."""

    policies: PolicyService
    signers: SignerService
    authorizer: Authorizer
    refusals: RefusalRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What is asked for, by whom: everything that a use case gets."""

    instance: str
    attestation_type: str
    """In the protocol's spelling; empty where the address has none."""

    jws: str
    """What the owner sent; empty where nothing is changed."""

    author: Author


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of the protocol."""

    path: str
    method: str
    right: Right
    parameter: str
    """The name of the body in the protocol's description; empty where there is no body."""

    run: Callable[[Administration, Command], Content]
    action: str = ""
    """What the audit record calls a change; empty where nothing is changed."""


def _get_policy(services: Administration, command: Command) -> Content:
    return policy_answer(services.policies.get(command.instance, command.attestation_type))


def _set_policy(services: Administration, command: Command) -> Content:
    try:
        return services.policies.set(
            command.instance, command.attestation_type, command.jws, by=command.author
        )
    except PolicySyntaxError as error:
        raise StoredPolicyError(error.problems) from error


def _reset_policy(services: Administration, command: Command) -> Content:
    return services.policies.reset(
        command.instance, command.attestation_type, command.jws, by=command.author
    )


def _list_signers(services: Administration, command: Command) -> Content:
    return services.signers.list(command.instance)


def _add_signer(services: Administration, command: Command) -> Content:
    return services.signers.add(command.instance, command.jws, by=command.author)


def _remove_signer(services: Administration, command: Command) -> Content:
    return services.signers.remove(command.instance, command.jws, by=command.author)


OPERATIONS: Final = (
    Operation(
        path="/policies/{attestation_type}:reset",
        method="POST",
        right=Right.DELETE,
        parameter="PolicyJws",
        run=_reset_policy,
        action="policy.reset",
    ),
    Operation(
        path="/policies/{attestation_type}",
        method="GET",
        right=Right.READ,
        parameter=_NO_BODY,
        run=_get_policy,
    ),
    Operation(
        path="/policies/{attestation_type}",
        method="PUT",
        right=Right.WRITE,
        parameter="newAttestationPolicy",
        run=_set_policy,
        action="policy.set",
    ),
    Operation(
        path="/certificates",
        method="GET",
        right=Right.READ,
        parameter=_NO_BODY,
        run=_list_signers,
    ),
    Operation(
        path="/certificates:add",
        method="POST",
        right=Right.WRITE,
        parameter="policyCertificateToAdd",
        run=_add_signer,
        action="signer.add",
    ),
    Operation(
        path="/certificates:remove",
        method="POST",
        right=Right.DELETE,
        parameter="policyCertificateToRemove",
        run=_remove_signer,
        action="signer.remove",
    ),
)
"""In the order that addresses are matched in: `:reset` stands before the type that could end so."""


def administration_routes(services: Administration, instances: Instances) -> list[Route]:
    """Every address of policies and signers, with its methods."""
    found: list[Route] = []
    for path in dict.fromkeys(operation.path for operation in OPERATIONS):
        operations = {one.method: one for one in OPERATIONS if one.path == path}
        endpoint = OwnerEndpoint(services, instances, operations)
        found.append(Route(path, endpoint, methods=list(operations)))
    return found


class OwnerEndpoint:
    """One address, for each method that it answers."""

    __slots__ = ("_instances", "_operations", "_services")

    def __init__(
        self, services: Administration, instances: Instances, operations: dict[str, Operation]
    ) -> None:
        self._services = services
        self._instances = instances
        self._operations = operations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        # `HEAD` asks for what `GET` would answer.
        operation = self._operations.get(scope["method"]) or self._operations["GET"]
        entry = chosen_instance(scope)
        authorizer, caller = self._services.authorizer, ANONYMOUS
        try:
            caller = await authorizer.identify(scope)
            authorizer.check_right(caller, operation.right, entry.name)
            content = await self._perform(
                operation, entry, request_author(caller, scope), scope, receive
            )
        except _REFUSALS as error:
            if operation.action:
                event = self._refusal(operation, entry, request_author(caller, scope), scope, error)
                await asyncio.to_thread(self._services.refusals.record, event)
            raise
        instance = await self._instances.get(entry)
        claims = answer_claims(
            content, issuer=instance.issuer, issued_at=self._services.policies.now()
        )
        token = sign_token(claims, instance.keys.active, issuer=instance.issuer)
        await send_body(send, b'{"token":"' + token.encode("ascii") + b'"}')

    async def _perform(
        self,
        operation: Operation,
        entry: InstanceEntry,
        author: Author,
        scope: Scope,
        receive: Receive,
    ) -> Content:
        check_api_version(scope["query_string"])
        attestation_type = _attestation_type(scope["path_params"].get("attestation_type"))
        jws = ""
        if operation.parameter:
            jws = await read_owner_body(scope, receive, parameter=operation.parameter)
        command = Command(
            instance=entry.name, attestation_type=attestation_type, jws=jws, author=author
        )
        return await asyncio.to_thread(self._run, operation, command)

    def _refusal(
        self,
        operation: Operation,
        entry: InstanceEntry,
        author: Author,
        scope: Scope,
        error: AssayError,
    ) -> AuditEvent:
        target = ""
        # Only a name that there is: the rest of an address is anybody's text.
        with contextlib.suppress(RefusedRequestError):
            target = _attestation_type(scope["path_params"].get("attestation_type"))
        return AuditEvent(
            at=self._services.refusals.now(),
            action=operation.action,
            outcome=AuditOutcome.REFUSED,
            actor_kind=author.kind,
            actor_name=author.name,
            actor_authority=author.authority,
            address=author.address,
            instance=entry.name,
            target=target,
            request=author.request,
            details={"check": error.findings[0].check} if error.findings else {},
        )

    def _run(self, operation: Operation, command: Command) -> Content:
        content = operation.run(self._services, command)
        if operation.parameter:
            # Whoever reads this answer may rely on it in their next request to this process.
            self._instances.refresh()
        return content


def _attestation_type(name: str | None) -> str:
    if name is None:
        return ""
    try:
        return policy_type(name)
    except RequestError as error:
        raise RefusedRequestError(
            Refusal.NOT_FOUND, error.message, target="attestationType"
        ) from error
