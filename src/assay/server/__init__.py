"""The service over HTTP, as Microsoft Azure Attestation speaks. Needs the `server` extra."""
