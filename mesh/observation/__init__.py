"""A running mesh as seen from outside: what serves, how it fares, and what it logged."""
