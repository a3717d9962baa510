"""Open Enclave endorsements: one set of collateral in Open Enclave's own envelopes.

For SGX that is `oe_endorsements_t`, for TDX the memory image of `tdx_ql_qv_collateral_t`. Either
may stand behind the header that evidence has, too.

Source: Open Enclave SDK, `include/openenclave/bits/evidence.h`, `common/sgx/endorsements.h` and
`common/sgx/collateral.c`; Intel DCAP, `sgx_ql_lib_common.h`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Final
from uuid import UUID

from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.documents import read_crl, read_issuer_chain, split_signed
from assay.errors import CollateralUnavailableError, MalformedEvidenceError
from assay.wire import Reader, malformed

ENDORSEMENTS_FORMAT: Final = "openenclave.endorsements.oe_format"

MAX_ENDORSEMENTS_SIZE: Final = 200 * 1024
"""Open Enclave's own limit; real ones have 13 to 23 kB."""

_SGX_VERSION: Final = 1
_HEADER_VERSION: Final = 3
_TDX_VERSION: Final = 4
_FIRST_NUMBERS: Final = frozenset(
    number.to_bytes(4, "little") for number in (_SGX_VERSION, _HEADER_VERSION, _TDX_VERSION)
)

_SGX_FORMATS: Final = frozenset(
    {
        UUID("a3a21e87-1b4d-4014-b70a-a125d2fbcd8c"),
        UUID("c8303454-d923-4c2c-a691-df7def460a76"),
        UUID("1923d91e-12d2-4c72-b220-25cd8dace871"),
    }
)
"""`SGX_ECDSA`, `LEGACY_REPORT_REMOTE` and `RAW_SGX_QUOTE_ECDSA`: the evidence's format."""

_TDX_FORMATS: Final = frozenset({UUID("8ba70286-c1cf-11ed-afa1-0242ac120002")})

_ENCLAVE_TYPE_SGX: Final = 2
_ITEM_COUNT: Final = 9
_TEE_TYPE_TDX: Final = 0x81
_ORIGIN: Final = "Open Enclave endorsements"

_DER_SEQUENCE: Final = 0x30
_LONG_LENGTH: Final = 0x80
_MAX_LENGTH_BYTES: Final = 4
_TIME: Final = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\0?")


def are_endorsements(data: bytes) -> bool:
    """Whether `data` begins as endorsements do, and as no text does."""
    return data[:4] in _FIRST_NUMBERS


def parse_any_endorsements(data: bytes) -> DcapCollateral:
    """Parse endorsements of either kind, told apart by their version number.

    Raises:
        CollateralUnavailableError: Neither (`oe_format`), or a document in it is of no known
            encoding (its own code).
    """
    return _checked(lambda: _read_any(_content(data, _SGX_FORMATS | _TDX_FORMATS)))


def parse_endorsements(data: bytes) -> DcapCollateral:
    """Parse SGX endorsements, `oe_endorsements_t`, with or without their header.

    Raises:
        CollateralUnavailableError: Another structure (`oe_format`), or a document in it is of no
            known encoding (its own code).
    """
    return _checked(lambda: _read_sgx(_content(data, _SGX_FORMATS)))


def parse_tdx_endorsements(data: bytes) -> DcapCollateral:
    """Parse TDX endorsements, the image of `tdx_ql_qv_collateral_t`, with or without a header.

    Raises:
        CollateralUnavailableError: Another structure (`oe_format`), or a document in it is of no
            known encoding (its own code).
    """
    return _checked(lambda: _read_tdx(_content(data, _TDX_FORMATS)))


def _checked(parse: Callable[[], DcapCollateral]) -> DcapCollateral:
    try:
        return parse()
    except MalformedEvidenceError as error:
        raise CollateralUnavailableError(error.message, findings=error.findings) from error


def _content(data: bytes, formats: frozenset[UUID]) -> bytes:
    """What follows the header, or everything where there is none.

    | offset | size | field               |
    |-------:|-----:|---------------------|
    |      0 |    4 | version, 3          |
    |      4 |   16 | format UUID         |
    |     20 |    8 | size of the data    |
    """
    if len(data) > MAX_ENDORSEMENTS_SIZE:
        raise malformed(
            ENDORSEMENTS_FORMAT, f"at most {MAX_ENDORSEMENTS_SIZE} bytes", f"{len(data)}"
        )
    reader = Reader(data, "header", check=ENDORSEMENTS_FORMAT)
    if reader.uint(4, "version") != _HEADER_VERSION:
        return data
    found = UUID(bytes=reader.octets(16, "format"))
    if found not in formats:
        raise reader.malformed("format", f"{' or '.join(sorted(map(str, formats)))}", f"{found}")
    size = reader.uint(8, "size")
    if size != reader.remaining:
        raise reader.malformed("size", f"{reader.remaining}", f"{size}")
    return reader.octets(size, "data")


def _read_any(content: bytes) -> DcapCollateral:
    version = Reader(content, "endorsements", check=ENDORSEMENTS_FORMAT).uint(4, "version")
    return _read_tdx(content) if version == _TDX_VERSION else _read_sgx(content)


