"""Secrets released to enclaves that attest."""
