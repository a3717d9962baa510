"""API versions of the management plane.

| version | sent by |
|---|---|
| 2018-09-01-preview | the first clients |
| 2020-10-01 | `az attestation`, Terraform, the clients of 2021 |
| 2021-06-01 | `azure-mgmt-attestation` 2, PowerShell, Bicep |

Source: Azure Resource Manager, `Microsoft.Attestation`.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl

from assay.server.arm.errors import ArmRefusal, ArmRefusedError

PREVIEW: Final = "2018-09-01-preview"
FIRST: Final = "2020-10-01"
CURRENT: Final = "2021-06-01"
VERSIONS: Final = (PREVIEW, FIRST, CURRENT)

_NAME: Final = "api-version"
_FORM: Final = re.compile(r"\d{4}-\d{2}-\d{2}(?:-[a-z]{1,16})?")
_SHOWN_CHARACTERS: Final = 32


def read_api_version(query: bytes, *, since: str | None) -> str:
    """The API version in a query string.

    Args:
        query: The request's.
        since: The first version that has the operation; nothing for those of other providers,
            whose versions are their own.

    Raises:
        ArmRefusedError: There is none, or several, or the operation is not in it.
    """
    given = [
        value
        for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        if name.lower() == _NAME
    ]
    if not given:
        raise _refused(
            ArmRefusal.API_VERSION_MISSING,
            f"the query parameter api-version is needed; add ?api-version={CURRENT}",
        )
    if len(given) > 1:
        raise _refused(
            ArmRefusal.API_VERSION_INVALID,
            f"the address says {len(given)} api-versions; leave one",
        )
    shown = repr(given[0][:_SHOWN_CHARACTERS])
    if _FORM.fullmatch(given[0]) is None:
        raise _refused(
            ArmRefusal.API_VERSION_INVALID,
            f"the api-version {shown} is not a date; there are {', '.join(VERSIONS)}",
        )
    # Dates sort as text.
    if since is not None and (given[0] not in VERSIONS or given[0] < since):
        supported = [version for version in VERSIONS if version >= since]
        raise _refused(
            ArmRefusal.API_VERSION_UNSUPPORTED,
            f"no resource provider is registered for api-version {shown} and this resource type; "
            f"there are {', '.join(supported)}",
        )
    return given[0]


def _refused(refusal: ArmRefusal, message: str) -> ArmRefusedError:
    return ArmRefusedError(refusal, message, target=_NAME)
