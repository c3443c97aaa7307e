"""Scope: who is drawn, and how strata share."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.errors import TooFewProfiles
from experiments.scope.scope import PageKey, select_pages, share_out
from experiments.spec import Scope, ScopeSource


def scope_of(profiles: int, pages_per_profile: int = 1) -> Scope:
    return Scope(
        source=ScopeSource.LOGGED_PAGES,
        window=None,
        profiles=profiles,
        pages_per_profile=pages_per_profile,
        strata=("country",),
    )


def candidates_of(profiles: int, pages: int = 3) -> list[PageKey]:
    countries = ["US"] * 6 + ["FR"] * 3 + ["IN"]
    return [
        PageKey(1_000 * page + profile, profile, "tv", country, f"country={country}")
        for profile in range(profiles)
        for country in [countries[profile % len(countries)]]
        for page in range(pages)
    ]


def test_every_profile_gets_as_many_pages_as_asked_where_it_has_them() -> None:
    chosen = select_pages(candidates_of(40), scope_of(10, pages_per_profile=2), seed=1)
    assert set(Counter(key.profile_id for key in chosen).values()) == {2}
    assert len({key.profile_id for key in chosen}) == 10


def test_strata_share_the_profiles_in_proportion() -> None:
    chosen = select_pages(candidates_of(100), scope_of(50), seed=1)
    assert Counter(key.country for key in chosen) == {"US": 30, "FR": 15, "IN": 5}


def test_the_same_seed_draws_the_same_pages_and_another_seed_others() -> None:
    pool = candidates_of(100)
    first = select_pages(pool, scope_of(20), seed=1)
    assert select_pages(reversed(pool), scope_of(20), seed=1) == first
    assert select_pages(pool, scope_of(20), seed=2) != first


def test_a_larger_draw_holds_the_smaller_one_within_a_stratum() -> None:
    pool = [key for key in candidates_of(100) if key.country == "US"]
    smaller = select_pages(pool, scope_of(10), seed=3)
    assert set(smaller) < set(select_pages(pool, scope_of(30), seed=3))


def test_profiles_are_drawn_uniformly_within_a_stratum() -> None:
    pool = [PageKey(profile, profile, "tv", "US", "country=US") for profile in range(20)]
    drawn = Counter(
        key.profile_id for seed in range(2_000) for key in select_pages(pool, scope_of(5), seed)
    )
    expected = 2_000 * 5 / 20
    chi_squared = sum((drawn[profile] - expected) ** 2 / expected for profile in range(20))
    assert chi_squared < 43.8  # the 99.9% quantile with 19 degrees of freedom


def test_asking_for_more_profiles_than_there_are_names_how_many_there_are() -> None:
    with pytest.raises(TooFewProfiles, match="at most 7"):
        select_pages(candidates_of(7), scope_of(8), seed=1)


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
