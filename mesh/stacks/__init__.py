"""The life of stacks: launch, route, probe, restart, recover, remove."""
