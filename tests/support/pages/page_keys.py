"""Keys of pages row by row, as tests write and compare them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from experiments.scope.page_keys import EVERYBODY, PageKeys
from services.page.model import PageRequests

if TYPE_CHECKING:
    from collections.abc import Iterable


class PageRow(NamedTuple):
    """What names one page."""

    as_of_micros: int
    profile_id: int
    device: str
    country: str | None = None
    stratum: str = EVERYBODY


def keys_of(
    rows: Iterable[tuple[int, int, str] | tuple[int, int, str, str | None, str]],
) -> PageKeys:
    """Return the keys of pages given one by one."""
    pages = [PageRow(*row) for row in rows]
    return PageKeys(
        np.array([page.as_of_micros for page in pages], np.int64),
        np.array([page.profile_id for page in pages], np.int64),
        *(
            pa.array(column, pa.string()).dictionary_encode()
            for column in (
                [page.device for page in pages],
                [page.country for page in pages],
                [page.stratum for page in pages],
            )
        ),
    )


def rows_of(keys: PageKeys) -> list[PageRow]:
    """Return the keys of pages one by one."""
    columns = (keys.as_of_micros, keys.profile_ids, keys.devices, keys.countries, keys.strata)
    return list(map(PageRow, *(column.tolist() for column in columns)))


def requests_of(keys: PageKeys) -> PageRequests:
    """Return what asks for the pages."""
    return PageRequests(keys.profile_ids, keys.as_of_micros, tuple(keys.devices.to_pylist()))
