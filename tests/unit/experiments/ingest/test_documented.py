"""The examples of docs/ingest.md do what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest
from pydantic import BaseModel

from core.moments import parse_moment
from experiments.ingest.mapping.entries import KINDS
from timetravel.facts.model import EntityKind, EventKind
from timetravel.reading.allocations import read_allocations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.experiments.ingest.conftest import Load
    from timetravel.store import Store

PAGE = (Path(__file__).parents[4] / "docs" / "ingest.md").read_text()
FILE = re.compile(r"^`([\w.]+)`:\n\n```\w+\n(.*?)```$", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"^pagesim ingest (.*)$", re.MULTILINE)
FILES = dict(FILE.findall(PAGE))
COMMANDS = [shlex.split(line) for line in COMMAND.findall(PAGE)]
T = parse_moment("2024-03-06")


@pytest.fixture
def loaded(load: Load, store: Store) -> tuple[Store, dict[str, int]]:
    """Return a store with all examples, and how many records of each were refused."""
    refused = {}
    for name, text in FILES.items():
        Path(name).write_text(text)
    for file, *options in COMMANDS:
        kind, mapping = (options[options.index(f"--{key}") + 1] for key in ("kind", "mapping"))
        report = load([Path(file)], kind, FILES[mapping])
        assert report.facts
        refused[file] = report.refused
    return store, refused


def test_there_is_an_example_for_each_kind() -> None:
    assert {options[options.index("--kind") + 1] for options in COMMANDS} == set(KINDS)


def test_the_example_that_is_wrong_is_refused_as_it_says(load: Load) -> None:
    for name in ("ratings.csv", "ratings.yaml"):
        Path(name).write_text(FILES[name])
    report = load([Path("ratings.csv")], "events", FILES["ratings.yaml"])
    assert (report.records, report.facts, report.refused) == (3, 2, 1)
    for refused in report.first_refused:
        assert f"\n{refused}\n" in PAGE


def test_the_examples_say_what_they_seem_to(loaded: tuple[Store, dict[str, int]]) -> None:
    store, refused = loaded
    assert {file for file, count in refused.items() if count} == {"ratings.csv"}
    reader = store.as_of()
    taste = reader.features("taste", [17, 42], T).values
    assert np.array_equal(taste, np.array([[0.25, 0.5], [np.nan, 0.75]]), equal_nan=True)
    people = reader.attributes(EntityKind.PROFILE, [17, 42], T, ["country", "devices", "kids"])
    assert people.columns == {
        "country": ["NZ", "DE"],
        "devices": [["tv", "phone"], None],
        "kids": [None, True],
    }
    assert reader.catalogue(T, ["title", "year"]).columns == {
        "title": ["The Matrix", "The Matrix Reloaded"],
        "year": [1999, None],
    }
    cells = read_allocations(reader, [17, 42, 99], T, ["row-order"])
    assert cells.cells["row-order"] == ["B", None, None]
    assert cells.is_known["row-order"].tolist() == [True, True, False]
    begin = parse_moment("2023-12-31T11:00:00Z")
    assert reader.availability(begin).countries == ("DE", "NZ")
    assert reader.availability(begin - 1).countries == ()
    history = reader.history([17], T)
    assert history.kinds.tolist() == [
        EventKind.RATING,
        EventKind.IMPRESSION,
        EventKind.PLAY,
        EventKind.RATING,
    ]
    assert np.array_equal(
        history.values, np.array([3, np.nan, 0.85, 4.5], np.float32), equal_nan=True
    )
    document = reader.document("configuration", "homepage", T)
    assert document.body == {"ranking": {"model": "popularity"}}
    (page,) = store.logged_pages()
    assert (page.profile_id, page.device, page.context) == (17, "tv", {"country": "NZ"})


def keys(model: type[BaseModel]) -> Iterator[str]:
    """Yield the keys of an entry and of the entries below it."""
    for name, field in model.model_fields.items():
        yield field.alias or name
        waiting: list[Any] = [field.annotation]
        while waiting:
            one = waiting.pop()
            waiting += get_args(one)
            if isinstance(one, type) and issubclass(one, BaseModel):
                yield from keys(one)


def test_every_key_of_a_mapping_is_described() -> None:
    described = set(re.findall(r"`(\w+)`", PAGE))
    assert {key for model in KINDS.values() for key in keys(model)} <= described
