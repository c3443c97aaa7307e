"""Looking at single pages."""
