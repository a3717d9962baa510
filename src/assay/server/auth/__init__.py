"""Authentication and authorisation: from a request's credentials to a caller with rights."""
