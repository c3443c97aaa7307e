"""Small worlds, runs and results."""
