"""Child processes, and how they die with their parent."""
