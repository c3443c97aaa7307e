"""The mapping file: which column becomes what."""
