"""Assay: remote attestation, wire-compatible with Microsoft Azure Attestation."""
