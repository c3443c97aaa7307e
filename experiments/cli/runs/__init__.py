"""pagesim plan, run, status, metrics: runs of experiments."""
