"""Removing facts: erase a profile, or apply retention."""
