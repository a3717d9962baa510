"""Verification of Intel's DCAP collateral: from bytes as served to a type that may be trusted.

Times are not checked here, only carried along: the result holds for any instant, and the instant
is compared on every use (`VerifiedCollateral.period`).

Source: Intel SGX PCS API v4; Intel SGX/TDX DCAP Quote Verification Library, "sgxAttestation".
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from assay.encoding import EncodingError
from assay.endorsements.anchors import Anchors
from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.tcb import (
    EnclaveIdentity,
    TcbInfo,
    parse_enclave_identity,
    parse_tcb_info,
)
from assay.errors import Finding, FindingCollector, UntrustedEvidenceError
from assay.x509 import (
    CertificateChain,
    ChainProfile,
    TrustAnchor,
    Validity,
    ValidityPeriod,
    VerifiedCrl,
    read_pem_chain,
    subject_public_key,
    verify_chain,
    verify_crl,
)

ROOT_NAMES: Final = frozenset({"Intel SGX Root CA"})
PCK_CA_NAMES: Final = frozenset({"Intel SGX PCK Platform CA", "Intel SGX PCK Processor CA"})
_TCB_SIGNING_NAMES = frozenset({"Intel SGX TCB Signing"})
_SIGNATURE_SIZE = 64

_TCB_INFO_CHAIN = ChainProfile(
    check="dcap.tcb_info_chain",
    label="TCB info issuer chain",
    common_names=(_TCB_SIGNING_NAMES, ROOT_NAMES),
)
_QE_IDENTITY_CHAIN = ChainProfile(
    check="dcap.qe_identity_chain",
    label="QE identity issuer chain",
    common_names=(_TCB_SIGNING_NAMES, ROOT_NAMES),
)
_PCK_CRL_CHAIN = ChainProfile(
    check="dcap.pck_crl_chain",
    label="PCK CRL issuer chain",
    common_names=(PCK_CA_NAMES, ROOT_NAMES),
    ca_leaf=True,
)

_DocumentT = TypeVar("_DocumentT", TcbInfo, EnclaveIdentity)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedCollateral:
    """Collateral whose every signature chains to one pinned root. Only this module makes it."""

    tcb_info: TcbInfo
    qe_identity: EnclaveIdentity
    root_ca_crl: VerifiedCrl
    pck_crl: VerifiedCrl
    anchor: TrustAnchor
    period: ValidityPeriod
    """Of all documents, CRLs and certificates together."""

    document_hashes: Mapping[str, str]
    """SHA-256 of what was served, lower-case hex, by the member names of MAA's claim."""


def verify_collateral(collateral: DcapCollateral, *, roots: Anchors) -> VerifiedCollateral:
    """Verify every document of `collateral` against `roots`.

    The numbers at the code are those of `CHECKS` in `assay.evidence.dcap.checks`.

    Raises:
        UntrustedEvidenceError: With one finding for each document that fails.
    """
    collector = FindingCollector()
    documents = _Documents(collateral, roots)
    tcb_info = qe_identity = root_ca_crl = pck_crl = None
    # 3. CRLs: the root's signed by the root, the PCK CA's by the PCK CA of its chain.
    with collector:
        pck_crl = documents.pck_crl()
    with collector:
        root_ca_crl = documents.root_ca_crl()
    # 4. TCB info and QE identity: signed by the TCB signer over the exact bytes.
    with collector:
        tcb_info = documents.tcb_info()
    with collector:
        qe_identity = documents.qe_identity()
    if root_ca_crl is not None:
        with collector:
            documents.check_revocation(root_ca_crl)
    if not (tcb_info and qe_identity and root_ca_crl and pck_crl) or collector.findings:
        raise UntrustedEvidenceError("the collateral does not verify", findings=collector.findings)
    return VerifiedCollateral(
        tcb_info=tcb_info,
        qe_identity=qe_identity,
        root_ca_crl=root_ca_crl,
        pck_crl=pck_crl,
        anchor=documents.anchor,
        period=documents.period(root_ca_crl, pck_crl, tcb_info, qe_identity),
        document_hashes=_document_hashes(collateral),
    )


