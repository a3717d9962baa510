"""The values of Windows' records as MAA gives them to policies.

Source: Windows SDK, `wbcl.h` (payload structures, little-endian); names of values from there, from
the boot configuration data's documentation, and from administrative templates (EarlyLaunchAM).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from assay.encoding import JsonValue, encode_base64url
from assay.evidence.tpm.efi_variable import read_utf16
from assay.evidence.tpm.sipa import REPEATED, SIPA, SipaId, SipaKind
from assay.evidence.tpm.wbcl import WBCL_FORMAT, SipaRecord
from assay.wire import Layout, Reader, uint

_INTEGER_SIZES: Final = frozenset({1, 2, 4, 8})

_NAMES: Final[Mapping[int, Mapping[int, str]]] = {
    SipaId.TRANSFER_CONTROL: {1: "SiBootAppOsLoader", 2: "SiBootAppResume"},
    SipaId.DATAEXECUTIONPREVENTION: {
        0: "NxPolicyOptIn",
        1: "NxPolicyOptOut",
        2: "NxPolicyAlwaysOff",
        3: "NxPolicyAlwaysOn",
    },
    SipaId.OSDEVICE: {
        0: "OSDEVICE_TYPE_UNKNOWN",
        0x10001: "OSDEVICE_TYPE_BLOCKIO_HARDDISK",
        0x10002: "OSDEVICE_TYPE_BLOCKIO_REMOVABLEDISK",
        0x10003: "OSDEVICE_TYPE_BLOCKIO_CDROM",
        0x10004: "OSDEVICE_TYPE_BLOCKIO_PARTITION",
        0x10005: "OSDEVICE_TYPE_BLOCKIO_FILE",
        0x10006: "OSDEVICE_TYPE_BLOCKIO_RAMDISK",
        0x10007: "OSDEVICE_TYPE_BLOCKIO_VIRTUALHARDDISK",
        0x20000: "OSDEVICE_TYPE_SERIAL",
        0x30000: "OSDEVICE_TYPE_UDP",
        0x40000: "OSDEVICE_TYPE_VMBUS",
        0x50000: "OSDEVICE_TYPE_COMPOSITE",
        0x60000: "OSDEVICE_TYPE_CIMFS",
    },
    SipaId.HYPERVISOR_LAUNCH_TYPE: {0: "HypervisorLaunchOff", 1: "HypervisorLaunchAuto"},
    SipaId.HYPERVISOR_IOMMU_POLICY: {
        0: "BtIommuPolicyDefault",
        1: "BtIommuPolicyEnable",
        2: "BtIommuPolicyDisable",
    },
    SipaId.DRIVER_LOAD_POLICY: {
        1: "GoodPlusUnknown",
        3: "GoodPlusUnknownPlusKnownBadCritical",
        7: "All",
        8: "GoodOnly",
    },
    SipaId.VSM_LAUNCH_TYPE: {0: "VsmLaunchOff", 1: "VsmLaunchAuto"},
    SipaId.HASHALGORITHMID: {
        0x8004: "CALG_SHA1",
        0x800C: "CALG_SHA_256",
        0x800D: "CALG_SHA_384",
        0x800E: "CALG_SHA_512",
    },
    SipaId.VBS_HVCI_POLICY: {1: "HypervisorEnforcedCodeIntegrityEnable"},
    SipaId.VBS_MICROSOFT_BOOT_CHAIN_REQUIRED: {1: "VbsBootChainSignerEnforceSoft"},
    SipaId.DRTM_SMM: {},
}
_UNKNOWN: Final = "Unknown"

_UNLOCK_FLAGS: Final = {
    0x001: "CACHED",
    0x002: "MEDIA",
    0x004: "TPM",
    0x010: "PIN",
    0x020: "EXTERNAL",
    0x040: "RECOVERY",
    0x080: "PASSPHRASE",
    0x100: "NBP",
    0x200: "AUK_OSFVEINFO",
}

_REVOCATIONS: Final = Layout(
    "revocation_list",
    uint("creation_time", 8),
    uint("digest_length", 4),
    uint("hash_algorithm", 2),
)
_POLICY: Final = Layout(
    "si_policy",
    uint("version", 8),
    uint("name_length", 2),
    uint("hash_algorithm", 2),
    uint("digest_length", 4),
)
_SIGNER: Final = Layout(
    "si_policy_signer",
    uint("root_id", 4),
    uint("certificates_length", 4),
    uint("certificates_count", 2),
    uint("name_length", 2),
    uint("ekus_length", 2),
    uint("ekus_count", 2),
)
_CERTIFICATE: Final = Layout(
    "certificate",
    uint("publisher_length", 2),
    uint("issuer_length", 2),
    uint("hash_algorithm", 4),
    uint("digest_length", 2),
)
_KEY: Final = Layout(
    "key",
    uint("algorithm", 4),
    uint("bits", 4),
    uint("exponent_length", 4),
    uint("modulus_length", 4),
)
_SBCP: Final = Layout(
    "sbcp_info",
    uint("version", 4),
    uint("digest_offset", 4),
    uint("hash_algorithm", 2),
    uint("digest_length", 2),
    uint("options", 4),
    uint("signers", 4),
)
_MIN_BITS: Final = 2048


def sipa_members(records: Sequence[SipaRecord]) -> dict[str, JsonValue]:
    """The records of a container by name; those that MAA does not show are left out.

    Raises:
        MalformedEvidenceError: A value is not of its record's form.
    """
    members: dict[str, JsonValue] = {}
    arrays: dict[str, list[JsonValue]] = {}
    for record in records:
        known = SIPA.get(record.id)
        if known is None:
            continue
        name, kind = known
        value = _READERS[kind](record)
        if record.id in REPEATED:
            arrays.setdefault(name, []).append(value)
        else:
            members[name] = value
    return members | arrays


def read_boolean(record: SipaRecord) -> bool:
    """A switch: any byte that is not zero is on.

    Raises:
        MalformedEvidenceError: No byte at all.
    """
    reader = Reader(record.data, "boolean", check=WBCL_FORMAT)
    reader.octets(1, "value")
    return any(record.data)


def read_key(record: SipaRecord) -> tuple[int, int]:
    """Exponent and modulus of an RSA key that Windows measured.

    Raises:
        MalformedEvidenceError: Lengths that do not add up, or another algorithm.
    """
    reader = Reader(record.data, "key", check=WBCL_FORMAT)
    algorithm, bits, exponent_length, modulus_length = reader.layout(_KEY)
    exponent = int.from_bytes(reader.octets(exponent_length, "exponent"), "big")
    modulus = int.from_bytes(reader.octets(modulus_length, "modulus"), "big")
    reader.end()
    if algorithm != 1 or bits < _MIN_BITS or modulus.bit_length() != bits:
        expected = f"algorithm 1 (RSA) of at least {_MIN_BITS} bits"
        raise reader.malformed("key", expected, f"algorithm {algorithm} of {bits} bits")
    return exponent, modulus


def _container(record: SipaRecord) -> JsonValue:
    return sipa_members(record.children)


def _integer(record: SipaRecord) -> int:
    size = len(record.data)
    reader = Reader(record.data, "integer", check=WBCL_FORMAT)
    if size not in _INTEGER_SIZES:
        raise reader.malformed("value", "1, 2, 4 or 8 bytes", f"{size}")
    return reader.uint(size, "value")


def _named(record: SipaRecord) -> JsonValue:
    value = _integer(record)
    if record.id == SipaId.BITLOCKER_UNLOCK:
        flags = [name for flag, name in _UNLOCK_FLAGS.items() if value & flag]
        return {"String": "|".join(flags) or "NONE", "Value": value}
    return {"String": _NAMES[record.id].get(value, _UNKNOWN), "Value": value}


def _string(record: SipaRecord) -> str:
    reader = Reader(record.data, "string", check=WBCL_FORMAT)
    return read_utf16(reader, len(record.data), "value").removesuffix("\0")


def _bytes(record: SipaRecord) -> str:
    return encode_base64url(record.data)


def _object(record: SipaRecord) -> JsonValue:
    reader = Reader(record.data, "object", check=WBCL_FORMAT)
    read = _OBJECTS.get(record.id)
    members = {} if read is None else read(reader)
    return {**members, "RawData": encode_base64url(record.data)}


def _revocation_list(reader: Reader) -> dict[str, JsonValue]:
    created, size, algorithm = reader.layout(_REVOCATIONS)
    digest = reader.octets(size, "digest")
    reader.end()
    return {"CreationTime": created, "HashAlgId": algorithm, "Digest": encode_base64url(digest)}


def _policy(reader: Reader) -> dict[str, JsonValue]:
    version, name_length, algorithm, digest_length = reader.layout(_POLICY)
    name = read_utf16(reader, name_length, "name").removesuffix("\0")
    digest = reader.octets(digest_length, "digest")
    reader.end()
    return {
        "PolicyVersion": version,
        "PolicyName": name,
        "HashAlgId": algorithm,
        "Digest": encode_base64url(digest),
    }


def _signer(reader: Reader) -> dict[str, JsonValue]:
    root, certificates_length, certificates, name_length, ekus_length, ekus = reader.layout(_SIGNER)
    name = read_utf16(reader, name_length, "name").removesuffix("\0")
    with reader.block(ekus_length, "ekus"):
        usages: list[JsonValue] = [
            encode_base64url(reader.octets(reader.uint(1, "eku_length"), "eku"))
            for _ in range(ekus)
        ]
    with reader.block(certificates_length, "certificates"):
        chain: list[JsonValue] = [_certificate(reader) for _ in range(certificates)]
    reader.end()
    return {"RootId": root, "PolicyName": name, "EKUs": usages, "Certificates": chain}


def _certificate(reader: Reader) -> JsonValue:
    publisher_length, issuer_length, algorithm, digest_length = reader.layout(_CERTIFICATE)
    return {
        "PublisherCommonName": read_utf16(reader, publisher_length, "publisher").removesuffix("\0"),
        "IssuerCommonName": read_utf16(reader, issuer_length, "issuer").removesuffix("\0"),
        "HashAlgId": algorithm,
        "Digest": encode_base64url(reader.octets(digest_length, "digest")),
    }


def _key(reader: Reader) -> dict[str, JsonValue]:
    algorithm, bits, exponent_length, modulus_length = reader.layout(_KEY)
    exponent = reader.octets(exponent_length, "exponent")
    modulus = reader.octets(modulus_length, "modulus")
    reader.end()
    return {
        "KeyAlgId": algorithm,
        "KeyBitLength": bits,
        "PublicExponent": encode_base64url(exponent),
        "Modulus": encode_base64url(modulus),
    }


def _sbcp(reader: Reader) -> dict[str, JsonValue]:
    version, offset, algorithm, digest_length, options, signers = reader.layout(_SBCP)
    reader.octets(offset - _SBCP.size, "extension")
    digest = reader.octets(digest_length, "digest")
    reader.end()
    return {
        "PayloadVersion": version,
        "HashAlgId": algorithm,
        "Options": options,
        "SignersCount": signers,
        "Digest": encode_base64url(digest),
    }


_OBJECTS: Final[Mapping[int, Callable[[Reader], dict[str, JsonValue]]]] = {
    SipaId.BOOT_REVOCATION_LIST: _revocation_list,
    SipaId.OS_REVOCATION_LIST: _revocation_list,
    SipaId.SI_POLICY: _policy,
    SipaId.SI_POLICY_SIGNER: _signer,
    SipaId.SI_POLICY_UPDATE_SIGNER: _signer,
    SipaId.VSM_IDK_INFO: _key,
    SipaId.VSM_IDKS_INFO: _key,
    SipaId.SBCP_INFO: _sbcp,
}
_READERS: Final[Mapping[SipaKind, Callable[[SipaRecord], JsonValue]]] = {
    SipaKind.CONTAINER: _container,
    SipaKind.BOOLEAN: read_boolean,
    SipaKind.INTEGER: _integer,
    SipaKind.NAMED: _named,
    SipaKind.STRING: _string,
    SipaKind.BYTES: _bytes,
    SipaKind.OBJECT: _object,
}
