"""Claims: named values from verified evidence, and the catalogue of their names."""

from assay.claims.model import Claim, ClaimIssuer, ClaimSet, ClaimValue, ValueType
from assay.claims.names import CATALOGUE, ClaimName, ClaimType, Where, claim_names

__all__ = [
    "CATALOGUE",
    "Claim",
    "ClaimIssuer",
    "ClaimName",
    "ClaimSet",
    "ClaimType",
    "ClaimValue",
    "ValueType",
    "Where",
    "claim_names",
]
