"""Taking facts out: erase a profile, retain a window."""
