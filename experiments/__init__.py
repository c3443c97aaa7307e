"""Experiments: from a file that says what to change to a report that says what it did."""
