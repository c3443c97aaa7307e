"""Commands about the store: migrate, back up, erase, retain."""
