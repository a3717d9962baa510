"""Policies evaluated: a TPM policy of the size of the largest published one, over a boot log.

Its rules follow the published idioms: query the log, test the set of results, set a default.
"""

from __future__ import annotations

import json

from assay.claims import Claim
from assay.policy import CompiledPolicy, compile_policy

RULES = 70
QUERIES = 30

_SWITCHES = (
    *("CODEINTEGRITY", "BOOTDEBUGGING", "OSKERNELDEBUG", "TESTSIGNING", "FLIGHTSIGNING"),
    *("SAFEMODE", "WINPE", "VBS_IOMMU_REQUIRED", "VBS_VSM_REQUIRED"),
    "VBS_MANDATORY_ENFORCEMENT",
)
_STATES = (
    *("VBS_HVCI_POLICY", "BITLOCKER_UNLOCK", "DATAEXECUTIONPREVENTION", "TRANSFER_CONTROL"),
    *("DRIVER_LOAD_POLICY", "DRTM_SMM", "APPLICATION_SVN", "BOOT_REVOCATION_LIST"),
    *("OS_REVOCATION_LIST", "SI_POLICY"),
)
_EVENTS = 100


def tpm_policy() -> CompiledPolicy:
    """Seventy rules with thirty queries."""
    authorization = ['[type=="aikValidated", value==true] => permit();']
    authorization += [
        f'[type=="denied{index}", issuer=="AttestationPolicy", value==true] => deny();'
        for index in range(9)
    ]
    issuance = [rule for name in _SWITCHES for rule in _switch(name)]
    issuance += [rule for name in _STATES for rule in _state(name)]
    rules = len(authorization) + len(issuance)
    text = (
        "version=1.2;\n"
        f"authorizationrules\n{{\n{_lines(authorization)}\n}};\n"
        f"issuancerules\n{{\n{_lines(issuance)}\n}};\n"
    )
    assert (rules, text.count("JmesPath(")) == (RULES, QUERIES)
    return compile_policy(text)


def tpm_claims() -> tuple[Claim, ...]:
    """A boot log of a hundred events, and what comes with it."""
    names = (*_SWITCHES, *_STATES)
    events = [
        {
            "EventSeq": number,
            "EventType": 6,
            "EventTypeString": "EV_EVENT_TAG" if number % 3 else "EV_SEPARATOR",
            "PcrIndex": (12, 13, 19, 20)[number % 4],
            "ProcessedData": {
                "EVENT_TRUSTBOUNDARY": {
                    f"EVENT_{name}": True if name in _SWITCHES else {"String": "ON", "Value": 1}
                    for name in (names[number % len(names)], names[(number * 7) % len(names)])
                }
            },
        }
        for number in range(_EVENTS)
    ]
    return (
        Claim("aikValidated", value=True),
        Claim("tpmVersion", 2),
        Claim("events", json.dumps({"Events": events}, separators=(",", ":"))),
    )


def _lines(rules: list[str]) -> str:
    return "\n".join(f"    {rule}" for rule in rules)


def _switch(name: str) -> list[str]:
    """All measurements of a switch are to be on, and the default is off: three rules."""
    query = (
        "Events[? PcrIndex == `12` || PcrIndex == `13` || PcrIndex == `19` || PcrIndex == `20`]"
        f".ProcessedData.EVENT_TRUSTBOUNDARY.EVENT_{name}"
    )
    events = 'c:[type=="events", issuer=="AttestationService"]'
    found = f'c:[type=="all{name}", issuer=="AttestationPolicy"]'
    value = f'JsonToClaimValue(JmesPath(c.value, "{query}"))'
    return [
        f'{events} => add(type="all{name}", value={value});',
        f'{found} => issue(type="on{name}", value=ContainsOnlyValue(c.value, true));',
        f'![type=="on{name}", issuer=="AttestationPolicy"] => issue(type="on{name}", value=false);',
    ]


def _state(name: str) -> list[str]:
    """The state in the first event that has one, found with two queries: three rules."""
    first = (
        "Events[? EventTypeString == 'EV_EVENT_TAG' && "
        f"ProcessedData.EVENT_TRUSTBOUNDARY.EVENT_{name}] | [0].ProcessedData"
    )
    events = 'c:[type=="events", issuer=="AttestationService"]'
    found = f'c:[type=="first{name}", value!="null"]'
    state = f'JmesPath(c.value, "EVENT_TRUSTBOUNDARY.EVENT_{name}.String")'
    return [
        f'{events} => add(type="first{name}", value=JmesPath(c.value, "{first}"));',
        f'{found} => issue(type="state{name}", value={state});',
        f'![type=="state{name}"] => issue(type="state{name}", value="unknown");',
    ]
