"""Commands about a mesh that runs, and its certificates."""
