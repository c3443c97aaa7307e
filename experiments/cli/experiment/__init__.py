"""pagesim experiment: experiments on a server."""
