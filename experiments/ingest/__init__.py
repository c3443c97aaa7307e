"""Loads data files into a store by a mapping, and reports every record that is refused."""
