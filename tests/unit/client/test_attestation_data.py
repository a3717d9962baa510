from __future__ import annotations

import pytest

from assay.client import AttestationData, AttestationDataType, RequestError


def test_json_is_sent_as_it_is_written() -> None:
    data = AttestationData.json('{"ä": 1}')

    assert data.data == '{"ä": 1}'.encode()
    assert data.to_wire() == {"data": "eyLDpCI6IDF9", "dataType": "JSON"}
    assert AttestationData.json(data.data) == data


@pytest.mark.parametrize("text", ["", "[]", "1", '{"a":1,"a":2}', "{", '{"a":"\ud800"}'])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="data of type JSON"):
        AttestationData.json(text)


def test_binary_data_is_anything() -> None:
    assert AttestationData(b"[").data_type is AttestationDataType.BINARY
