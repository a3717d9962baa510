"""The schema's history, applied by `assay.store.schema`."""
