"""A simulated TPM: quotes, certifications and attestation requests, and ones that are wrong."""
