"""Entries of a mapping file that name the columns of each field.

A field that is plain text names a column; a mapping says more about it.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from core.errors import InvalidInput
from experiments.documents.entry import OWN_RULE, Entry
from experiments.documents.mistakes import show
from experiments.ingest.mapping.moment_formats import MomentFormat

_NO_ZONES: Final = frozenset({"localtime", "posixrules", "Factory"})
"""Names among the zones of a machine that say nothing, or its own zone."""

JsonType: TypeAlias = Literal["text", "integer", "number", "boolean", "json"]


def _read_column(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


def read_group(value: object) -> object:
    """Return the name of a group as its mapping."""
    return {"name": value} if isinstance(value, str) else value


def _read_fields(value: object) -> object:
    """Return a list of columns as the mapping of each to itself."""
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return {name: name for name in value}
    return value


def _check_zone(name: str) -> str:
    try:
        is_zone = name not in _NO_ZONES and ZoneInfo(name) is not None
    except (ZoneInfoNotFoundError, ValueError):
        is_zone = False
    if not is_zone:
        raise mistake(
            f"{show(name)} is not a time zone.", "Write UTC, or one such as Europe/Berlin."
        )
    return name


def mistake(problem: str, remedy: str) -> PydanticCustomError:
    """Return what pydantic raises of an entry."""
    return PydanticCustomError(OWN_RULE, "{problem}", {"problem": problem, "remedy": remedy})


def _check_format(text: str) -> str:
    try:
        MomentFormat(text)
    except InvalidInput as error:
        raise mistake(
            f"{show(text)} does not say which moment is meant. {error.problem}", error.remedy
        ) from None
    return text


Zone: TypeAlias = Annotated[str, AfterValidator(_check_zone)]
Unit: TypeAlias = Literal["seconds", "milliseconds", "microseconds", "nanoseconds"]


class _ColumnEntry(Entry):
    """Where a field comes from: one of column and constant."""

    column: str | None = Field(None, description="Name of a column.", examples=["profile"])

    @model_validator(mode="after")
    def _comes_from_one_place(self) -> _ColumnEntry:
        places = ("column", "columns", "constant")
        given = [place for place in places if getattr(self, place, None) is not None]
        if len(given) != 1:
            possible = [place for place in places if place in type(self).model_fields]
            raise mistake(
                "Nothing says where this comes from."
                if not given
                else f"{' and '.join(given)} both say where this comes from.",
                f"Write one of {', '.join(possible)}.",
            )
        return self


class TextEntry(_ColumnEntry):
    """Text: a name or an id."""

    columns: list[str] | None = Field(
        None,
        description="Names of columns whose texts are joined; for records without an id.",
        examples=["[profile, film, at]"],
        min_length=2,
    )
    joined_by: str = Field(":", description="What stands between them.", examples=["':'"])
    constant: str | None = Field(
        None, description="The same text for every record.", examples=["DE"]
    )


class IdentityEntry(_ColumnEntry):
    """The id of a profile or a video: a whole number or a text, as the store names them."""

    constant: int | str | None = Field(
        None, description="The same id for every record.", examples=[7]
    )
    as_text: Literal["text"] | None = Field(
        None,
        alias="as",
        description="Says that ids are texts, whatever they look like: spaces, case and zeros "
        "in front tell them apart. Left out, the first facts of a kind of entity decide: "
        "ids are texts where none of them is a whole number.",
        examples=["text"],
    )


class MomentEntry(_ColumnEntry):
    """A moment."""

    constant: str | None = Field(
        None, description="The same moment for every record.", examples=["2024-01-01T00:00:00Z"]
    )
    format: Annotated[str, AfterValidator(_check_format)] | None = Field(
        None,
        description="How texts are written, as in Python's strptime; left out, ISO 8601.",
        examples=["'%d.%m.%Y %H:%M'"],
    )
    unit: Unit | None = Field(
        None, description="What numbers count, since 1970.", examples=["seconds"]
    )
    time_zone: Zone | None = Field(
        None,
        description="Whose time is meant where a time does not say so; left out, the file's.",
        examples=["Europe/Berlin"],
    )

    @model_validator(mode="after")
    def _is_text_or_number(self) -> MomentEntry:
        if self.unit is not None and self.format is not None:
            raise mistake(
                "A moment is a text with a format, or a number with a unit.",
                "Leave out format or unit.",
            )
        return self


class NumberEntry(_ColumnEntry):
    """A number."""

    constant: float | None = Field(
        None, description="The same number for every record.", examples=[1.0]
    )
    scale: float = Field(1.0, description="What numbers are multiplied with.", examples=[0.01])


class IntegerEntry(_ColumnEntry):
    """A whole number."""

    constant: int | None = Field(
        None, description="The same number for every record.", examples=[1]
    )


class ChoiceEntry(_ColumnEntry):
    """One of a few words."""

    constant: str | None = Field(
        None, description="The same word for every record.", examples=["play"]
    )
    values: dict[str, str] = Field(
        default_factory=dict,
        description="What the column's texts stand for; left out, they are the words.",
        examples=["{watched: play, starred: rating}"],
    )


class ValueEntry(_ColumnEntry):
    """Any value of JSON."""

    constant: Any = Field(
        None, description="The same value for every record.", examples=["standard"]
    )
    type: JsonType | None = Field(
        None,
        description="What texts are read as; left out, values are taken as they are.",
        examples=["integer"],
    )


Text: TypeAlias = Annotated[TextEntry, BeforeValidator(_read_column)]
Identity: TypeAlias = Annotated[IdentityEntry, BeforeValidator(_read_column)]
Moment: TypeAlias = Annotated[MomentEntry, BeforeValidator(_read_column)]
Number: TypeAlias = Annotated[NumberEntry, BeforeValidator(_read_column)]
Integer: TypeAlias = Annotated[IntegerEntry, BeforeValidator(_read_column)]
Choice: TypeAlias = Annotated[ChoiceEntry, BeforeValidator(_read_column)]
Value: TypeAlias = Annotated[ValueEntry, BeforeValidator(_read_column)]
Columns: TypeAlias = Annotated[dict[str, str], BeforeValidator(_read_fields)]
