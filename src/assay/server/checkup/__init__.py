"""What an operator has checked before the service starts, while it runs, or when it does not."""
