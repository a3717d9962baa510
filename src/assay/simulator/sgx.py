"""A simulated SGX platform: quotes of any enclave, and the collateral they are verified with.

It stands behind the same interfaces as a real one. What it makes verifies under its own root and
no other.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography import x509

from assay.encoding import JsonValue, encode_json
from assay.endorsements.anchors import Anchors, read_anchors
from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.platform import DcapPlatform, PckCa, Tee
from assay.endorsements.tcb import TcbStatus
from assay.simulator import tcb
from assay.simulator.pck_extension import (
    OID_SGX_EXTENSION,
    PckExtension,
    PlatformConfiguration,
)
from assay.simulator.pki import (
    Authority,
    CertificateProfile,
    CrlProfile,
    Holder,
    PrivateKey,
    SimulatedPki,
    generate_key,
    pck_profile,
    raw_point,
    raw_signature,
)
from assay.simulator.quote import (
    FLAG_DEBUG,
    FLAG_INITIALIZED,
    FLAG_MODE64,
    VERSION_3,
    VERSION_5,
    BodyDescriptor,
    EnclaveReport,
    QuoteDraft,
    QuoteHeader,
    binding,
)
from assay.simulator.settings import (
    STANDARD_NUMBER,
    PlatformSettings,
    QuotingEnclave,
    evaluation_sets,
    platform_levels,
    quoting_enclave_levels,
)

SAMPLE_MR_ENCLAVE: Final = bytes.fromhex("a55a" * 16)
SAMPLE_MR_SIGNER: Final = bytes.fromhex("5aa5" * 16)

_ROOT_CRL_VALIDITY: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedPlatform:
    """One machine with its keys, under its own maker.

    Values do not change: `dataclasses.replace` and `with_settings` give another platform.
    """

    settings: PlatformSettings
    pki: SimulatedPki
    pck: Holder
    attestation_key: PrivateKey

    @classmethod
    def create(
        cls,
        at: datetime,
        *,
        status: TcbStatus = TcbStatus.UP_TO_DATE,
        qe_status: TcbStatus = TcbStatus.UP_TO_DATE,
        advisory_ids: tuple[str, ...] = (),
        **settings: Any,  # noqa: ANN401  any field of PlatformSettings
    ) -> SimulatedPlatform:
        """A new platform with new keys, good for quotes at `at` and six years after.

        Args:
            at: When it was made.
            status: What its TCB info says of it, unless `levels` are given.
            qe_status: What its QE identity says of it, unless `qe_levels` are given.
            advisory_ids: Of the level it is at, unless `levels` are given.
            settings: Further fields of `PlatformSettings`.
        """
        chosen = describe_platform(
            at, status=status, qe_status=qe_status, advisory_ids=advisory_ids, **settings
        )
        return cls.from_settings(chosen)

    @classmethod
    def from_settings(cls, settings: PlatformSettings) -> SimulatedPlatform:
        """A new platform of these settings, with new keys."""
        pki = SimulatedPki.create(settings.created_at)
        return cls(
            settings=settings,
            pki=pki,
            pck=issue_pck(settings, pki, generate_key()),
            attestation_key=generate_key(),
        )

    @property
    def root_certificate(self) -> x509.Certificate:
        """The root that has to be trusted for this platform's quotes to verify."""
        return self.pki.root_ca.certificate

    @property
    def anchors(self) -> Anchors:
        """The root as a trust anchor, marked as simulated."""
        return read_anchors([self.pki.root_ca.der], simulated=True)

    @property
    def dcap_platform(self) -> DcapPlatform:
        """What selects this platform's collateral at a service."""
        chosen = self.settings
        return DcapPlatform(tee=Tee.SGX, fmspc=chosen.fmspc, pceid=chosen.pceid, ca=chosen.ca)

    @property
    def pck_chain(self) -> bytes:
        """PEM: PCK certificate, PCK CA, root."""
        return self.pck.pem + self.pki.pck_ca(self.settings.ca).pem + self.pki.root_ca.pem

    def with_settings(self, **changes: Any) -> SimulatedPlatform:  # noqa: ANN401  fields by name
        """The same keys and authorities with other settings, and a PCK certificate to fit."""
        chosen = dataclasses.replace(self.settings, **changes)
        return dataclasses.replace(
            self, settings=chosen, pck=issue_pck(chosen, self.pki, self.pck.key)
        )

    def with_status(
        self, status: TcbStatus, qe_status: TcbStatus = TcbStatus.UP_TO_DATE
    ) -> SimulatedPlatform:
        """The same platform, of which the collateral says something else."""
        chosen = self.settings
        return self.with_settings(
            levels=platform_levels(
                status, chosen.created_at, components=chosen.components, pcesvn=chosen.pcesvn
            ),
            qe_levels=quoting_enclave_levels(
                qe_status, chosen.created_at, isv_svn=chosen.quoting_enclave.isv_svn
            ),
        )

    def quote(
        self,
        *,
        report_data: bytes = b"",
        version: int = VERSION_3,
        debug: bool = False,
        **fields: Any,  # noqa: ANN401  any field of EnclaveReport
    ) -> bytes:
        """A signed quote of an enclave.

        Args:
            report_data: Up to 64 bytes, filled up with zeros.
            version: 3, 4 or 5.
            debug: Whether the enclave runs in debug mode.
            fields: Further fields of `EnclaveReport`, for example `mr_enclave`, `isv_svn`.
        """
        draft = self.draft(report_data=report_data, version=version, debug=debug, **fields)
        return draft.sign().encode()

    def draft(
        self,
        *,
        report_data: bytes = b"",
        version: int = VERSION_3,
        debug: bool = False,
        **fields: Any,  # noqa: ANN401  any field of EnclaveReport
    ) -> QuoteDraft:
        """The quote that `quote` signs, for a caller who wants to alter it before."""
        chosen = self.settings
        enclave = chosen.quoting_enclave
        # From version 4 on the header no longer repeats the SVNs.
        repeats = version == VERSION_3
        flags = FLAG_INITIALIZED | FLAG_MODE64 | (FLAG_DEBUG if debug else 0)
        values: dict[str, Any] = {
            "mr_enclave": SAMPLE_MR_ENCLAVE,
            "mr_signer": SAMPLE_MR_SIGNER,
            "cpu_svn": chosen.cpu_svn,
            "flags": flags,
        } | fields
        return QuoteDraft(
            header=QuoteHeader(
                version=version,
                qe_svn=enclave.isv_svn if repeats else 0,
                pce_svn=chosen.pcesvn if repeats else 0,
            ),
            descriptor=BodyDescriptor() if version == VERSION_5 else None,
            body=EnclaveReport(report_data=report_data.ljust(64, b"\0"), **values),
            attestation_key=self.attestation_key,
            qe_report=self._qe_report(),
            qe_auth=enclave.auth_data,
            pck_key=self.pck.key,
            certification_data=self.pck_chain,
        )

    def collateral(self, at: datetime, *, number: int | None = None) -> DcapCollateral:
        """The documents that a service would hand out at `at`; the same all day.

        Args:
            at: When they are asked for.
            number: TCB evaluation data number; the standard one if not given.
        """
        tcb_info = encode_json(self.tcb_info(at, number=number))
        qe_identity = encode_json(self.qe_identity(at, number=number))
        signer_chain = self.pki.chain(Authority.TCB_SIGNING)
        return DcapCollateral(
            tcb_info=tcb_info,
            tcb_info_signature=self.sign_document(tcb_info),
            tcb_info_issuer_chain=signer_chain,
            qe_identity=qe_identity,
            qe_identity_signature=self.sign_document(qe_identity),
            qe_identity_issuer_chain=signer_chain,
            root_ca_crl=self.root_ca_crl(at),
            pck_crl=self.pck_crl(at),
            pck_crl_issuer_chain=self.pki.chain(_authority(self.settings.ca)),
        )

    def tcb_info(self, at: datetime, *, number: int | None = None) -> dict[str, JsonValue]:
        """The members of the TCB info at `at`."""
        chosen = self.settings
        return tcb.tcb_info(
            version=chosen.tcb_info_version,
            number=chosen.standard_number if number is None else number,
            fmspc=chosen.fmspc,
            pceid=chosen.pceid,
            levels=chosen.levels,
            validity=tcb.Validity.around(at),
        )

    def qe_identity(self, at: datetime, *, number: int | None = None) -> dict[str, JsonValue]:
        """The members of the QE identity at `at`."""
        chosen = self.settings
        return tcb.qe_identity(
            number=chosen.standard_number if number is None else number,
            levels=chosen.qe_levels,
            validity=tcb.Validity.around(at),
        )

    def evaluation_numbers(self, at: datetime) -> dict[str, JsonValue]:
        """The members of the list of TCB evaluation data numbers at `at`."""
        return tcb.evaluation_numbers(self.settings.evaluation_sets, tcb.Validity.around(at))

    def sign_document(self, document: bytes) -> bytes:
        """The TCB signing key's r‖s over exactly these bytes."""
        return raw_signature(self.pki.tcb_signing.key, document)

    def root_ca_crl(self, at: datetime) -> bytes:
        """DER of the root's revocation list at `at`."""
        return self.root_ca_crl_profile(at).sign(self.pki.root_ca.key)

    def pck_crl(self, at: datetime, ca: PckCa | None = None) -> bytes:
        """DER of a PCK CA's revocation list at `at`: of this platform's, or of `ca`."""
        ca = ca or self.settings.ca
        return self.pck_crl_profile(at, ca).sign(self.pki.pck_ca(ca).key)

    def root_ca_crl_profile(self, at: datetime) -> CrlProfile:
        """What the root's revocation list says at `at`."""
        issued = tcb.Validity.around(at).issued
        return CrlProfile(
            issuer=Authority.ROOT_CA.common_name,
            this_update=issued,
            next_update=issued + _ROOT_CRL_VALIDITY,
            revoked=self.settings.root_crl_revoked,
        )

    def pck_crl_profile(self, at: datetime, ca: PckCa | None = None) -> CrlProfile:
        """What a PCK CA's revocation list says at `at`."""
        ca = ca or self.settings.ca
        validity = tcb.Validity.around(at)
        own = ca is self.settings.ca
        return CrlProfile(
            issuer=_authority(ca).common_name,
            this_update=validity.issued,
            next_update=validity.next_update,
            revoked=self.settings.pck_crl_revoked if own else (),
        )

    def _qe_report(self) -> EnclaveReport:
        enclave = self.settings.quoting_enclave
        point = raw_point(self.attestation_key.public_key())
        return EnclaveReport(
            mr_enclave=enclave.mr_enclave,
            mr_signer=enclave.mr_signer,
            isv_prod_id=enclave.isv_prod_id,
            isv_svn=enclave.isv_svn,
            cpu_svn=self.settings.cpu_svn,
            flags=enclave.flags,
            misc_select=enclave.misc_select,
            report_data=binding(point, enclave.auth_data),
        )


