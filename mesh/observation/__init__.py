"""A running mesh as seen from outside: health, traffic and logs."""
