"""What a set of collateral says that it is for, read without believing it.

Good for choosing among sets and for knowing when to fetch again; the verification reads the same
documents anew, after their signatures.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509

from assay.encoding import EncodingError
from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.platform import DcapPlatform, PckCa, Tee
from assay.endorsements.source import unavailable
from assay.endorsements.tcb import parse_enclave_identity, parse_tcb_info
from assay.x509 import common_name
from assay.x509.chain import PARSE_ERRORS

_PLATFORM_CA = "Intel SGX PCK Platform CA"


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralLabel:
    """The claims of a set about itself."""

    platform: DcapPlatform
    evaluation_number: int
    """The lower of TCB info's and QE identity's."""

    issues: tuple[datetime, ...]
    """Of TCB info, QE identity, PCK CRL and root CA CRL, in this order."""

    expires: datetime
    """The earliest `nextUpdate` of its documents and CRLs."""

    @property
    def issued(self) -> datetime:
        """The latest issue of its documents and CRLs."""
        return max(self.issues)

    @property
    def order(self) -> tuple[int, datetime]:
        """Sorts the strictest and then the newest set last."""
        return self.evaluation_number, self.issued

    def fits(self, platform: DcapPlatform) -> bool:
        """Whether it is for `platform`."""
        return self.platform == platform


def read_label(collateral: DcapCollateral, *, origin: str) -> CollateralLabel:
    """Read the label of a set.

    Raises:
        CollateralUnavailableError: A document does not parse.
    """
    try:
        tcb_info = parse_tcb_info(collateral.tcb_info)
        identity = parse_enclave_identity(collateral.qe_identity)
        crls = tuple(
            x509.load_der_x509_crl(data) for data in (collateral.pck_crl, collateral.root_ca_crl)
        )
        ca = PckCa.PLATFORM if common_name(crls[0].issuer) == _PLATFORM_CA else PckCa.PROCESSOR
        crl_issues = [crl.last_update_utc for crl in crls]
        crl_expiries = [crl.next_update_utc or datetime.max.replace(tzinfo=UTC) for crl in crls]
        tee = Tee(tcb_info.tee.lower())
    except (EncodingError, *PARSE_ERRORS) as error:
        raise unavailable(
            f"documents of Intel's schema in {origin}", f"{type(error).__name__}: {error}"
        ) from error
    return CollateralLabel(
        platform=DcapPlatform(tee=tee, fmspc=tcb_info.fmspc, pceid=tcb_info.pceid, ca=ca),
        evaluation_number=min(tcb_info.evaluation_number, identity.evaluation_number),
        issues=(tcb_info.issue_date, identity.issue_date, *crl_issues),
        expires=min(tcb_info.next_update, identity.next_update, *crl_expiries),
    )
