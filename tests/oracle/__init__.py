"""The plain answer: what is visible of a set of facts, in plain Python."""
