"""Claims: named values from verified evidence, and the catalogue of their names."""

from assay.claims.model import Claim, ClaimIssuer, ClaimSet, ClaimValue, ValueType

__all__ = ["Claim", "ClaimIssuer", "ClaimSet", "ClaimValue", "ValueType"]
