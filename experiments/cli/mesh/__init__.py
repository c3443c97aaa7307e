"""Commands about a running mesh, and its certificates."""
