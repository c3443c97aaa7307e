"""Scope: who is drawn, and how strata share."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import experiments.scope.draw
import experiments.scope.strata
from core.moments import EARLIEST_MICROS
from experiments.errors import TooFewProfiles
from experiments.scope.scope import select_pages, share_out
from experiments.scope.strata import describe_keys
from experiments.spec import Scope, ScopeSource
from tests.support.effort import effort
from tests.support.pages.page_keys import PageRow, keys_of, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from core.arrays import Int64Array
    from timetravel.facts.model import EntityKind, JsonValue
    from timetravel.reading.reader import Identities, Moments

COUNTRIES = ("US",) * 6 + ("FR",) * 3 + ("IN",)

Key = tuple[int, int, str]
"""Moment, profile, device."""


class Attributes:
    """Tells attributes by a rule, and how many were asked for at a time."""

    def __init__(self, rule: Callable[[str, int, int], JsonValue]) -> None:
        self.rule = rule
        self.asked: list[int] = []

    def attribute_texts(
        self, kind: EntityKind, entity_ids: Identities, at: Moments, names: Sequence[str]
    ) -> tuple[Mapping[str, Sequence[str | None]], Int64Array]:
        del kind
        pages = list(zip(np.asarray(entity_ids).tolist(), np.asarray(at).tolist(), strict=True))
        self.asked.append(len(pages))
        values = {name: [self.rule(name, *page) for page in pages] for name in names}
        return {
            name: [None if value is None else json.dumps(value) for value in column]
            for name, column in values.items()
        }, np.full(len(pages), EARLIEST_MICROS)


BY_PROFILE = Attributes(lambda _name, profile, _at: COUNTRIES[profile % len(COUNTRIES)])


def scope_of(
    profiles: int, pages_per_profile: int = 1, strata: tuple[str, ...] = ("country",)
) -> Scope:
    return Scope(
        source=ScopeSource.LOGGED_PAGES,
        window=None,
        profiles=profiles,
        pages_per_profile=pages_per_profile,
        strata=strata,
    )


def candidates_of(profiles: int, pages: int = 3) -> list[Key]:
    return [
        (1_000 * page + profile, profile, "tv")
        for profile in range(profiles)
        for page in range(pages)
    ]


def select(
    candidates: Iterable[Key], scope: Scope, seed: int, reader: Attributes = BY_PROFILE
) -> list[PageRow]:
    return rows_of(select_pages(keys_of(candidates), scope, seed, reader).pages)


def select_plainly(
    candidates: Iterable[Key], scope: Scope, seed: int, reader: Attributes
) -> tuple[list[PageRow], dict[str, int]]:
    """Say the rule of the draw in plain Python, page by page; pages, profiles by stratum."""
    pages_of: dict[int, list[PageRow]] = defaultdict(list)
    for key in rows_of(describe_keys(reader, keys_of(candidates), scope.strata)):
        pages_of[key.profile_id].append(key)
    drawn = {
        profile_id: sorted(
            sorted(keys, key=lambda key: place(seed, key.profile_id, key.as_of_micros))[
                : scope.pages_per_profile
            ]
        )
        for profile_id, keys in pages_of.items()
    }
    profiles_of: dict[str, list[int]] = defaultdict(list)
    for profile_id, keys in drawn.items():
        profiles_of[keys[0].stratum].append(profile_id)
    population = {name: len(own) for name, own in profiles_of.items()}
    quotas = share_out(scope.profiles, population)
    pages = sorted(
        key
        for stratum, own in profiles_of.items()
        for profile_id in sorted(own, key=lambda one: place(seed, one))[: quotas[stratum]]
        for key in drawn[profile_id]
    )
    return pages, population


def place(*numbers: int) -> bytes:
    return hashlib.sha256(":".join(map(str, numbers)).encode()).digest()


@given(
    pages=st.dictionaries(
        st.tuples(
            st.integers(-(10**15), 10**15) | st.integers(0, 5),
            st.integers(0, 12) | st.sampled_from([2**63 - 1, 10**18]),
        ),
        st.sampled_from(["tv", "phone", ""]),
        min_size=1,
        max_size=60,
    ),
    seed=st.integers(0, 2**63 - 1),
    pages_per_profile=st.integers(1, 8),
    strata=st.lists(st.sampled_from(["country", "plan", "device"]), max_size=3, unique=True),
    share=st.floats(0, 1),
    salt=st.integers(1, 50),
    at_once=st.tuples(st.integers(1, 70), st.integers(1, 70)),
)
def test_the_draw_is_that_of_the_plain_rule_however_much_is_read_and_drawn_at_once(
    pages: dict[tuple[int, int], str],
    seed: int,
    pages_per_profile: int,
    strata: list[str],
    share: float,
    salt: int,
    at_once: tuple[int, int],
) -> None:
    candidates = [(moment, profile, device) for (moment, profile), device in pages.items()]
    profiles = len({profile for _, profile, _ in candidates})
    scope = scope_of(max(1, int(share * profiles)), pages_per_profile, tuple(strata))
    values = [*COUNTRIES, None, True, 1, "1", ["a"], "no country"]
    reader = Attributes(
        lambda name, profile, moment: values[
            (moment * salt + profile + len(name)) % len(values)
        ]
    )
    expected, population = select_plainly(candidates, scope, seed, reader)
    reader.asked.clear()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(experiments.scope.draw, "MEMBERS_AT_ONCE", at_once[0])
        patched.setattr(experiments.scope.strata, "KEYS_AT_ONCE", at_once[1])
        selection = select_pages(keys_of(candidates), scope, seed, reader)
    assert rows_of(selection.pages) == expected
    assert selection.population == population
    assert max(reader.asked) <= at_once[1]
    # One page of each profile tells its stratum; besides, only what is drawn is described.
    is_told = not set(strata) <= {"device"}
    assert sum(reader.asked) == len(expected) + (profiles if is_told else 0)


def test_every_profile_gets_as_many_pages_as_asked_where_it_has_them() -> None:
    chosen = select(candidates_of(40), scope_of(10, pages_per_profile=2), seed=1)
    assert set(Counter(key.profile_id for key in chosen).values()) == {2}
    assert len({key.profile_id for key in chosen}) == 10


def test_strata_share_the_profiles_in_proportion() -> None:
    chosen = select(candidates_of(100), scope_of(50), seed=1)
    assert Counter(key.country for key in chosen) == {"US": 30, "FR": 15, "IN": 5}


def test_the_same_seed_draws_the_same_pages_and_another_seed_others() -> None:
    pool = candidates_of(100)
    first = select(pool, scope_of(20), seed=1)
    assert select(reversed(pool), scope_of(20), seed=1) == first
    assert select(pool, scope_of(20), seed=2) != first


def test_a_larger_draw_holds_the_smaller_one_within_a_stratum() -> None:
    pool = [key for key in candidates_of(100) if COUNTRIES[key[1] % len(COUNTRIES)] == "US"]
    smaller = select(pool, scope_of(10), seed=3)
    assert set(smaller) < set(select(pool, scope_of(30), seed=3))


@pytest.mark.scaled
def test_profiles_are_drawn_uniformly_within_a_stratum() -> None:
    draws = effort(100, 300)
    pool = [(profile, profile, "tv") for profile in range(20)]
    drawn = Counter(
        key.profile_id
        for seed in range(draws)
        for key in select(pool, scope_of(5, strata=()), seed)
    )
    expected = draws * 5 / 20
    chi_squared = sum((drawn[profile] - expected) ** 2 / expected for profile in range(20))
    assert chi_squared < 43.8  # the 99.9% quantile with 19 degrees of freedom


def test_asking_for_more_profiles_than_there_are_names_how_many_there_are() -> None:
    with pytest.raises(TooFewProfiles, match="at most 7"):
        select(candidates_of(7), scope_of(8), seed=1)


@given(
    st.dictionaries(st.text("abc", min_size=1), st.integers(1, 500), min_size=1),
    st.data(),
)
def test_shares_add_up_and_never_exceed_a_stratum(
    sizes: dict[str, int], data: st.DataObject
) -> None:
    total = data.draw(st.integers(1, sum(sizes.values())))
    quotas = share_out(total, sizes)
    assert sum(quotas.values()) == total
    assert all(0 <= quotas[name] <= size for name, size in sizes.items())
    everybody = sum(sizes.values())
    assert all(abs(quotas[name] - total * sizes[name] / everybody) < 1 for name in sizes)
