from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from assay.encoding import encode_base64url
from assay.errors import MalformedEvidenceError
from assay.evidence.tpm.allowance import Allowance
from assay.evidence.tpm.sipa import SIPA, SipaId
from assay.evidence.tpm.sipa_values import read_boolean, read_key, sipa_members
from assay.evidence.tpm.wbcl import SipaRecord, parse_sipa
from assay.simulator.windows_boot import flag, key_payload, number, sipa, text

DIGEST = bytes(range(32))
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()


def u16(value: int) -> bytes:
    return value.to_bytes(2, "little")


def u32(value: int) -> bytes:
    return value.to_bytes(4, "little")


def u64(value: int) -> bytes:
    return value.to_bytes(8, "little")


def utf16(value: str) -> bytes:
    return value.encode("utf-16-le") + b"\0\0"


def members(*records: bytes) -> dict[str, Any]:
    return sipa_members(parse_sipa(b"".join(records), Allowance()))


def revocations(size: int = 32) -> bytes:
    return u64(7) + u32(size) + u16(11) + DIGEST


def policy(size: int = 32) -> bytes:
    name = utf16("{name}")
    return u64(9) + u16(len(name)) + u16(11) + u32(size) + name + DIGEST


def signer(*, certificates: int = 1, ekus: int = 2) -> bytes:
    one, two = utf16("Publisher"), utf16("Issuer")
    certificate = u16(len(one)) + u16(len(two)) + u32(0x800C) + u16(32) + one + two + DIGEST
    name, usages = utf16("{name}"), b"\1a\2bc"
    head = u32(6) + u32(len(certificate)) + u16(certificates) + u16(len(name))
    return head + u16(len(usages)) + u16(ekus) + name + usages + certificate


def sbcp(offset: int = 24) -> bytes:
    return u32(1) + u32(offset) + u16(11) + u16(32) + u32(5) + u32(6) + bytes(4) + DIGEST


def test_each_kind_of_value_is_what_policies_expect() -> None:
    assert members(
        flag(SipaId.CODEINTEGRITY, value=True),
        number(SipaId.APPLICATION_SVN, 3),
        number(SipaId.BOOTCOUNTER, 2**63, 8),
        text(SipaId.SYSTEMROOT, "\\WINDOWS"),
        sipa(SipaId.AUTHENTICODEHASH, b"\xff\xff"),
        number(SipaId.OSDEVICE, 0x10004),
        number(SipaId.DRTM_SMM, 2, 1),
        sipa(0x00070FFF, b"nobody knows"),
    ) == {
        "EVENT_CODEINTEGRITY": True,
        "EVENT_APPLICATION_SVN": 3,
        "EVENT_BOOTCOUNTER": 2**63,
        "EVENT_SYSTEMROOT": "\\WINDOWS",
        "EVENT_AUTHENTICODEHASH": "__8",
        "EVENT_OSDEVICE": {"String": "OSDEVICE_TYPE_BLOCKIO_PARTITION", "Value": 65540},
        "EVENT_DRTM_SMM": {"String": "Unknown", "Value": 2},
    }


@pytest.mark.parametrize(
    ("flags", "name"), [(0, "NONE"), (1, "CACHED"), (4, "TPM"), (0x14, "TPM|PIN"), (8, "NONE")]
)
def test_what_unlocked_the_disk_is_a_set_of_flags(flags: int, name: str) -> None:
    value = {"String": name, "Value": flags}

    assert members(number(SipaId.BITLOCKER_UNLOCK, flags)) == {"EVENT_BITLOCKER_UNLOCK": value}


def test_records_that_may_repeat_are_arrays_even_alone() -> None:
    module = sipa(SipaId.LOADEDMODULE_AGGREGATION, flag(SipaId.IMAGEVALIDATED, value=False))
    keys = sipa(SipaId.AUTHORITYPUBKEY, b"a") + sipa(SipaId.AUTHORITYPUBKEY, b"b")

    assert members(sipa(SipaId.TRUSTBOUNDARY, module, keys)) == {
        "EVENT_TRUSTBOUNDARY": {
            "EVENT_LOADEDMODULE_AGGREGATION": [{"EVENT_IMAGEVALIDATED": False}],
            "EVENT_AUTHORITYPUBKEY": ["YQ", "Yg"],
        }
    }


