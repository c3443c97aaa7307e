"""Facts, stores, and ways to ask them everything."""
