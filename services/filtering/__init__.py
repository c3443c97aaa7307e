"""Filtering: which videos a profile may see at a moment."""
