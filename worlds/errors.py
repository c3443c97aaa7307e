"""Errors of worlds, under the root and the kinds of `core.errors`.

::

    PagesimError
    └── WorldsError                               everything this package raises
        ├── MalformedSource    (InvalidInput)     data to import that breaks its own rules
        ├── InvalidPlan        (InvalidInput)     sizes of which no world can be made
        ├── MalformedWorld     (InvalidInput)     a directory that is not the world it claims
        ├── SourceNotFound     (NotFound)         no data to import
        ├── WorldNotFound      (NotFound)         no world in the directory
        ├── WorldExists        (AlreadyExists)    something is where a world should go
        └── OtherWorldLived    (WrongState)       a store that holds another world
"""

from __future__ import annotations

from core.errors import AlreadyExists, InvalidInput, NotFound, PagesimError, WrongState


class WorldsError(PagesimError):
    """Root of what worlds raise."""


class MalformedSource(WorldsError, InvalidInput):
    """Refuse data to import, naming file, line and value."""


class InvalidPlan(WorldsError, InvalidInput):
    """Refuse sizes of which no world can be made."""


class MalformedWorld(WorldsError, InvalidInput):
    """Refuse a directory that is not the world it claims to be."""


class SourceNotFound(WorldsError, NotFound):
    """Refuse to import data that is not there."""


class WorldNotFound(WorldsError, NotFound):
    """Refuse to read a world where there is none."""


class WorldExists(WorldsError, AlreadyExists):
    """Refuse to write a world over something else."""


class OtherWorldLived(WorldsError, WrongState):
    """Refuse to live a world in a store that holds another."""
