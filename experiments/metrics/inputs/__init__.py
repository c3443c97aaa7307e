"""What metrics need of a run and its store: pages in columns, facts, what was played next."""
