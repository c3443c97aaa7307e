"""Making the pages of an experiment: partitions, stacks, batches, files."""
