"""Reading in SQL: as of a moment, and live."""
