"""People see who learned what when: as tables, as a picture, and as lines."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from core.moments import LAST_MICROS, parse_moment
from experiments.cli.history import history
from experiments.errors import FieldNotFound
from experiments.history import picture
from experiments.history.fields import Field
from tests.oracle.in_memory import InMemoryFacts
from tests.oracle.resolution import Recorded, View, visible_version
from tests.support.facts.dirty_facts import SPAN, START, random_batches, seeded
from tests.support.facts.upkeep import retain
from timetravel.database import migrate
from timetravel.errors import InvalidQuestion, UnknownEntity
from timetravel.facts.model import (
    AllocationFact,
    AttributeFact,
    Attribution,
    AvailabilityFact,
    EntityKind,
    EventFact,
    EventKind,
    FactKind,
    FeatureFact,
    FeatureGroup,
    LoggedPageFact,
    Op,
)
from timetravel.ledger.versions import Subject
from timetravel.removal.retention import Bounds
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TASTE: Final = FeatureGroup("taste", EntityKind.PROFILE, 1, ("comedy", "drama"))
WIDTH: Final = 80


def country(valid_from: str, known_at: str, value: str | None, op: Op) -> AttributeFact:
    moments = parse_moment(valid_from), parse_moment(known_at)
    return AttributeFact(EntityKind.PROFILE, 17, "country", *moments, value, op)


@pytest.fixture(scope="module")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('history') / 'store.db'}"
    migrate.upgrade(url)
    noon = parse_moment("2024-02-12T12:00Z")
    hour = 3_600_000_000
    vector = np.array([0.25, np.nan], np.float32)
    with Store.open(url) as store, store.begin(noon) as writer:
        writer.register(TASTE)
        writer.append(
            [
                country("2024-01-01", "2024-01-01", "US", Op.ASSERT),
                AttributeFact(EntityKind.PROFILE, 17, "plan", noon, noon, "basic"),
                AllocationFact(17, "artwork", noon, noon, "B"),
                AllocationFact(17, "ranker", noon, noon + hour, None),
                FeatureFact("taste", 17, noon, noon + hour, vector),
                EventFact(
                    "e1",
                    17,
                    noon,
                    EventKind.PLAY,
                    3,
                    0.5,
                    noon + hour,
                    attribution=Attribution(noon - hour, "popular", 2),
                ),
                EventFact("e2", 17, noon + hour, EventKind.LIST, 4, None, noon + hour),
                LoggedPageFact(17, noon, noon, "tv", {}, b"page", "0123456789abcdef"),
                AvailabilityFact("w", 3, "US", noon, noon + 100 * hour, noon - hour),
            ],
            source="members",
            synthetic=False,
        )
        writer.append(
            [country("2024-02-10", "2024-03-01", "DE", Op.ASSERT)],
            source="billing",
            synthetic=False,
        )
        writer.append(
            [
                country("2024-03-20", "2024-03-15", "NZ", Op.ASSERT),
                country("2024-02-10", "2024-04-05", None, Op.RETRACT),
                LoggedPageFact.withdraw(17, noon, noon + 2 * hour),
            ],
            source="support",
            synthetic=True,
        )
    return url


def shown(url: str, *arguments: str) -> str:
    command = [*arguments, "--store", url, "--width", str(WIDTH)]
    result = CliRunner().invoke(history, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_everything_about_an_entity_fits_a_terminal(
    store_url: str, golden: Callable[[str, str], None]
) -> None:
    text = shown(store_url, "profile/17")
    assert max(len(line) for line in text.splitlines()) <= WIDTH
    golden("experiments/history/profile.txt", text)


@pytest.mark.parametrize(
    "field", ["country", "taste.comedy", "allocation/artwork", "events", "pages"]
)
def test_one_field_is_shown_with_a_picture(
    store_url: str, golden: Callable[[str, str], None], field: str
) -> None:
    text = shown(store_url, "profile/17", "--field", field)
    assert max(len(line) for line in text.splitlines()) <= WIDTH
    golden(f"experiments/history/{field.replace('/', '-')}.txt", text)


def test_licences_are_those_of_their_video(store_url: str) -> None:
    text = shown(store_url, "video/3", "--field", "licences")
    assert "US to 2024-02-16" in text


def test_what_became_known_later_is_left_out_and_counted(store_url: str) -> None:
    text = shown(store_url, "profile/17", "--field", "country", "--as-of", "2024-03-10")
    assert "2 became known later and are left out." in text
    assert "NZ" not in text
    marked = [line for line in text.splitlines() if line.startswith("●")]
    assert len(marked) == 2  # the version, and the legend
    assert "DE" in marked[0]


def test_facts_may_be_shown_as_known_by_another_moment(store_url: str) -> None:
    arguments = ("--field", "country", "--as-of", "2024-02-20", "--known-by", "2024-03-10")
    text = shown(store_url, "profile/17", *arguments)
    assert "DE" in next(line for line in text.splitlines() if line.startswith("●"))


def test_old_versions_are_left_out_unless_all_are_asked_for(store_url: str) -> None:
    arguments = ("profile/17", "--field", "country", "--limit")
    assert "; 3 earlier left out" in shown(store_url, *arguments, "1")
    assert "left out" not in shown(store_url, *arguments, "0")


def test_lines_of_json_hold_every_version_whole(store_url: str) -> None:
    text = shown(store_url, "profile/17", "--json")
    records = [json.loads(line) for line in text.splitlines()]
    assert len(records) == 12
    late = next(record for record in records if record["value"] == "DE")
    assert late == {
        "about": "profile 17",
        "kind": "attribute",
        "name": "country",
        "valid_from": "2024-02-10T00:00:00.000000Z",
        "valid_to": None,
        "known_at": "2024-03-01T00:00:00.000000Z",
        "op": "assert",
        "value": "DE",
        "is_visible": False,
        "visible": [
            {"since": "2024-03-01T00:00:00.000000Z", "until": "2024-03-20T00:00:00.000000Z"}
        ],
        "tx_id": 3,
        "committed_at": "2024-02-12T12:00:00.000000Z",
        "source": "billing",
        "synthetic": False,
    }
    (play,) = (record for record in records if record["name"] == "e1")
    assert play["value"]["attribution"] == {
        "shown_at": parse_moment("2024-02-12T11:00Z"),
        "row_id": "popular",
        "position": 2,
    }


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["profile/18"], UnknownEntity, "no fact about profile 18"),
        (["profile/17", "--as-of", "2023-01-01"], UnknownEntity, "no fact about profile 17"),
        (["member/17"], InvalidQuestion, "'member/17' names no entity"),
        (["profile/one"], InvalidQuestion, "profiles have whole numbers in this store"),
        (["profile/17", "--field", "taste.horror"], FieldNotFound, "taste.comedy"),
        (
            ["profile/17", "--field", "genre"],
            FieldNotFound,
            "country, plan, allocation/artwork",
        ),
    ],
)
def test_what_is_not_there_is_told_with_what_is(
    store_url: str, arguments: list[str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        shown(store_url, *arguments)


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_what_retention_let_go_of_is_said_beside_what_is_left(
    store_url: str, tmp_path: Path, options: tuple[str, ...]
) -> None:
    whole = CliRunner().invoke(history, ["profile/17", "--store", store_url, *options])
    assert whole.stderr == ""
    shutil.copy(store_url.removeprefix("sqlite:///"), tmp_path / "store.db")
    url = f"sqlite:///{tmp_path / 'store.db'}"
    with Store.open(url) as store:
        retain(store, Bounds(parse_moment("2024-03-01T00:00Z"), store.snapshot()))
    cut = CliRunner().invoke(history, ["profile/17", "--store", url, *options])
    assert "superseded before 2024-03-01 00:00" in cut.stderr
    assert len(cut.stdout) < len(whole.stdout)


@given(st.integers(0, 2**16))
def test_a_picture_shows_what_the_rule_says(seed: int) -> None:
    facts = InMemoryFacts()
    for batch in random_batches(seeded(seed), batches=2, facts=40):
        facts.append(
            fact for fact in batch if isinstance(fact, AttributeFact) and fact.name == "year"
        )
    ledger = facts.ledger()
    field = Field(FactKind.ATTRIBUTE, "year")
    for (kind, entity_id, _), recorded in facts.attributes.items():
        history = ledger.entity_history(Subject(kind, entity_id), LAST_MICROS)
        versions = [one.version for one in history]
        edges = sorted({version.valid_from for version in versions})
        for line in picture._lines(field, versions, edges):
            drawn = [None if place is None else versions[place] for place in line.places]
            assert [one and one.value for one in drawn] == [
                _value(recorded, at, line.known_at) for at in edges
            ]
        assert picture._lines(field, versions, edges)[-1].places == picture._places(
            field, versions, edges, START + SPAN
        )


def _value(recorded: list[Recorded[AttributeFact]], at: int, known_by: int) -> object:
    version = visible_version(recorded, at, View(LAST_MICROS, known_by))
    return None if version is None else version.fact.value
