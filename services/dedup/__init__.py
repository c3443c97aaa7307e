"""Dedup: removes repeated videos by policy, and refills rows."""
