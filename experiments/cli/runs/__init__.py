"""pagesim run, status, metrics: runs of experiments."""
