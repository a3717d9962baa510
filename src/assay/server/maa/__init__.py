"""The data plane of Microsoft Azure Attestation: attest, signing keys, OpenID metadata."""
