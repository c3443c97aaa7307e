"""What stands in the rows of a page: candidates, layout, selection, labels."""
