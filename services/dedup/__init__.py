"""Dedup: no video twice where it should not be, and full rows all the same."""
