"""The ledger: every version of every fact, and what changed in an interval."""
