"""Reports of an experiment: in the terminal, and as one HTML file."""
