"""The metrics: of a page, of a pair of pages, and of all pages of a variant."""
