"""The assembler: candidates, row selection, and whole pages."""
