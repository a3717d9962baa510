"""Evidence and the data beside it, as the options of several commands name them."""

from __future__ import annotations

from pathlib import Path

from assay.appraisal import HeldData, HeldDataType
from assay.cli.input_file import read_input
from assay.cli.options import DataTypeChoice, TypeChoice
from assay.client import AttestationData, AttestationDataType
from assay.encoding import EncodingError, parse_json_object
from assay.errors import RequestError
from assay.evidence.format import AttestationType


def read_held_data(file: Path | None, data_type: DataTypeChoice) -> HeldData | None:
    """Data sent beside evidence, from a file. What is wrong with it is for the appraisal to say.

    Raises:
        RequestError: The file cannot be read.
    """
    return None if file is None else HeldData(read_input(file), HeldDataType(data_type.value))


def read_attestation_data(
    file: Path | None, data_type: DataTypeChoice, option: str = "--runtime-data"
) -> AttestationData | None:
    """The same as the client sends it, from the file that `option` names.

    Raises:
        RequestError: The file cannot be read, or is no JSON object and should be.
    """
    if file is None:
        return None
    data = read_input(file)
    if data_type is DataTypeChoice.JSON:
        try:
            parse_json_object(data, f"{option}: {file}")
        except EncodingError as error:
            raise RequestError(
                f"{error.message}; send the data as Binary, or make it strict JSON"
            ) from error
    return AttestationData(data, AttestationDataType(data_type.value))


def choose_type(choice: TypeChoice, by_content: AttestationType) -> AttestationType:
    """The kind of evidence: what was asked for, or what the first bytes say."""
    return by_content if choice is TypeChoice.AUTO else AttestationType(choice.value)
