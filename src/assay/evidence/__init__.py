"""Evidence formats, one package each."""
