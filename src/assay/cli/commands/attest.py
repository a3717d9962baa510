"""`assay attest`: have evidence judged by a running service."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, assert_never

import typer

from assay.cli.options import (
    DataTypeChoice,
    EvidenceArgument,
    InitTimeDataOption,
    InitTimeDataTypeOption,
    JsonOption,
    NonceOption,
    RuntimeDataOption,
    RuntimeDataTypeOption,
    TypeChoice,
    TypeOption,
)
from assay.cli.path_argument import given_path

if TYPE_CHECKING:
    from assay.client import AttestationResponse, AttestationResult


def attest(
    *,
    file: EvidenceArgument,
    url: Annotated[
        str,
        typer.Option(
            "--url", metavar="URL", envvar="ASSAY_URL", help="The instance: its issuer address."
        ),
    ],
    evidence_type: TypeOption = TypeChoice.AUTO,
    runtime_data: RuntimeDataOption = None,
    runtime_data_type: RuntimeDataTypeOption = DataTypeChoice.BINARY,
    init_time_data: InitTimeDataOption = None,
    init_time_data_type: InitTimeDataTypeOption = DataTypeChoice.BINARY,
    nonce: NonceOption = None,
    draft_policy: Annotated[
        Path | None,
        typer.Option(
            "--draft-policy",
            metavar="FILE",
            help="Try this policy instead of the instance's own; the token is not signed then.",
            parser=given_path,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Send evidence to a service and print its token.

    The token is verified with the service's keys first. These come over the same connection, so the
    token is as trusted as the connection is.
    """
    from assay.cli.attestation_answer import show_attestation
    from assay.cli.evidence_file import read_evidence_file
    from assay.cli.held_data import choose_type, read_attestation_data
    from assay.cli.input_file import read_text
    from assay.client import AttestationClient, ClientOptions, RetryPolicy
    from assay.errors import MalformedEvidenceError
    from assay.evidence.format import AttestationType

    evidence = read_evidence_file(file)
    if not evidence.data:
        # A service calls it a request without evidence: a mistake of whoever calls, not evidence.
        raise MalformedEvidenceError(f"{file}: expected evidence, got an empty file")
    kind = choose_type(evidence_type, evidence.attestation_type)
    # A person can try again, and should see at once why to.
    with AttestationClient(url, options=ClientOptions(retry=RetryPolicy(attempts=1))) as client:
        operation: Callable[..., AttestationResponse[AttestationResult]]
        match kind:
            case AttestationType.SGX_ENCLAVE:
                operation = client.attest_sgx_enclave
            case AttestationType.OPEN_ENCLAVE:
                operation = client.attest_open_enclave
            case _:
                assert_never(kind)
        response = operation(
            evidence.data,
            runtime_data=read_attestation_data(runtime_data, runtime_data_type),
            init_time_data=read_attestation_data(
                init_time_data, init_time_data_type, "--init-time-data"
            ),
            nonce=nonce,
            draft_policy=None if draft_policy is None else read_text(draft_policy),
        )
    show_attestation(response.token, as_json=as_json)
