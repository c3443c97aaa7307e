"""Shows what an experiment found: in the terminal, and as one page of HTML."""
