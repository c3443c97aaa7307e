"""One version of a fact of any kind, as the ledger shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from timetravel.errors import InvalidQuestion
from timetravel.facts.meanings import holds_videos, listed_videos
from timetravel.facts.model import EntityKind, FactKind, Op

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from timetravel.facts.model import JsonValue

VersionPosition: TypeAlias = tuple[int, int, int, str, str, int, int, int]
"""Where a version stands in the order of the ledger: see `FactVersion.place`."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What facts are about: an entity, or a document where kind is None."""

    kind: EntityKind | None
    entity_id: int = 0
    collection: str = ""
    name: str = ""

    @classmethod
    def document(cls, collection: str, name: str) -> Subject:
        """Return a document."""
        return cls(None, 0, collection, name)

    @classmethod
    def parse(cls, text: str, find_entity: Callable[[EntityKind, str], int]) -> Subject:
        """Return the subject of a text such as profile/17 or document/configuration/homepage.

        Args:
            text: As people write it.
            find_entity: Returns the number of an entity, as the store names it.

        Raises:
            InvalidQuestion: It names nothing of the kind.
            UnknownEntity: The store does not have it.
        """
        kind, _, rest = text.partition("/")
        if kind == "document":
            collection, _, name = rest.partition("/")
            if collection and name:
                return cls.document(collection, name)
        elif kind.upper() in EntityKind.__members__ and rest:
            entity_kind = EntityKind[kind.upper()]
            return cls(entity_kind, find_entity(entity_kind, rest))
        raise InvalidQuestion(
            f"{text!r} names no entity.",
            remedy="Write profile/17, video/3 or document/configuration/homepage.",
            field="entity",
        )

    def __str__(self) -> str:
        if self.kind is None:
            return f"document {self.collection}/{self.name}"
        return f"{self.kind.name.lower()} {self.entity_id}"

    @property
    def fact_kinds(self) -> tuple[FactKind, ...]:
        """The kinds of facts that there can be about it."""
        return FACT_KINDS[self.kind]


FACT_KINDS: Final = {
    EntityKind.PROFILE: (
        FactKind.FEATURES,
        FactKind.ATTRIBUTE,
        FactKind.ALLOCATION,
        FactKind.EVENT,
        FactKind.LOGGED_PAGE,
    ),
    EntityKind.VIDEO: (FactKind.FEATURES, FactKind.ATTRIBUTE, FactKind.AVAILABILITY),
    None: (FactKind.DOCUMENT,),
}

_NO_KIND: Final = 0


@dataclass(frozen=True, slots=True)
class FactVersion:
    """A version of a fact with the transaction that appended it; moments in microseconds.

    Attributes:
        kind: What it says.
        about: What it is about.
        name: Which of the subject's facts: the feature group, attribute, A/B test, licence
            window or event id; empty for documents and logged pages.
        valid_from: Since when it is true; when an event happened or a page was shown.
        valid_to: Until when, for licences; exclusive.
        known_at: When the live system learned it.
        tx_id: The transaction.
        committed_at: When that was committed.
        source: Who said so.
        synthetic: Whether a seeded rule made it up.
        op: What it does.
        value: What it says; features by field, without those that are missing.
    """

    kind: FactKind
    about: Subject
    name: str
    valid_from: int
    valid_to: int | None
    known_at: int
    tx_id: int
    committed_at: int
    source: str
    synthetic: bool
    op: Op
    value: JsonValue

    @property
    def video_ids(self) -> Sequence[int]:
        """The videos in the value, in its order: that of an event, or those of a list."""
        if self.kind is FactKind.EVENT and isinstance(self.value, dict):
            return listed_videos([self.value["video_id"]])
        if self.kind is FactKind.ATTRIBUTE and holds_videos(self.about.kind, self.name):
            return listed_videos(self.value)
        return ()

    @property
    def place(self) -> VersionPosition:
        """What versions are ordered by: what they are about, and then their times."""
        return (
            self.kind.value,
            _NO_KIND if self.about.kind is None else self.about.kind.value,
            self.about.entity_id,
            self.about.collection,
            self.about.name or self.name,
            self.valid_from,
            self.known_at,
            self.tx_id,
        )
