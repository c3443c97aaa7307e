"""What can be read of facts as of a moment: the protocol, its results, and wrappers."""
