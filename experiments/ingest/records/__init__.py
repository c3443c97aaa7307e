"""From the cells of a slice to facts."""
