"""Facts as values."""
