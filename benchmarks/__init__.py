"""What Assay costs, beside the bare cryptography of the same run."""
