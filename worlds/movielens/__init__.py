"""MovieLens as a world: its ratings, and synthetic values for what it lacks.

See `worlds.movielens.synthetic_attributes` for the rules behind what is derived.
"""

from worlds.movielens.importing import ImportReport, import_movielens, source_bytes

__all__ = ["ImportReport", "import_movielens", "source_bytes"]
