"""Facts that several services read, kept per epoch."""
