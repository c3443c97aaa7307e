"""What names the pages of an experiment, in columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.errors import InvalidPages

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.arrays import Int64Array

EVERYBODY: Final = "all"

TEXTS: Final = pa.dictionary(pa.int32(), pa.string())
"""A column of texts of which many are equal."""


@dataclass(frozen=True, slots=True, eq=False)
class PageKeys:
    """Name pages of an experiment: each a profile at a moment on a device.

    Country and stratum are as of that moment. A stratum reads, e.g., "country=US, device=tv",
    and "no country, device=tv" of profiles without a country: no value reads so.

    Args:
        as_of_micros: int64[pages].
        profile_ids: int64[pages].
        devices: TEXTS[pages].
        countries: TEXTS[pages], null where the profile has none.
        strata: TEXTS[pages].
    """

    as_of_micros: Int64Array
    profile_ids: Int64Array
    devices: pa.DictionaryArray
    countries: pa.DictionaryArray
    strata: pa.DictionaryArray

    def __post_init__(self) -> None:
        lengths = {
            len(column)
            for column in (self.profile_ids, self.devices, self.countries, self.strata)
        }
        if lengths != {len(self)}:
            raise InvalidPages(
                f"Columns of {sorted({len(self), *lengths})} pages do not name the same pages.",
                remedy="Give one value of each for every page.",
                field="pages",
            )

    @classmethod
    def of(
        cls, as_of_micros: Int64Array, profile_ids: Int64Array, devices: pa.DictionaryArray
    ) -> Self:
        """Return the keys of pages of which no country is known and that are not divided."""
        return cls(
            as_of_micros=as_of_micros,
            profile_ids=profile_ids,
            devices=devices,
            countries=pa.nulls(len(as_of_micros), TEXTS),
            strata=repeat_text(EVERYBODY, len(as_of_micros)),
        )

    def __len__(self) -> int:
        return len(self.as_of_micros)

    def __getitem__(self, pages: slice) -> Self:
        """Return the keys of a stretch of pages, without copying them."""
        return replace(
            self,
            as_of_micros=self.as_of_micros[pages],
            profile_ids=self.profile_ids[pages],
            devices=self.devices[pages],
            countries=self.countries[pages],
            strata=self.strata[pages],
        )

    def take(self, places: Int64Array) -> Self:
        """Return the keys at the given places, in that order."""
        chosen = pa.array(places)
        return replace(
            self,
            as_of_micros=self.as_of_micros[places],
            profile_ids=self.profile_ids[places],
            devices=self.devices.take(chosen),
            countries=self.countries.take(chosen),
            strata=self.strata.take(chosen),
        )

    def by_moment(self) -> Self:
        """Return the keys by moment, those of one moment by profile."""
        columns = pa.table([self.as_of_micros, self.profile_ids], ["as_of", "profile"])
        order = pc.sort_indices(columns, [("as_of", "ascending"), ("profile", "ascending")])
        return self.take(order.to_numpy())


def repeat_text(text: str, times: int) -> pa.DictionaryArray:
    """Return a column that has one text everywhere: TEXTS[times]."""
    return pa.DictionaryArray.from_arrays(np.zeros(times, np.int32), [text])


def join_texts(parts: Iterable[pa.DictionaryArray]) -> pa.DictionaryArray:
    """Return columns of texts one after the other, as one that has each text once."""
    return pa.concat_arrays([pa.nulls(0, TEXTS), *parts])
