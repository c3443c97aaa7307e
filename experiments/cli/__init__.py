"""The pagesim command."""
