"""The rows of a page: candidates, layout, selection, labels."""
