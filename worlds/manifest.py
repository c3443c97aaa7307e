"""The manifest of a world: world.json."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.moments import format_moment, parse_moment
from timetravel.facts.external_ids import IdForm
from worlds.errors import MalformedWorld

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MANIFEST_NAME = "world.json"
FORMAT = 1
"""The version of the directory format that this code reads and writes."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Describe a world.

    Args:
        source: Where it comes from: "movielens" or "synthetic".
        synthetic: Whether a seeded rule made up the whole of it.
        seed: Of the rules that made up what is synthetic.
        since_micros: When it begins; nothing is known earlier.
        until_micros: When it ends; nothing is known later.
        countries: Codes, ascending.
        genres: Ascending.
        eras: First years of the decades that videos are from, ascending; none of videos
            without years.
        video_grid_micros: How often features of videos are computed.
        profile_grid_micros: How often features of profiles are computed.
        counts: Records per file and entities per kind, e.g. {"events": 100836}.
        digests: SHA-256 (hexadecimal) of each file, by its path in the directory.
        remarks: What whoever uses the world should know of its making.
        ids: How members and videos are named.
    """

    source: str
    synthetic: bool
    seed: int
    since_micros: int
    until_micros: int
    countries: tuple[str, ...]
    genres: tuple[str, ...]
    eras: tuple[int, ...]
    video_grid_micros: int
    profile_grid_micros: int
    counts: Mapping[str, int] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    ids: IdForm = IdForm.NUMBERS

    def __post_init__(self) -> None:
        if self.since_micros >= self.until_micros:
            raise MalformedWorld(
                f"The world ends at {self.until_micros} and begins at {self.since_micros} "
                "(microseconds since 1970).",
                remedy="It must end later than it begins.",
                field="until",
            )
        for name in ("countries", "genres", "eras"):
            values = getattr(self, name)
            needed = name != "eras"  # no video may have a year
            if (needed and not values) or sorted(set(values)) != list(values):
                raise MalformedWorld(
                    f"The {name} of the world are {list(values)}.",
                    remedy=f"Name {'at least one, ' if needed else ''}each once, ascending.",
                    field=name,
                )

    @property
    def world_id(self) -> str:
        """Return 16 hexadecimal digits that name this world and no other."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """Return the text of world.json."""
        document = {
            "format": FORMAT,
            "source": self.source,
            "synthetic": self.synthetic,
            "seed": self.seed,
            "since": format_moment(self.since_micros),
            "until": format_moment(self.until_micros),
            "countries": self.countries,
            "genres": self.genres,
            "eras": self.eras,
            "video_grid_micros": self.video_grid_micros,
            "profile_grid_micros": self.profile_grid_micros,
            "counts": dict(self.counts),
            "digests": dict(self.digests),
            "remarks": self.remarks,
        }
        if self.ids is not IdForm.NUMBERS:  # which goes without saying
            document["ids"] = self.ids.name.lower()
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal[1]
    source: Annotated[str, Field(min_length=1)]
    synthetic: bool
    seed: int
    since: str
    until: str
    countries: tuple[str, ...]
    genres: tuple[str, ...]
    eras: tuple[int, ...]
    video_grid_micros: Annotated[int, Field(gt=0)]
    profile_grid_micros: Annotated[int, Field(gt=0)]
    counts: dict[str, int]
    digests: dict[str, str]
    remarks: tuple[str, ...]
    ids: Literal["numbers", "texts"] = "numbers"


def read_manifest(path: Path) -> Manifest:
    """Return the manifest in a file.

    Raises:
        MalformedWorld: The file is not a manifest of this format.
        InvalidInput: A moment in it is malformed.
    """
    try:
        document = _Document.model_validate_json(path.read_bytes())
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False)[0]
        raise MalformedWorld(
            f"{path} is not a manifest of format {FORMAT}: {fault['msg']}.",
            remedy="Make the world again with this pagesim.",
            field=".".join(str(part) for part in fault["loc"]),
        ) from None
    return Manifest(
        source=document.source,
        synthetic=document.synthetic,
        seed=document.seed,
        since_micros=parse_moment(document.since, field="since"),
        until_micros=parse_moment(document.until, field="until"),
        countries=document.countries,
        genres=document.genres,
        eras=document.eras,
        video_grid_micros=document.video_grid_micros,
        profile_grid_micros=document.profile_grid_micros,
        counts=document.counts,
        digests=document.digests,
        remarks=document.remarks,
        ids=IdForm[document.ids.upper()],
    )
