"""TCB infos and enclave identities as Intel writes them, for tests to change."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from assay.endorsements.tcb import EnclaveIdentity, TcbInfo, parse_enclave_identity, parse_tcb_info

Document = dict[str, Any]


def v3_level(first: int = 5, pcesvn: int = 10, status: str = "UpToDate", **more: Any) -> Document:  # noqa: ANN401
    components: list[Document] = [{"svn": 0} for _ in range(16)]
    components[0] = {"svn": first, "category": "BIOS", "type": "Early Microcode Update"}
    components[1] = {"svn": 2, "category": "OS/VMM"}
    return {
        "tcb": {"sgxtcbcomponents": components, "pcesvn": pcesvn},
        "tcbDate": "2024-05-15T00:00:00Z",
        "tcbStatus": status,
    } | more


def v3(*levels: Document, **changes: Any) -> Document:  # noqa: ANN401
    return {
        "id": "SGX",
        "version": 3,
        "issueDate": "2026-11-01T00:00:00Z",
        "nextUpdate": "2026-12-01T00:00:00Z",
        "fmspc": "00606A000000",
        "pceId": "0000",
        "tcbType": 0,
        "tcbEvaluationDataNumber": 20,
        "tcbLevels": list(levels) or [v3_level()],
    } | changes


def v2() -> Document:
    tcb = {f"sgxtcbcomp{number:02}svn": number for number in range(1, 17)} | {"pcesvn": 9}
    document = v3(v3_level() | {"tcb": tcb}, version=2)
    del document["id"]
    return document


def qe_level(isv_svn: int = 8, status: str = "UpToDate", **more: Any) -> Document:  # noqa: ANN401
    return {
        "tcb": {"isvsvn": isv_svn},
        "tcbDate": "2024-05-15T00:00:00Z",
        "tcbStatus": status,
    } | more


def identity(*levels: Document, **changes: Any) -> Document:  # noqa: ANN401
    return {
        "id": "QE",
        "version": 2,
        "issueDate": "2026-11-01T00:00:00Z",
        "nextUpdate": "2026-12-01T00:00:00Z",
        "tcbEvaluationDataNumber": 19,
        "miscselect": "01020304",
        "miscselectMask": "FFFFFF00",
        "attributes": "11000000000000000000000000000000",
        "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
        "mrsigner": "8C" * 32,
        "isvprodid": 1,
        "tcbLevels": list(levels) or [qe_level()],
    } | changes


def info_of(document: Document) -> TcbInfo:
    return parse_tcb_info(json.dumps(document).encode())


def identity_of(document: Document) -> EnclaveIdentity:
    return parse_enclave_identity(json.dumps(document).encode())


BOTH: Final = [(info_of, v3), (identity_of, identity)]
both: Final = pytest.mark.parametrize(("parse", "make"), BOTH, ids=["TCB info", "identity"])
Parse = Callable[[Document], TcbInfo | EnclaveIdentity]
Make = Callable[..., Document]
