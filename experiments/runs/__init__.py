"""A run of an experiment, from its plan to its report, and its record."""
