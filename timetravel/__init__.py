"""The time-travel store: what was true and known at a moment, and the service that says so."""
