"""The entries of a mapping file: which columns of a data file make which facts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from experiments.documents.entry import Entry
from experiments.ingest.mapping.sources import (
    Choice,
    Columns,
    Identity,
    Integer,
    IntegerEntry,
    Moment,
    Number,
    Text,
    Value,
    Zone,
    mistake,
    read_group,
)


class CsvEntry(Entry):
    """How a CSV file is written."""

    delimiter: str = Field(
        ",", description="Between cells.", examples=["';'"], min_length=1, max_length=1
    )
    quote: str = Field(
        '"', description="Around cells.", examples=["'\"'"], min_length=1, max_length=1
    )
    escape: str | None = Field(
        None,
        description="Before a quote, a delimiter, the end of a line or itself, so that it "
        "stands for itself; left out, a quote within quotes is doubled.",
        examples=["'\\'"],
        min_length=1,
        max_length=1,
    )

    @model_validator(mode="after")
    def _tell_apart(self) -> CsvEntry:
        letters = [self.delimiter, self.quote, *([self.escape] if self.escape else [])]
        if len(set(letters)) < len(letters) or not {*letters}.isdisjoint("\r\n\0"):
            raise mistake(
                "The delimiter, the quote and the escape are one character each, different "
                "from each other and no end of a line.",
                "Change one of them.",
            )
        return self


class MappingEntry(Entry):
    """What the mappings of every kind of fact have."""

    source: str | None = Field(
        None, description="Who says so; left out, the stream's name.", examples=["crm"]
    )
    synthetic: bool = Field(
        False,  # noqa: FBT003 - pydantic's own signature
        description="Whether a seeded rule made the facts up.",
        examples=["false"],
    )
    time_zone: Zone | None = Field(
        None,
        description="Whose time is meant where a time does not say so. Left out, such times "
        "are refused.",
        examples=["UTC"],
    )
    missing: list[str] = Field(
        default_factory=lambda: [""],
        description="Texts that stand for nothing.",
        examples=["['', 'NA']"],
    )
    csv: CsvEntry = Field(
        default_factory=lambda: CsvEntry.model_validate({}),
        description="How a CSV file is written.",
        examples=["{delimiter: ';'}"],
    )
    op: Choice | None = Field(
        None,
        description="What records do: assert, absent or retract. Left out, they assert.",
        examples=["{column: action, values: {I: assert, D: absent}}"],
    )
    known_at: Moment | None = Field(
        None,
        description="When the live system learned it; --known-at takes its place.",
        examples=["loaded_at"],
    )


class GroupEntry(Entry):
    """The feature group."""

    name: str = Field(description="Its name.", examples=["taste"])
    entity_kind: Literal["profile", "video"] | None = Field(
        None,
        description="What its entities are. With it the group is registered, with the fields "
        "of `values`; without it the store must have it.",
        examples=["profile"],
    )
    schema_version: int | None = Field(
        None,
        description="Version of its fields; left out, the newest, or 1 for a new group.",
        examples=[1],
        ge=1,
    )


class FeaturesEntry(MappingEntry):
    """Each record is a vector of one feature group."""

    group: Annotated[GroupEntry, BeforeValidator(read_group)] = Field(
        description="The feature group.", examples=["{name: taste, entity_kind: profile}"]
    )
    entity_id: Identity = Field(description="Whose vector.", examples=["profile"])
    valid_from: Moment = Field(description="Since when it is true.", examples=["day"])
    values: Columns | None = Field(
        None,
        description="The column of each field, or a list of columns named as the fields.",
        examples=["{drama: taste_drama, comedy: taste_comedy}"],
        min_length=1,
    )
    vector: str | None = Field(
        None,
        description="A column that holds lists of numbers, in the order of the group's fields.",
        examples=["embedding"],
    )

    @model_validator(mode="after")
    def _has_values(self) -> FeaturesEntry:
        if (self.values is None) == (self.vector is None):
            raise mistake(
                "Features come from values, or from a vector.",
                "Write one of the two, e.g. values: [drama, comedy].",
            )
        if self.vector is not None and self.group.entity_kind is not None:
            raise mistake(
                "A vector does not name the fields of a group to register.",
                "Write values, or leave out entity_kind and register the group first.",
            )
        return self


class AttributesEntry(MappingEntry):
    """Each record holds attributes of one entity: one (name, value) or several (values)."""

    entity_kind: Choice = Field(
        description="What the entity is: profile or video.", examples=["{constant: profile}"]
    )
    entity_id: Identity = Field(description="Which one.", examples=["profile"])
    valid_from: Moment = Field(description="Since when it is true.", examples=["since"])
    name: Text | None = Field(
        None, description="The attribute's name, where a record has one.", examples=["key"]
    )
    value: Value | None = Field(
        None, description="The attribute's value, where a record has one.", examples=["value"]
    )
    values: dict[str, Value] | None = Field(
        None,
        description="The value of each attribute, where a record has several. A missing one "
        "makes no fact.",
        examples=["{country: country, kids: {column: is_kids, type: boolean}}"],
        min_length=1,
    )

    @model_validator(mode="after")
    def _has_values(self) -> AttributesEntry:
        if (self.values is None) == (self.name is None) or (self.name is None) != (
            self.value is None
        ):
            raise mistake(
                "Attributes come from name and value, or from values.",
                "Write name and value, or values alone.",
            )
        return self


class AllocationsEntry(MappingEntry):
    """Each record is the cell of an A/B test that a profile is in."""

    profile_id: Identity = Field(description="Whose allocation.", examples=["profile"])
    test: Text = Field(description="Name of the test.", examples=["test"])
    cell: Text = Field(
        description="The cell; missing where the profile is known to be in none.",
        examples=["cell"],
    )
    valid_from: Moment = Field(description="Since when.", examples=["allocated_at"])


class AvailabilityEntry(MappingEntry):
    """Each record is a licence to show a video in a country."""

    window_id: Text = Field(
        description="Identifies the licence: a later fact with the same id corrects it.",
        examples=["contract"],
    )
    video_id: Identity = Field(description="Which video.", examples=["film"])
    country: Text = Field(description="Which country.", examples=["country"])
    valid_from: Moment = Field(description="The first moment.", examples=["begins"])
    valid_to: Moment = Field(
        description="The moment after the last; the year 9999 where no end is known.",
        examples=["ends"],
    )


class AttributionEntry(Entry):
    """Where on which logged page an event happened."""

    shown_at: Moment = Field(description="When the page was shown.", examples=["page_at"])
    row_id: Text = Field(description="The row.", examples=["page_row"])
    position: Integer = Field(description="Place in the row, from 0.", examples=["page_place"])


class EventsEntry(MappingEntry):
    """Each record is something that a member did with a video."""

    event_id: Text = Field(
        description="Identifies the event: a later fact with the same id corrects it.",
        examples=["{columns: [profile, film, at]}"],
    )
    profile_id: Identity = Field(description="Whose event.", examples=["profile"])
    event_at: Moment = Field(description="When it happened.", examples=["at"])
    kind: Choice = Field(
        description="What it was: play, rating, thumb, list or impression.",
        examples=["{constant: rating}"],
    )
    video_id: Identity = Field(description="With which video.", examples=["film"])
    value: Number | None = Field(
        None,
        description="Share watched of a play (0 to 1), stars of a rating (0.5 to 5), 1 or -1 "
        "of a thumb, 1 (put on) or 0 (taken off) of a list; an impression has none.",
        examples=["{column: percent, scale: 0.01}"],
    )
    attribution: AttributionEntry | None = Field(
        None,
        description="Where on which logged page it happened, if that was recorded.",
        examples=["{shown_at: page_at, row_id: page_row, position: page_place}"],
    )


class DocumentsEntry(MappingEntry):
    """Each record is a version of a JSON document."""

    collection: Text = Field(
        description="Its collection, e.g. configuration or model.",
        examples=["{constant: configuration}"],
    )
    name: Text = Field(description="Its name within the collection.", examples=["name"])
    valid_from: Moment = Field(description="Since when it holds.", examples=["since"])
    schema_version: Integer = Field(
        default_factory=lambda: IntegerEntry.model_validate({"constant": 1}),
        description="Version of the body's schema.",
        examples=["{constant: 1}"],
    )
    body: Value = Field(description="The body: a JSON object.", examples=["body"])


class LoggedPagesEntry(MappingEntry):
    """Each record is a page that the live system really showed."""

    profile_id: Identity = Field(description="To whom.", examples=["profile"])
    shown_at: Moment = Field(description="When.", examples=["shown_at"])
    device: Text = Field(description="On what.", examples=["device"])
    context: Value | None = Field(
        None,
        description="What else was known of the visit: a JSON object.",
        examples=["context"],
    )
    page: Value = Field(
        description="The page: a JSON object with `geometry` and `rows`, as "
        "pagesim.page.v1.Page has them.",
        examples=["page"],
    )


KINDS: dict[str, type[MappingEntry]] = {
    "features": FeaturesEntry,
    "attributes": AttributesEntry,
    "allocations": AllocationsEntry,
    "availability": AvailabilityEntry,
    "events": EventsEntry,
    "documents": DocumentsEntry,
    "logged_pages": LoggedPagesEntry,
}
"""Mappings by kind of fact."""
