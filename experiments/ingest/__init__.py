"""Data files into a store: what a mapping says, and every record that cannot be taken."""
