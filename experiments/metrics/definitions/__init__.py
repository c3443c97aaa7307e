"""What is measured of a page, or of all pages of a variant."""
