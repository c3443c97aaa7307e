"""The mesh from outside: run one, find one, create stacks in it."""
