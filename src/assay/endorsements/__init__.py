"""Endorsements: pinned roots, collateral documents, and where they come from."""
