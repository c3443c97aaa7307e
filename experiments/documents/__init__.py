"""YAML files that people write: their text with lines, and every mistake at once."""
