"""The history of an entity, as tables, JSON and pictures."""
