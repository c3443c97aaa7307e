"""Copying a store out, and restoring it."""
