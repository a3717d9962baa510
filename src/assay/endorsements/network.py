"""Collateral from services on the network: four documents, fetched at once, put together.

What the services serve is the same; where they serve it, and in what encoding, is a `Dialect`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.documents import read_crl, read_issuer_chain, split_signed
from assay.endorsements.fetch import DocumentFetcher, DocumentRequest, ServedDocument
from assay.endorsements.label import CollateralLabel, read_label
from assay.endorsements.platform import DcapPlatform, PckCa, Tee
from assay.endorsements.source import (
    STANDARD,
    EvaluationSelection,
    GatheredCollateral,
    unavailable,
)
from assay.errors import CollateralUnavailableError

_TCB_INFO_CHAINS: Final = ("tcb-info-issuer-chain", "sgx-tcb-info-issuer-chain")
"""The second is the name of API v3, which caches have kept."""

_ANY_PLATFORM: Final = DcapPlatform(tee=Tee.SGX, fmspc=bytes(6), pceid=bytes(2), ca=PckCa.PROCESSOR)

_QE_IDENTITY_CHAINS: Final = ("sgx-enclave-identity-issuer-chain",)
_PCK_CRL_CHAINS: Final = ("sgx-pck-crl-issuer-chain",)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRequests:
    """The four questions about one platform."""

    tcb_info: DocumentRequest
    qe_identity: DocumentRequest
    pck_crl: DocumentRequest
    root_ca_crl: DocumentRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one kind of service is asked."""

    name: str
    """As in the source's name: `pcs`, `pccs`, `thim`."""

    default_url: str | None
    """Base address, or nothing where every site has its own."""

    requests: Callable[[str, DcapPlatform, EvaluationSelection], DocumentRequests]
    """From the base address; raises `CollateralUnavailableError` where the service has no such
    selection."""


class NetworkSource:
    """A `CollateralSource` over one service. Every call asks the service anew."""

    __slots__ = ("_dialect", "_fetcher", "_now", "_total_seconds", "_url", "name")

    def __init__(
        self,
        dialect: Dialect,
        url: str,
        fetcher: DocumentFetcher,
        *,
        total_seconds: float,
        now: Callable[[], datetime],
    ) -> None:
        """A source that closes `fetcher` when it is closed.

        Args:
            dialect: How the service is asked.
            url: Base address, without a slash at its end.
            fetcher: How documents are fetched.
            total_seconds: For all documents of a platform.
            now: What dates the sets.
        """
        self.name = source_name(dialect, url)
        self._dialect = dialect
        self._url = url
        self._fetcher = fetcher
        self._total_seconds = total_seconds
        self._now = now

    async def close(self) -> None:
        """Close the connections."""
        await self._fetcher.close()

    async def gather(
        self, platform: DcapPlatform, *, evaluation: EvaluationSelection = STANDARD
    ) -> GatheredCollateral:
        """All nine documents, or nothing.

        The documents say that they are of the platform, its CA and the number asked for; whether
        that is true is for the verification.

        Raises:
            CollateralUnavailableError: A document cannot be had, or is another one.
        """
        requests = self._dialect.requests(self._url, platform, evaluation)
        try:
            async with asyncio.timeout(self._total_seconds):
                served = await self._fetch(requests)
        except TimeoutError as error:
            raise unavailable(
                f"collateral from {self.name} within {self._total_seconds:g} s",
                "no complete answer",
                "try again later; if it lasts, look at the service and the way to it",
            ) from error
        collateral = _assemble(*served, origin=self.name)
        self._check(read_label(collateral, origin=self.name), platform, evaluation)
        return GatheredCollateral(collateral=collateral, source=self.name, fetched_at=self._now())

    async def root_ca_crl(self) -> bytes:
        """The CRL of the root CA: the one document that every service has for every platform.

        Raises:
            CollateralUnavailableError: It cannot be had, or is none.
        """
        requests = self._dialect.requests(self._url, _ANY_PLATFORM, STANDARD)
        served = await self._fetcher.fetch(requests.root_ca_crl)
        return read_crl(served.body, "dcap.root_ca_crl", origin=self.name)

    async def _fetch(
        self, requests: DocumentRequests
    ) -> tuple[ServedDocument, ServedDocument, ServedDocument, ServedDocument]:
        fetch = self._fetcher.fetch
        try:
            async with asyncio.TaskGroup() as group:
                tcb_info = group.create_task(fetch(requests.tcb_info))
                qe_identity = group.create_task(fetch(requests.qe_identity))
                pck_crl = group.create_task(fetch(requests.pck_crl))
                root_ca_crl = group.create_task(fetch(requests.root_ca_crl))
        except ExceptionGroup as failures:
            # The first failure ends the others: a set with a hole is of no use.
            error = failures.exceptions[0]
            if isinstance(error, CollateralUnavailableError):
                raise error from failures
            raise
        return tcb_info.result(), qe_identity.result(), pck_crl.result(), root_ca_crl.result()

    def _check(
        self, label: CollateralLabel, platform: DcapPlatform, evaluation: EvaluationSelection
    ) -> None:
        asked = f"FMSPC {platform.fmspc.hex()}, {platform.tee}, {platform.ca} CA"
        # The PCE's identifier is no part of the question.
        of = label.platform
        if (of.fmspc, of.tee, of.ca) != (platform.fmspc, platform.tee, platform.ca):
            raise unavailable(
                f"collateral for {asked} from {self.name}",
                f"some for FMSPC {of.fmspc.hex()}, {of.tee}, {of.ca} CA",
                "the service answers wrongly: refresh or replace it",
            )
        number = evaluation.number
        if number is not None and label.evaluation_number != number:
            raise unavailable(
                f"TCB evaluation data {number} from {self.name}",
                f"number {label.evaluation_number}",
                "the service passes over the number: ask for `standard`, or use another source",
            )


def source_name(dialect: Dialect, url: str) -> str:
    """What a source is called, in the form that opens it."""
    return dialect.name if url == dialect.default_url else f"{dialect.name}:{url}"


def _assemble(
    tcb_info: ServedDocument,
    qe_identity: ServedDocument,
    pck_crl: ServedDocument,
    root_ca_crl: ServedDocument,
    *,
    origin: str,
) -> DcapCollateral:
    info, info_signature = split_signed(tcb_info.body, "tcbInfo", origin=origin)
    identity, identity_signature = split_signed(qe_identity.body, "enclaveIdentity", origin=origin)
    return DcapCollateral(
        tcb_info=info,
        tcb_info_signature=info_signature,
        tcb_info_issuer_chain=_chain(tcb_info, _TCB_INFO_CHAINS, "dcap.tcb_info_chain", origin),
        qe_identity=identity,
        qe_identity_signature=identity_signature,
        qe_identity_issuer_chain=_chain(
            qe_identity, _QE_IDENTITY_CHAINS, "dcap.qe_identity_chain", origin
        ),
        root_ca_crl=read_crl(root_ca_crl.body, "dcap.root_ca_crl", origin=origin),
        pck_crl=read_crl(pck_crl.body, "dcap.pck_crl", origin=origin),
        pck_crl_issuer_chain=_chain(pck_crl, _PCK_CRL_CHAINS, "dcap.pck_crl_chain", origin),
    )


def _chain(served: ServedDocument, names: tuple[str, ...], check: str, origin: str) -> bytes:
    found = next((served.headers[name] for name in names if name in served.headers), None)
    if found is None:
        raise unavailable(
            f"an issuer chain in the header {names[0]} from {origin}",
            "no such header",
            "check that the service speaks API v4, and what stands between",
        )
    return read_issuer_chain(found.encode(), check, origin=origin)
