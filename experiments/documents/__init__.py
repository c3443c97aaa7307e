"""YAML files that people write: their text with line numbers, and all mistakes at once."""
