"""Worlds: sources of facts, and the live system that lives them forward."""
