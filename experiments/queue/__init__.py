"""The durable queue of chunks: leases, attempts, dead letters."""
