"""What can go wrong with facts and their store, hung into the tree of `mesh.errors`.

::

    PagesimError
    └── TimeTravelError                              everything this package raises
        ├── InvalidFact           (InvalidInput)     a fact that contradicts itself
        ├── ContradictingFacts    (InvalidInput)     two facts of a batch that cannot both be
        ├── InvalidColumn         (InvalidInput)     bytes that are not the column they claim
        ├── InvalidQuestion       (InvalidInput)     a read that makes no sense
        ├── InvalidStoreUrl       (InvalidInput)     neither SQLite nor PostgreSQL
        ├── UnknownFeatureGroup   (NotFound)
        ├── UnknownEntity         (NotFound)         of which nothing is visible
        ├── UnknownDocument       (NotFound)         of which no version is visible
        ├── StoreNotFound         (NotFound)
        ├── OutsideSegment        (NotFound)         a profile that a segment does not hold
        ├── FeatureGroupExists    (AlreadyExists)    with other fields
        ├── SchemaOutdated        (WrongState)       migrations have not been run
        ├── SchemaTooNew          (WrongState)       migrated by a later pagesim
        ├── SegmentDamaged        (WrongState)       files that are not what was written
        └── StoreUnavailable      (Unavailable)      locked for too long, or not reachable
"""

from __future__ import annotations

from mesh.errors import (
    AlreadyExists,
    InvalidInput,
    NotFound,
    PagesimError,
    Unavailable,
    WrongState,
)


class TimeTravelError(PagesimError):
    """Root of what the time-travel store raises."""


class InvalidFact(TimeTravelError, InvalidInput):
    """Refuse a fact that contradicts itself or the registry."""


class ContradictingFacts(TimeTravelError, InvalidInput):
    """Refuse a batch in which one key has two different facts known at one moment."""


class InvalidColumn(TimeTravelError, InvalidInput):
    """Refuse bytes that are not the column they claim to be."""


class InvalidQuestion(TimeTravelError, InvalidInput):
    """Refuse a read whose rows, names or moments do not add up."""


class InvalidStoreUrl(TimeTravelError, InvalidInput):
    """Refuse a store that is neither SQLite nor PostgreSQL."""


class UnknownFeatureGroup(TimeTravelError, NotFound):
    """Refuse to read or write a feature group that nobody registered."""


class UnknownEntity(TimeTravelError, NotFound):
    """Refuse to describe an entity of which nothing is visible."""


class UnknownDocument(TimeTravelError, NotFound):
    """Refuse to read a document of which no version is visible."""


class StoreNotFound(TimeTravelError, NotFound):
    """Refuse to open a store that does not exist."""


class OutsideSegment(TimeTravelError, NotFound):
    """Refuse to answer for a profile of which the segment holds nothing."""


class FeatureGroupExists(TimeTravelError, AlreadyExists):
    """Refuse to register a feature group again with other fields."""


class SchemaOutdated(TimeTravelError, WrongState):
    """Refuse to open a store whose migrations have not been run."""


class SchemaTooNew(TimeTravelError, WrongState):
    """Refuse to open a store that a later pagesim has migrated."""


class SegmentDamaged(TimeTravelError, WrongState):
    """Refuse to answer from a segment whose files are missing, cut off or changed."""


class StoreUnavailable(TimeTravelError, Unavailable):
    """Report that the database is locked or cannot be reached."""
