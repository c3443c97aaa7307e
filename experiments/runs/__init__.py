"""A run of an experiment, from its file to its report, and its record."""
