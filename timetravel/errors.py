"""Errors of facts and their store, under the root and the kinds of `core.errors`.

::

    PagesimError
    └── TimeTravelError                              everything this package raises
        ├── InvalidFact           (InvalidInput)     a fact that contradicts itself
        ├── ContradictingFacts    (InvalidInput)     two facts of a batch that cannot both be
        ├── InvalidChunk          (InvalidInput)     with records that cannot be taken
        ├── InvalidQuestion       (InvalidInput)     a read that makes no sense
        ├── InvalidStoreUrl       (InvalidInput)     neither SQLite nor PostgreSQL
        ├── InvalidUpkeep         (InvalidInput)     an erasure or retention that makes no sense
        ├── UnknownFeatureGroup   (NotFound)
        ├── UnknownEntity         (NotFound)         of which nothing is visible
        ├── UnknownDocument       (NotFound)         of which no version is visible
        ├── StoreNotFound         (NotFound)
        ├── OutsideSegment        (NotFound)         a profile that a segment does not hold
        ├── FeatureGroupExists    (AlreadyExists)    with other fields
        ├── ChunkExists           (AlreadyExists)    with other records
        ├── FileExists            (AlreadyExists)    a store or backup where one is to go
        ├── ChunkOutOfOrder       (WrongState)       not the next of its stream
        ├── StreamMismatch        (WrongState)       an ingest stream of another source
        ├── SchemaOutdated        (WrongState)       migrations have not been run
        ├── SchemaTooNew          (WrongState)       migrated by a later pagesim
        ├── LeakedFact            (WrongState)       used before it was known
        ├── SegmentDamaged        (WrongState)       files that are not what was written
        ├── BackupDamaged         (WrongState)       a file that is not a whole backup
        ├── ProfileErased         (WrongState)       facts about whom must not come back
        ├── BeforeRetention       (WrongState)       a question about what retention removed
        ├── StoreReadOnly         (WrongState)       this user may not write to it
        ├── StoreChanged          (WrongState)       facts went away while they were read
        ├── ProgramMissing        (WrongState)       pg_dump or pg_restore is not installed
        ├── TooManyStreams        (Exhausted)        more senders than are served at once
        └── StoreUnavailable      (Unavailable)      locked for too long, or not reachable
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import (
    AlreadyExists,
    Exhausted,
    InvalidInput,
    NotFound,
    PagesimError,
    Unavailable,
    WrongState,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


class TimeTravelError(PagesimError):
    """Root of what the time-travel store raises."""


class InvalidFact(TimeTravelError, InvalidInput):
    """Refuse a fact that contradicts itself or the registry."""


class ContradictingFacts(TimeTravelError, InvalidInput):
    """Refuse a batch in which one key has two different facts known at one moment."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong with one record.

    Attributes:
        index: The record's place among the records, from 0; the feature group's, where
            field begins with "feature_groups".
        field: Name of the field at fault, e.g. "availability.valid_to".
        value: The value as it came, shortened; empty where there was none.
        rule: What it breaks, as a sentence.
        remedy: What to do, as a sentence.
    """

    index: int
    field: str
    value: str
    rule: str
    remedy: str

    def __str__(self) -> str:
        shown = f" ({self.value})" if self.value else ""
        return f"{self.field}{shown}: {self.rule} {self.remedy}"


class InvalidChunk(TimeTravelError, InvalidInput):
    """Refuse a chunk of records, of which each mistake is named.

    Attributes:
        mistakes: The first of them.
        total_mistakes: How many there are.
    """

    def __init__(
        self,
        problem: str,
        *,
        remedy: str,
        field: str = "",
        mistakes: Sequence[Mistake] = (),
        total_mistakes: int = 0,
    ) -> None:
        super().__init__(problem, remedy=remedy, field=field)
        self.mistakes = tuple(mistakes)
        self.total_mistakes = total_mistakes


class InvalidQuestion(TimeTravelError, InvalidInput):
    """Refuse a read whose rows, names or moments do not add up."""


class InvalidStoreUrl(TimeTravelError, InvalidInput):
    """Refuse a store that is neither SQLite nor PostgreSQL."""


class InvalidUpkeep(TimeTravelError, InvalidInput):
    """Refuse to take out of the store what makes no sense to take out."""


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


class ChunkExists(TimeTravelError, AlreadyExists):
    """Refuse other records under the key of a chunk that is in the store."""


class FileExists(TimeTravelError, AlreadyExists):
    """Refuse to write a store or a backup over another."""


class ChunkOutOfOrder(TimeTravelError, WrongState):
    """Refuse a chunk before the ones that come before it."""


class StreamMismatch(TimeTravelError, WrongState):
    """Refuse to go on with an ingest stream that something else filled so far."""


class SchemaOutdated(TimeTravelError, WrongState):
    """Refuse to open a store whose migrations have not been run."""


class SchemaTooNew(TimeTravelError, WrongState):
    """Refuse to open a store that a later pagesim has migrated."""


class LeakedFact(TimeTravelError, WrongState):
    """Refuse an answer that holds what was not yet known at its moment."""


class SegmentDamaged(TimeTravelError, WrongState):
    """Refuse to answer from a segment whose files are missing, cut off or changed."""


class BackupDamaged(TimeTravelError, WrongState):
    """Refuse to restore a file that is not a whole backup of a store."""


class ProfileErased(TimeTravelError, WrongState):
    """Refuse facts about a profile that was erased."""


class BeforeRetention(TimeTravelError, WrongState):
    """Refuse a question whose answer retention has removed."""


class StoreReadOnly(TimeTravelError, WrongState):
    """Refuse to write for a user who may not."""


class StoreChanged(TimeTravelError, WrongState):
    """Refuse to go on reading after facts were taken out of the store."""


class ProgramMissing(TimeTravelError, WrongState):
    """Refuse what needs a program that is not installed."""


class TooManyStreams(TimeTravelError, Exhausted):
    """Refuse one more sender while others are served."""


class StoreUnavailable(TimeTravelError, Unavailable):
    """Report that the database is locked or cannot be reached."""