def describe_platform(
    at: datetime,
    *,
    status: TcbStatus = TcbStatus.UP_TO_DATE,
    qe_status: TcbStatus = TcbStatus.UP_TO_DATE,
    advisory_ids: tuple[str, ...] = (),
    **settings: Any,  # noqa: ANN401  any field of PlatformSettings
) -> PlatformSettings:
    """Settings of a platform that its collateral gives `status`; see `SimulatedPlatform.create`."""
    versions = {name: settings[name] for name in ("components", "pcesvn") if name in settings}
    enclave = settings.get("quoting_enclave", QuotingEnclave())
    defaults = {
        "levels": platform_levels(status, at, advisory_ids=advisory_ids, **versions),
        "qe_levels": quoting_enclave_levels(qe_status, at, isv_svn=enclave.isv_svn),
        "evaluation_sets": evaluation_sets(at, range(STANDARD_NUMBER + 1, STANDARD_NUMBER - 4, -1)),
    }
    return PlatformSettings(created_at=at, **(defaults | settings))


def pck_extension(settings: PlatformSettings) -> PckExtension:
    """The SGX extension that the PCK certificate of such a platform carries."""
    scalable = settings.ca is PckCa.PLATFORM
    return PckExtension(
        ppid=settings.ppid,
        components=settings.components,
        pcesvn=settings.pcesvn,
        cpu_svn=settings.cpu_svn,
        pceid=settings.pceid,
        fmspc=settings.fmspc,
        sgx_type=int(scalable) if settings.sgx_type is None else settings.sgx_type,
        platform_instance_id=settings.platform_instance_id if scalable else None,
        configuration=PlatformConfiguration() if scalable else None,
    )


def pck_certificate_profile(
    settings: PlatformSettings, key: PrivateKey, extension: bytes | None = None
) -> CertificateProfile:
    """The PCK certificate of such a platform, with another SGX extension where one is given."""
    value = pck_extension(settings).encode() if extension is None else extension
    return pck_profile(
        key, settings.ca, settings.created_at, x509.UnrecognizedExtension(OID_SGX_EXTENSION, value)
    )


def issue_pck(settings: PlatformSettings, pki: SimulatedPki, key: PrivateKey) -> Holder:
    """The PCK key of such a platform with its certificate."""
    profile = pck_certificate_profile(settings, key)
    return Holder(key=key, certificate=profile.sign(key.public_key(), pki.pck_ca(settings.ca).key))


def _authority(ca: PckCa) -> Authority:
    return Authority.PLATFORM_CA if ca is PckCa.PLATFORM else Authority.PROCESSOR_CA
