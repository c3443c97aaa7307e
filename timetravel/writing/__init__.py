"""Appending facts."""
