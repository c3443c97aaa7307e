"""Strata: as of each page's moment, and never the same for two different values."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from core.screen_text import escape_line
from experiments.scope.scope import select_pages
from experiments.scope.strata import describe_keys
from experiments.spec import Scope, ScopeSource
from tests.support.pages.page_keys import keys_of, rows_of
from timetravel.database.migrate import upgrade
from timetravel.facts.model import AttributeFact, EntityKind, JsonValue, Op
from timetravel.store import Store

if TYPE_CHECKING:
    from pathlib import Path

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
        keys = keys_of((1, profile, "tv") for profile in range(never + 1))
        reader = store.as_of(store.snapshot())
        described = rows_of(describe_keys(reader, keys, ["country"]))
        both = rows_of(describe_keys(reader, keys, ["plan", "country", "device"]))
        scope = Scope(ScopeSource.LOGGED_PAGES, None, len(keys), 1, ("country",))
        drawn = rows_of(select_pages(keys, scope, 1, reader).pages)
    assert [key.profile_id for key in described if key.country is None] == [withdrawn, never]
    assert {key.stratum for key in described[withdrawn:]} == {"no country"}
    assert both[never].stratum == "no plan, no country, device=tv"
    strata = [key.stratum for key in described]
    assert len(set(strata)) == len(ALIKE) + 1
    assert len({key.stratum for key in both}) == len(ALIKE) + 1
    assert [stratum for stratum in strata if escape_line(stratum) != stratum] == []
    assert strata[ALIKE.index("US")] == "country=US"
    assert strata[ALIKE.index("a b")] == "country=a b"
    assert Counter(key.stratum for key in drawn)["no country"] == 2
