"""The experiments that a server was given: their states, and the history of their steps."""
