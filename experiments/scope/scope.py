"""Scope: which pages an experiment makes, the same for every variant.

Profiles are drawn uniformly within their stratum. Every profile gets a place from a digest of
seed and id, and the first of each stratum are taken: so a draw does not depend on the order
in which profiles are met, and a larger draw holds the smaller one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.screen_text import escape_line
from experiments.errors import NoLoggedPages, TooFewProfiles
from experiments.spec.model import DEVICE
from timetravel.facts.model import EntityKind, canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from experiments.spec import Scope
    from timetravel.facts.model import JsonValue
    from timetravel.reading.reader import FactReader
    from timetravel.store import Store

COUNTRY = "country"
EVERYBODY = "all"

_PLAIN_TEXT = re.compile(r"""[^\W_](?:[^\s\\",=]| (?! |$))*""")


@dataclass(frozen=True, slots=True, order=True)
class PageKey:
    """Name one page of an experiment: a profile at a moment on a device.

    country and stratum are as of that moment; country is None where the profile has none. A
    stratum reads, e.g., "country=US, device=tv", and "no country, device=tv" of profiles
    without a country: no value reads so.
    """

    as_of_micros: int
    profile_id: int
    device: str
    country: str | None = None
    stratum: str = EVERYBODY


def find_candidates(store: Store, scope: Scope, snapshot: int) -> list[PageKey]:
    """Return every page that the scope may draw from: one for each logged page.

    Args:
        store: Holds the logged pages and the attributes.
        scope: Window and strata.
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
    keys = [PageKey(*page) for page in shown]
    if not keys:
        raise NoLoggedPages(
            f"{store.url} holds no logged page" + (" in the window." if window else " (yet)."),
            remedy="Widen scope.window."
            if window
            else "Live a world forward first: pagesim world live --world PATH --store URL",
            field="scope",
        )
    return describe_keys(store.as_of(snapshot), keys, scope.strata)


def describe_keys(
    reader: FactReader, keys: Sequence[PageKey], strata: Sequence[str]
) -> list[PageKey]:
    """Return the keys with country and stratum as of their moments."""
    names = sorted({COUNTRY, *strata} - {DEVICE})
    rows = reader.attributes(
        EntityKind.PROFILE,
        np.array([key.profile_id for key in keys], np.int64),
        np.array([key.as_of_micros for key in keys], np.int64),
        names,
    )
    described = []
    for index, key in enumerate(keys):
        values: dict[str, JsonValue] = {name: rows.columns[name][index] for name in names}
        values[DEVICE] = key.device
        country = values[COUNTRY]
        described.append(
            PageKey(
                key.as_of_micros,
                key.profile_id,
                key.device,
                None if country is None else str(country),
                ", ".join(_describe(name, values[name]) for name in strata) or EVERYBODY,
            )
        )
    return described


def _describe(name: str, value: JsonValue) -> str:
    """Return the part of a stratum that tells of one attribute; other values read otherwise.

    A text stands as it is if it reads like nothing else, otherwise as in JSON.
    """
    if value is None:
        return f"no {name}"
    is_plain = isinstance(value, str) and _is_plain(value)
    return f"{name}={value if is_plain else escape_line(canonical_json(value))}"


def _is_plain(text: str) -> bool:
    if not _PLAIN_TEXT.fullmatch(text) or escape_line(text) != text:
        return False
    try:
        json.loads(text)
    except ValueError:
        return True
    return False


def select_pages(candidates: Iterable[PageKey], scope: Scope, seed: int) -> list[PageKey]:
    """Return the pages of an experiment, by moment.

    Strata share the profiles in proportion to how many they have (largest remainders). A
    profile belongs to the stratum of the first page drawn for it.

    Args:
        candidates: Pages to draw from.
        scope: How many profiles, and how many pages of each at most.
        seed: What decides the draw.

    Raises:
        TooFewProfiles: There are fewer profiles than asked for.
    """
    pages_of: dict[int, list[PageKey]] = defaultdict(list)
    for key in candidates:
        pages_of[key.profile_id].append(key)
    if len(pages_of) < scope.profiles:
        raise TooFewProfiles(
            f"{scope.profiles} profiles are asked for and {len(pages_of)} have logged pages.",
            remedy=f"Ask for at most {len(pages_of)}, or widen scope.window.",
            field="scope.profiles",
        )
    drawn: dict[int, list[PageKey]] = {
        profile_id: sorted(
            sorted(keys, key=lambda key: _place(seed, key.profile_id, key.as_of_micros))[
                : scope.pages_per_profile
            ]
        )
        for profile_id, keys in pages_of.items()
    }
    profiles_of: dict[str, list[int]] = defaultdict(list)
    for profile_id, keys in drawn.items():
        profiles_of[keys[0].stratum].append(profile_id)
    sizes = {stratum: len(profiles) for stratum, profiles in profiles_of.items()}
    quotas = share_out(scope.profiles, sizes)
    chosen = [
        profile_id
        for stratum, quota in quotas.items()
        for profile_id in sorted(profiles_of[stratum], key=lambda one: _place(seed, one))[
            :quota
        ]
    ]
    return sorted(key for profile_id in chosen for key in drawn[profile_id])


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


def _place(seed: int, *parts: int) -> bytes:
    text = ":".join(str(part) for part in (seed, *parts))
    return hashlib.sha256(text.encode("ascii")).digest()
