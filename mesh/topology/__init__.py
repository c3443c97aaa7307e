"""What runs where, as pure data, and its messages and files."""
