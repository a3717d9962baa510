from __future__ import annotations

import pytest

from assay.encoding import JsonValue, encode_base64url, encode_json
from assay.errors import MalformedEvidenceError
from assay.evidence.tpm.request_jws import parse_jws


@pytest.mark.parametrize("typ", [None, 1, "", "JWT", [], {}, ["attReqTPM20"]])
def test_another_type_is_refused(typ: JsonValue) -> None:
    header = encode_base64url(encode_json({"alg": "PS256", "typ": typ}))

    with pytest.raises(MalformedEvidenceError, match="typ"):
        parse_jws(f"{header}.e30.AAAA")
