"""TPM attestation: what a TPM signs, and the logs of what was measured into it."""
