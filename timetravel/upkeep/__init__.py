"""What is recorded of upkeep, and where copies of facts lie."""
