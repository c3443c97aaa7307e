"""The size of a synthetic world, and its seed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np

from core.moments import parse_moment
from worlds.durations import DAY_MICROS
from worlds.errors import InvalidPlan

DEFAULT_SINCE: Final = parse_moment("2024-01-01")

_SMALLEST: Final = {"profiles": 1, "videos": 50, "days": 2, "seed": 0}
_LONGEST_DAYS: Final = 3650
_FIRST_SINCE: Final = parse_moment("1980-01-01")
_LAST_SINCE: Final = parse_moment("2150-01-01")
"""Members join and films are added years before it; all of it lies where facts may."""


@dataclass(frozen=True, slots=True)
class SyntheticPlan:
    """Say what world to make.

    Args:
        profiles: How many members there are in the end.
        videos: How many videos there are in the end.
        days: How long it lasts.
        seed: Everything follows from it and from the sizes.
        countries: Codes; the earlier a country is named, the more members it has.
        since_micros: When it begins: a midnight (UTC), microseconds.
    """

    profiles: int = 300
    videos: int = 800
    days: int = 60
    seed: int = 1
    countries: tuple[str, ...] = ("US", "GB", "DE", "BR", "JP")
    since_micros: int = DEFAULT_SINCE

    def __post_init__(self) -> None:
        for name, smallest in _SMALLEST.items():
            if getattr(self, name) < smallest:
                raise InvalidPlan(
                    f"{getattr(self, name)} {name} make no world.",
                    remedy=f"Give {smallest} or more.",
                    field=name,
                )
        if self.days > _LONGEST_DAYS:
            raise InvalidPlan(
                f"{self.days} days are more than ten years.",
                remedy=f"Give {_LONGEST_DAYS} or fewer.",
                field="days",
            )
        codes = self.countries
        if not codes or len(set(codes)) != len(codes) or not all(map(_is_code, codes)):
            raise InvalidPlan(
                f"The countries are {list(codes)}.",
                remedy="Name at least one, none twice, by codes of two letters like US.",
                field="countries",
            )
        if self.since_micros % DAY_MICROS:
            raise InvalidPlan(
                "The world begins in the middle of a day.",
                remedy="Give a date, e.g. 2024-01-01.",
                field="since",
            )
        if not _FIRST_SINCE <= self.since_micros <= _LAST_SINCE:
            raise InvalidPlan(
                "The world begins at a moment that it cannot have a past or a future of.",
                remedy="Give a date from 1980-01-01 to 2150-01-01.",
                field="since",
            )

    @property
    def until_micros(self) -> int:
        """When the world ends."""
        return self.since_micros + self.days * DAY_MICROS

    def stream(self, purpose: str) -> np.random.Generator:
        """Return random numbers for one purpose; other purposes draw independently."""
        digest = hashlib.sha256(purpose.encode()).digest()
        words = np.frombuffer(digest, "<u4").tolist()
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.seed, *words])))


def _is_code(code: str) -> bool:
    return len(code) == len("US") and code.isascii() and code.isalpha() and code.isupper()
