"""Scope: which pages an experiment makes, the same for every variant.

Profiles are drawn uniformly within their stratum, and pages uniformly of each profile; see
`experiments.scope.draw`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from experiments.errors import NoLoggedPages, TooFewProfiles
from experiments.scope.draw import take_first
from experiments.scope.page_keys import PageKeys
from experiments.scope.strata import describe_keys, find_strata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.scope.strata import AttributeReader
    from experiments.spec import Scope
    from timetravel.store import Store


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Hold the pages of an experiment, and whom they were drawn from.

    Args:
        pages: By moment, with their countries and strata.
        population: Profiles that could be drawn, by stratum.
    """

    pages: PageKeys
    population: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.pages)


def find_candidates(store: Store, scope: Scope, snapshot: int) -> PageKeys:
    """Return every page that the scope may draw from: one for each logged page, by moment.

    Neither countries nor strata are read: see `select_pages`.

    Args:
        store: Holds the logged pages.
        scope: Its window.
        snapshot: Append position up to which is read.

    Raises:
        NoLoggedPages: There is none in the window.
    """
    window = scope.window
    shown = store.shown_pages(
        since=window.since_micros if window else None,
        until=window.until_micros if window else None,
        snapshot=snapshot,
    )
    if not len(shown):
        raise NoLoggedPages(
            f"{store.url} holds no logged page" + (" in the window." if window else " (yet)."),
            remedy="Widen scope.window."
            if window
            else "Live a world forward first: pagesim world live --world PATH --store URL",
            field="scope",
        )
    devices = pa.DictionaryArray.from_arrays(shown.device_indexes, pa.array(shown.devices))
    return PageKeys.of(shown.shown_at, shown.profile_ids, devices)


def select_pages(
    candidates: PageKeys, scope: Scope, seed: int, reader: AttributeReader
) -> Selection:
    """Return the pages of an experiment, and the population that they stand for.

    Strata share the profiles in proportion to how many they have (largest remainders). A
    profile belongs to the stratum of the first page drawn for it.

    Args:
        candidates: Pages to draw from; a profile has one at a moment.
        scope: How many profiles, and how many pages of each at most.
        seed: What decides the draw.
        reader: Reads strata of one page of every profile, and attributes of what is drawn.

    Raises:
        TooFewProfiles: There are fewer profiles than asked for.
    """
    candidates = candidates.by_moment()
    profile_ids, profiles = np.unique(candidates.profile_ids, return_inverse=True)
    everybody = len(profile_ids)
    if everybody < scope.profiles:
        raise TooFewProfiles(
            f"{scope.profiles} profiles are asked for and {everybody} have logged pages.",
            remedy=f"Ask for at most {everybody}, or widen scope.window.",
            field="scope.profiles",
        )
    drawn = take_first(
        profiles,
        np.full(everybody, scope.pages_per_profile),
        seed,
        candidates.profile_ids,
        candidates.as_of_micros,
    )
    first_drawn = np.full(everybody, len(candidates))
    np.minimum.at(first_drawn, profiles[drawn], drawn)
    strata = find_strata(reader, candidates.take(first_drawn), scope.strata)
    names, members = strata.dictionary.to_pylist(), strata.indices.to_numpy()
    sizes = dict(zip(names, np.bincount(members).tolist(), strict=True))
    quotas = share_out(scope.profiles, sizes)
    chosen = take_first(members, np.array([quotas[name] for name in names]), seed, profile_ids)
    is_chosen = np.zeros(everybody, np.bool_)
    is_chosen[chosen] = True
    pages = candidates.take(drawn[is_chosen[profiles[drawn]]])
    return Selection(describe_keys(reader, pages, scope.strata), population=sizes)


def share_out(total: int, sizes: Mapping[str, int]) -> dict[str, int]:
    """Return how many of `total` each stratum gets, in proportion to its size.

    Largest remainders; ties go to the larger stratum, then to the name.
    """
    everybody = sum(sizes.values())
    exact = {name: total * size / everybody for name, size in sizes.items()}
    quotas = {name: int(share) for name, share in exact.items()}
    by_remainder = sorted(
        sizes, key=lambda name: (quotas[name] - exact[name], -sizes[name], name)
    )
    for name in by_remainder[: total - sum(quotas.values())]:
        quotas[name] += 1
    return quotas