class _Documents:
    """The documents of one set, each verified on its own; remembers the chains on the way."""

    def __init__(self, collateral: DcapCollateral, roots: Anchors) -> None:
        self._collateral = collateral
        self._roots = roots
        self._chains: list[tuple[ChainProfile, CertificateChain]] = []

    @property
    def anchor(self) -> TrustAnchor:
        return self._chains[0][1].anchor

    def pck_crl(self) -> VerifiedCrl:
        chain = self._chain(self._collateral.pck_crl_issuer_chain, _PCK_CRL_CHAIN)
        return verify_crl(
            self._collateral.pck_crl,
            issuer=chain.leaf.subject,
            issuer_key=chain.leaf_key,
            issuer_spki=subject_public_key(chain.leaf),
            check="dcap.pck_crl",
            label="PCK CRL",
        )

    def root_ca_crl(self) -> VerifiedCrl:
        failures = [_refused("dcap.root_ca_crl.crl_issuer", "a trusted root's list", "no root")]
        for anchor in self._anchors_in_use():
            try:
                return verify_crl(
                    self._collateral.root_ca_crl,
                    issuer=anchor.name,
                    issuer_key=anchor.public_key,
                    issuer_spki=anchor.spki,
                    check="dcap.root_ca_crl",
                    label="root CA CRL",
                )
            except UntrustedEvidenceError as error:
                failures.append(error)
        raise failures[-1]

    def tcb_info(self) -> TcbInfo:
        return self._signed(
            self._collateral.tcb_info,
            self._collateral.tcb_info_signature,
            self._chain(self._collateral.tcb_info_issuer_chain, _TCB_INFO_CHAIN),
            parse_tcb_info,
            "dcap.tcb_info",
        )

    def qe_identity(self) -> EnclaveIdentity:
        return self._signed(
            self._collateral.qe_identity,
            self._collateral.qe_identity_signature,
            self._chain(self._collateral.qe_identity_issuer_chain, _QE_IDENTITY_CHAIN),
            parse_enclave_identity,
            "dcap.qe_identity",
        )

    def check_revocation(self, root_ca_crl: VerifiedCrl) -> None:
        collector = FindingCollector()
        for profile, chain in self._chains:
            with collector:
                check_not_revoked(chain, root_ca_crl, profile)
        if collector.findings:
            raise UntrustedEvidenceError("revoked", findings=collector.findings)

    def period(
        self,
        root_ca_crl: VerifiedCrl,
        pck_crl: VerifiedCrl,
        tcb_info: TcbInfo,
        qe_identity: EnclaveIdentity,
    ) -> ValidityPeriod:
        certificates = [window for _, chain in self._chains for window in chain.validities]
        return ValidityPeriod.of(
            [
                *certificates,
                root_ca_crl.validity,
                pck_crl.validity,
                _document_validity(tcb_info, "dcap.tcb_info", "TCB info"),
                _document_validity(qe_identity, "dcap.qe_identity", "QE identity"),
            ]
        )

    def _chain(self, pem: bytes, profile: ChainProfile) -> CertificateChain:
        chain = verify_chain(
            read_pem_chain(pem.rstrip(b"\0"), profile), profile, anchors=self._anchors_in_use()
        )
        self._chains.append((profile, chain))
        return chain

    def _anchors_in_use(self) -> Anchors:
        # All documents of one set must come from one root.
        return (self._chains[0][1].anchor,) if self._chains else self._roots

    def _signed(
        self,
        document: bytes,
        signature: bytes,
        chain: CertificateChain,
        parse: Callable[[bytes], _DocumentT],
        check: str,
    ) -> _DocumentT:
        if not verify_raw_signature(chain.leaf_key, signature, document):
            raise _refused(
                f"{check}.collateral_signature",
                "a signature by Intel SGX TCB Signing over exactly these bytes",
                "a bad one",
            )
        try:
            return parse(document)
        except EncodingError as error:
            raise _refused(
                f"{check}.collateral_format", "a document of Intel's schema", error.message
            ) from error


def check_not_revoked(
    chain: CertificateChain, root_ca_crl: VerifiedCrl, profile: ChainProfile
) -> None:
    """Check every certificate that the root issued, itself included, against the root's CRL.

    Raises:
        UntrustedEvidenceError: One is revoked.
    """
    for certificate in chain.certificates:
        if (
            certificate.issuer == root_ca_crl.issuer
            and certificate.serial_number in root_ca_crl.revoked
        ):
            raise _refused(
                f"{profile.check}.revoked",
                "no revoked certificate",
                f"serial {certificate.serial_number:x} is on the root CA CRL",
            )


def verify_raw_signature(key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes) -> bool:
    """Whether a raw r‖s ECDSA-SHA256 signature of 64 bytes is `key`'s over `message`."""
    if len(signature) != _SIGNATURE_SIZE:
        return False
    der = encode_dss_signature(
        int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    )
    try:
        key.verify(der, message, _ECDSA_SHA256)
    except InvalidSignature:
        return False
    return True


_ECDSA_SHA256 = ec.ECDSA(hashes.SHA256())


def _document_hashes(collateral: DcapCollateral) -> Mapping[str, str]:
    """The hashes of `x-ms-sgx-collateral`, over what Intel's service puts on the wire.

    JSON bodies are hashed with their envelope, so that `sha256sum` of a saved answer compares
    equal; chains as PEM; the CRL that covers the TCB signer is the root's, as DER.
    """
    tcb_info = _enveloped(b"tcbInfo", collateral.tcb_info, collateral.tcb_info_signature)
    identity = _enveloped(
        b"enclaveIdentity", collateral.qe_identity, collateral.qe_identity_signature
    )
    return {
        "qeidcertshash": _sha256(collateral.qe_identity_issuer_chain),
        "qeidcrlhash": _sha256(collateral.root_ca_crl),
        "qeidhash": _sha256(identity),
        "tcbinfocertshash": _sha256(collateral.tcb_info_issuer_chain),
        "tcbinfocrlhash": _sha256(collateral.root_ca_crl),
        "tcbinfohash": _sha256(tcb_info),
    }


def _enveloped(name: bytes, document: bytes, signature: bytes) -> bytes:
    return b'{"%b":%b,"signature":"%b"}' % (name, document, signature.hex().encode())


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _document_validity(document: TcbInfo | EnclaveIdentity, check: str, label: str) -> Validity:
    return Validity(
        check=check,
        kind="collateral",
        label=label,
        not_before=int(document.issue_date.timestamp()),
        not_after=int(document.next_update.timestamp()),
    )


def _refused(check: str, expected: str, actual: str) -> UntrustedEvidenceError:
    return UntrustedEvidenceError(
        f"expected {expected}, got {actual}",
        findings=[Finding(check=check, expected=expected, actual=actual)],
    )
