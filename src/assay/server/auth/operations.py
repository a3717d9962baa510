"""What each operation of the protocol asks of its caller.

Source: MAA protocol, section 4: who is anonymous, and the data actions of the others.
"""

from __future__ import annotations

from enum import Enum

from assay.access import Right


class Demand(Enum):
    """What an operation asks where it asks for no right."""

    NOTHING = "nothing"
    """Anybody may; a credential that comes along is not looked at."""

    IDENTITY = "identity"
    """Whoever can be recognised may."""


class Operation(Enum):
    """An operation with what it asks."""

    demand: Right | Demand

    ATTEST = ("attest", Demand.NOTHING)
    ATTEST_TPM = ("attest TPM", Demand.IDENTITY)
    GET_KEYS = ("get keys", Demand.NOTHING)
    GET_METADATA = ("get metadata", Demand.NOTHING)
    GET_POLICY = ("get policy", Right.READ)
    SET_POLICY = ("set policy", Right.WRITE)
    RESET_POLICY = ("reset policy", Right.DELETE)
    GET_SIGNERS = ("get signers", Right.READ)
    ADD_SIGNER = ("add signer", Right.WRITE)
    REMOVE_SIGNER = ("remove signer", Right.DELETE)

    def __init__(self, title: str, demand: Right | Demand) -> None:
        self.title = title
        self.demand = demand
