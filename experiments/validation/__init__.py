"""Compares simulated control pages, and the features they read, with what was logged."""
