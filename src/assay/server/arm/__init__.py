"""The management plane, as Azure Resource Manager has it: instances as attestation providers."""
