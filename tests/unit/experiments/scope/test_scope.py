"""Scope: who is drawn, and how strata share."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.screen_text import escape_line
from experiments.errors import TooFewProfiles
from experiments.scope.scope import PageKey, describe_keys, select_pages, share_out
from experiments.spec import Scope, ScopeSource
from timetravel.database.migrate import upgrade
from timetravel.facts.model import AttributeFact, EntityKind, JsonValue, Op
from timetravel.store import Store

if TYPE_CHECKING:
    from pathlib import Path


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


ALIKE: tuple[JsonValue, ...] = (
    *("unknown", "None", "null", "", " ", "no country", "no plan", "all", "absent", "-"),
    *(1, "1", 1.0, "1.0", True, "true", False, 0, ["a"], '["a"]', {"a": 1}, '{"a":1}'),
    *("a, plan=b", 'a"', "a=b", "a b", "a  b", "a ", "US", '"US"', "us", "Curaçao"),
    *(
        "\x1b[31m",
        "\\u001b[31m",
        '"\\u001b[31m"',
        "x\x9b",
        "x\\u009b",
        "x\u202e",
        "x\n",
        "x\\n",
    ),
)
"""Values of a country that might read alike."""


def test_profiles_without_an_attribute_are_apart_from_those_of_any_value(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    upgrade(url)
    facts = [
        AttributeFact(EntityKind.PROFILE, profile, "country", 0, 0, value)
        for profile, value in enumerate(ALIKE)
    ]
    withdrawn, never = len(ALIKE), len(ALIKE) + 1
    facts.append(AttributeFact(EntityKind.PROFILE, withdrawn, "country", 0, 0, None, Op.ABSENT))
    with Store.open(url) as store:
        with store.begin(0) as writer:
            writer.append(facts, source="test", synthetic=False)
        keys = [PageKey(1, profile, "tv") for profile in range(never + 1)]
        reader = store.as_of(store.snapshot())
        described = describe_keys(reader, keys, ["country"])
        both = describe_keys(reader, keys, ["plan", "country", "device"])
    assert [key.profile_id for key in described if key.country is None] == [withdrawn, never]
    assert {key.stratum for key in described[withdrawn:]} == {"no country"}
    assert both[never].stratum == "no plan, no country, device=tv"
    strata = [key.stratum for key in described]
    assert len(set(strata)) == len(ALIKE) + 1
    assert len({key.stratum for key in both}) == len(ALIKE) + 1
    assert [stratum for stratum in strata if escape_line(stratum) != stratum] == []
    assert strata[ALIKE.index("US")] == "country=US"
    assert strata[ALIKE.index("a b")] == "country=a b"
    drawn = select_pages(described, scope_of(len(keys)), seed=1)
    assert Counter(key.stratum for key in drawn)["no country"] == 2


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
