"""Shows the history of an entity to people: who learned what when."""
