"""Envoy as a child process, what it is given, what it logs."""
