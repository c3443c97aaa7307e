"""Holds simulated control pages, and the features they read, against what was logged."""
