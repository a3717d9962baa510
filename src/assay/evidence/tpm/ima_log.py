"""The kernel's integrity measurement log: structure only.

Source: Linux, `security/integrity/ima/ima_fs.c` (`ima_measurements_show`) and `ima_template.c`;
little-endian on every machine that has a TPM.
"""

from __future__ import annotations

from typing import Final

import msgspec

from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.wire import Reader, malformed

IMA_FORMAT: Final = "tpm.ima_log.format"

MAX_LOG_BYTES: Final = 4 * 1_048_576
MAX_RECORDS: Final = 20_000
IMA_PCR: Final = 10

_MAX_TEMPLATE_NAME: Final = 64
_MAX_DATA_BYTES: Final = 65_536
"""Of one record; the largest holds a certificate of a keyring."""

_DIGEST_SIZE: Final = 20
_OLD_TEMPLATE: Final = "ima"


class ImaRecord(msgspec.Struct, frozen=True, gc=False):
    """One measurement of a file, a key or a piece of critical data."""

    template: str
    """How the data is laid out: `ima-ng`, `ima-sig`, `ima-buf`, or a name of the machine's own."""

    template_digest: bytes
    """SHA-1 of the data; 20 zeros for a measurement that was violated while it was made."""

    data: bytes
    raw: bytes
    """The whole record."""

    @property
    def is_violation(self) -> bool:
        """Whether the file was open for writing while it was measured."""
        return not any(self.template_digest)

    def digest(self, bank: HashAlgorithm) -> bytes:
        """What extended the register in `bank`, by kernels from 5.8 on."""
        return b"\xff" * bank.size if self.is_violation else bank.digest(self.data)


class ImaLog(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed log: nothing of it has been held against the register."""

    records: tuple[ImaRecord, ...]


def parse_ima_log(data: bytes) -> ImaLog:
    """Parse a binary measurement list.

    | size | field                              |
    |-----:|------------------------------------|
    |    4 | register, 10                       |
    |   20 | SHA-1 of the template data         |
    |    4 | size of the template's name        |
    |      | the name                           |
    |    4 | size of the template data          |
    |      | the template data                  |

    Raises:
        MalformedEvidenceError: Too large, a length that does not add up, another register, the
            template `ima` of old kernels (which has no sizes), or a SHA-1 that does not match.
    """
    if len(data) > MAX_LOG_BYTES:
        raise malformed(IMA_FORMAT, f"at most {MAX_LOG_BYTES} bytes", f"{len(data)}")
    reader = Reader(data, "ima_log", check=IMA_FORMAT)
    records: list[ImaRecord] = []
    while reader.remaining:
        if len(records) == MAX_RECORDS:
            raise reader.malformed("records", f"at most {MAX_RECORDS}", "more")
        records.append(_read_record(reader))
    return ImaLog(records=tuple(records))


def _read_record(reader: Reader) -> ImaRecord:
    start = reader.offset
    pcr = reader.uint(4, "pcr")
    if pcr != IMA_PCR:
        raise reader.malformed("pcr", f"{IMA_PCR}", f"{pcr}")
    template_digest = reader.octets(_DIGEST_SIZE, "template_digest")
    template = _read_name(reader)
    size = reader.uint(4, "data_size")
    if size > _MAX_DATA_BYTES:
        raise reader.malformed("data_size", f"at most {_MAX_DATA_BYTES}", f"{size}")
    content = reader.octets(size, "data")
    record = ImaRecord(template, template_digest, content, reader.since(start))
    if not record.is_violation and HashAlgorithm.SHA1.digest(content) != template_digest:
        raise reader.malformed("template_digest", "the SHA-1 of the data", "another digest")
    return record


def _read_name(reader: Reader) -> str:
    size = reader.uint(4, "template_size")
    if size > _MAX_TEMPLATE_NAME:
        raise reader.malformed("template_size", f"at most {_MAX_TEMPLATE_NAME}", f"{size}")
    try:
        name = reader.octets(size, "template").decode("ascii")
    except UnicodeDecodeError as error:
        raise reader.malformed("template", "a name in ASCII", "other bytes") from error
    if name == _OLD_TEMPLATE:
        raise reader.malformed("template", "ima-ng or later", f"{name!r}, which has no sizes")
    return name