@pytest.mark.parametrize(
    ("identifier", "data", "expected"),
    [
        (
            SipaId.OS_REVOCATION_LIST,
            revocations(),
            {"CreationTime": 7, "HashAlgId": 11, "Digest": encode_base64url(DIGEST)},
        ),
        (
            SipaId.SI_POLICY,
            policy(),
            {
                "PolicyVersion": 9,
                "PolicyName": "{name}",
                "HashAlgId": 11,
                "Digest": encode_base64url(DIGEST),
            },
        ),
        (
            SipaId.SI_POLICY_SIGNER,
            signer(),
            {
                "RootId": 6,
                "PolicyName": "{name}",
                "EKUs": ["YQ", "YmM"],
                "Certificates": [
                    {
                        "PublisherCommonName": "Publisher",
                        "IssuerCommonName": "Issuer",
                        "HashAlgId": 0x800C,
                        "Digest": encode_base64url(DIGEST),
                    }
                ],
            },
        ),
        (
            SipaId.SBCP_INFO,
            sbcp(),
            {
                "PayloadVersion": 1,
                "HashAlgId": 11,
                "Options": 5,
                "SignersCount": 6,
                "Digest": encode_base64url(DIGEST),
            },
        ),
        (SipaId.DRTM_STATE_AUTH, b"a signature", {}),
    ],
)
def test_structures_have_their_fields_and_their_bytes(
    identifier: SipaId, data: bytes, expected: dict[str, Any]
) -> None:
    (value,) = members(sipa(identifier, data)).values()

    (only,) = value if isinstance(value, list) else [value]
    assert only == {**expected, "RawData": encode_base64url(data)}


@pytest.mark.parametrize(
    "record",
    [
        sipa(SipaId.CODEINTEGRITY),
        number(SipaId.APPLICATION_SVN, 1, 3),
        sipa(SipaId.APPLICATION_SVN),
        sipa(SipaId.SYSTEMROOT, b"\0"),
        sipa(SipaId.SYSTEMROOT, b"\0\xd8"),
        sipa(SipaId.OSDEVICE, bytes(16)),
        sipa(SipaId.OS_REVOCATION_LIST, revocations(33)),
        sipa(SipaId.OS_REVOCATION_LIST, revocations(31)),
        sipa(SipaId.SI_POLICY, policy(31)),
        sipa(SipaId.SI_POLICY, policy()[:10]),
        sipa(SipaId.SI_POLICY_SIGNER, signer(certificates=2)),
        sipa(SipaId.SI_POLICY_SIGNER, signer(ekus=1)),
        sipa(SipaId.SI_POLICY_UPDATE_SIGNER, signer() + b"\0"),
        sipa(SipaId.SBCP_INFO, sbcp(19)),
        sipa(SipaId.SBCP_INFO, sbcp(20)),
        sipa(SipaId.VSM_IDK_INFO, b""),
        sipa(SipaId.VSM_IDKS_INFO, key_payload(KEY) + b"\0"),
    ],
)
def test_a_value_that_is_not_of_its_form_is_refused(record: bytes) -> None:
    with pytest.raises(MalformedEvidenceError) as caught:
        members(record)

    assert caught.value.findings[0].check == "tpm.wbcl.format"


def test_a_key_has_exponent_and_modulus() -> None:
    payload = key_payload(KEY)
    record = SipaRecord(SipaId.VSM_IDKS_INFO, payload, ())

    assert read_key(record) == (65537, KEY.public_numbers().n)
    assert members(sipa(SipaId.VSM_IDK_INFO, payload))["EVENT_VSM_IDK_INFO"] == {
        "KeyAlgId": 1,
        "KeyBitLength": 2048,
        "PublicExponent": "AQAB",
        "Modulus": encode_base64url(KEY.public_numbers().n.to_bytes(256, "big")),
        "RawData": encode_base64url(payload),
    }


@pytest.mark.parametrize(
    "payload",
    [
        u32(2) + key_payload(KEY)[4:],
        u32(1) + u32(2047) + key_payload(KEY)[8:],
        u32(1) + u32(1024) + u32(3) + u32(128) + b"\1\0\1" + b"\xff" * 128,
        key_payload(KEY) + b"\0",
    ],
)
def test_a_key_that_cannot_be_used_is_refused(payload: bytes) -> None:
    with pytest.raises(MalformedEvidenceError):
        read_key(SipaRecord(SipaId.VSM_IDKS_INFO, payload, ()))


def test_any_bit_switches_on() -> None:
    assert read_boolean(SipaRecord(SipaId.SAFEMODE, b"\0\2", ()))
    assert not read_boolean(SipaRecord(SipaId.SAFEMODE, b"\0\0", ()))


def test_what_the_service_is_known_to_hide_has_no_name() -> None:
    hidden = {0x00050010, 0x00050011, 0x00050014, 0x00050028, 0x00050030, 0x00020008}

    assert set(SipaId) - SIPA.keys() == hidden