def _read_sgx(content: bytes) -> DcapCollateral:
    """Read `oe_endorsements_t`, little-endian.

    | offset | size | field                                         |
    |-------:|-----:|-----------------------------------------------|
    |      0 |    4 | version, 1                                    |
    |      4 |    4 | enclave type, 2 for SGX                       |
    |      8 |    4 | size of the offsets and the items together    |
    |     12 |    4 | number of items, 9                            |
    |     16 |   36 | 9 offsets, from the first item's start        |
    |     52 |      | the items                                     |
    """
    reader = Reader(content, "endorsements", check=ENDORSEMENTS_FORMAT)
    _expect(reader, "version", _SGX_VERSION)
    _expect(reader, "enclave_type", _ENCLAVE_TYPE_SGX)
    size = reader.uint(4, "buffer_size")
    _expect(reader, "num_elements", _ITEM_COUNT)
    offsets = [reader.uint(4, f"offsets[{index}]") for index in range(_ITEM_COUNT)]
    bounds = [*offsets, size - 4 * _ITEM_COUNT]
    if offsets[0] != 0 or any(start >= stop for start, stop in pairwise(bounds)):
        raise reader.malformed("offsets", "items that follow each other from 0 on", f"{bounds}")
    with reader.block(bounds[-1], "items"):
        _expect(reader, "item_version", _SGX_VERSION, size=offsets[1])
        items = [
            reader.octets(stop - start, f"items[{index}]")
            for index, (start, stop) in enumerate(pairwise(bounds[1:]), 1)
        ]
    reader.end()
    tcb_info, tcb_chain, pck_crl, root_crl, crl_chain, identity, identity_chain, created = items
    # Open Enclave judges collateral as of this instant. Nobody signs it, so it decides nothing.
    if not _TIME.fullmatch(created):
        raise malformed(ENDORSEMENTS_FORMAT, "a time as the last item", "something else")
    return _collateral(
        (crl_chain, root_crl, pck_crl, tcb_chain, tcb_info, identity_chain, identity)
    )


def _read_tdx(content: bytes) -> DcapCollateral:
    """Read the image of `tdx_ql_qv_collateral_t`, little-endian, and the documents behind it.

    | offset | size | field                                                    |
    |-------:|-----:|----------------------------------------------------------|
    |      0 |    4 | version, 4                                               |
    |      4 |    4 | TEE type, 0x81                                           |
    |      8 |  7x8 | pointer in the memory of whoever made it: means nothing  |
    |        |   +4 | size of the document                                     |
    |        |   +4 | what the compiler left between two fields: means nothing |
    |    120 |      | PCK CRL's chain, root CRL, PCK CRL, TCB info's chain, TCB info, QE identity's chain, QE identity |
    """  # noqa: E501  the table
    reader = Reader(content, "tdx_endorsements", check=ENDORSEMENTS_FORMAT)
    _expect(reader, "version", _TDX_VERSION)
    _expect(reader, "tee_type", _TEE_TYPE_TDX)
    sizes = []
    for index in range(7):
        reader.octets(8, f"documents[{index}].pointer")
        sizes.append(reader.uint(4, f"documents[{index}].size"))
        reader.octets(4, f"documents[{index}].padding")
    documents = tuple(
        reader.octets(size, f"documents[{index}]") for index, size in enumerate(sizes)
    )
    reader.end()
    return _collateral(documents)


def _expect(reader: Reader, field: str, expected: int, *, size: int = 4) -> None:
    actual = reader.uint(size, field)
    if actual != expected:
        raise reader.malformed(field, f"{expected}", f"{actual}")


def _collateral(documents: tuple[bytes, ...]) -> DcapCollateral:
    """The collateral of seven documents in the order of Intel's structure."""
    crl_chain, root_crl, pck_crl, tcb_chain, tcb_info, identity_chain, identity = documents
    tcb_body, tcb_signature = split_signed(_text(tcb_info), "tcbInfo", origin=_ORIGIN)
    identity_body, identity_signature = split_signed(
        _text(identity), "enclaveIdentity", origin=_ORIGIN
    )

    def chain(text: bytes, check: str) -> bytes:
        return read_issuer_chain(text, check, origin=_ORIGIN)

    return DcapCollateral(
        tcb_info=tcb_body,
        tcb_info_signature=tcb_signature,
        tcb_info_issuer_chain=chain(tcb_chain, "dcap.tcb_info_chain"),
        qe_identity=identity_body,
        qe_identity_signature=identity_signature,
        qe_identity_issuer_chain=chain(identity_chain, "dcap.qe_identity_chain"),
        root_ca_crl=_crl(root_crl, "dcap.root_ca_crl"),
        pck_crl=_crl(pck_crl, "dcap.pck_crl"),
        pck_crl_issuer_chain=chain(crl_chain, "dcap.pck_crl_chain"),
    )


def _text(item: bytes) -> bytes:
    # Some providers count the terminator of a C string, others do not.
    return item.removesuffix(b"\0")


def _crl(item: bytes, check: str) -> bytes:
    """The CRL as DER, cut by its own length: DER gets the terminator of C strings, too."""
    data = read_crl(item, check, origin=_ORIGIN)
    reader = Reader(data, check, check=ENDORSEMENTS_FORMAT, order="big")
    if reader.uint(1, "tag") != _DER_SEQUENCE:
        raise reader.malformed("tag", f"{_DER_SEQUENCE:#x}", "another")
    length = reader.uint(1, "length")
    if length >= _LONG_LENGTH:
        count = length - _LONG_LENGTH
        if not 0 < count <= _MAX_LENGTH_BYTES:
            raise reader.malformed("length", f"1 to {_MAX_LENGTH_BYTES} bytes", f"{count}")
        length = reader.uint(count, "length")
    reader.octets(length, "content")
    der = reader.consumed
    reader.end_padded()
    return der
