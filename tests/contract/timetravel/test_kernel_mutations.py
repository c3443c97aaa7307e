"""The compiled rule of segments, wrong in one place, is found out."""

from __future__ import annotations

import inspect
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.facts.dirty_facts import SPAN, START, random_batches, seeded
from tests.support.facts.fact_answers import QUESTIONS, fill
from timetravel.segments import columns, search
from timetravel.segments.reader import SegmentReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from timetravel.store import Store

    Answers = Mapping[int | None, Mapping[str, object]]

MOMENTS: Final = list(range(START + 1, START + SPAN, 2))
SNAPSHOT_BATCHES: Final = 4

VERSIONS = {"features", "attributes", "allocations", "catalogue", "catalogue_features"}
DOCUMENTS = {"documents"}
HOLDING = VERSIONS | DOCUMENTS
KERNEL_MUTATIONS: Final = {
    "drop the retraction check": (
        *("find_visible", "ops[version] != _RETRACT", "True"),
        HOLDING,
    ),
    "ignore valid_from": (
        *("find_visible", "valid_from[middle] <= at[row]", "True"),
        HOLDING,
    ),
    "valid before T, not at it": (
        *("find_visible", "valid_from[middle] <= at[row]", "valid_from[middle] < at[row]"),
        HOLDING,
    ),
    "ignore known_at": (
        *("find_visible", "known_at[version] > known_by[row]", "False"),
        HOLDING,
    ),
    "known before K, not at it": (
        *("find_visible", "known_at[version] > known_by", "known_at[version] >= known_by"),
        HOLDING,
    ),
    "retract one version, not all with its valid_from": (
        *(
            "find_visible",
            "while version >= first and valid_from[version] == retracted",
            "if 1",
        ),
        HOLDING,
    ),
    "drop the check for later versions of an event": (
        *("find_events", "<= known_by[row] < superseded_at[version]", "<= known_by[row]"),
        {"history"},
    ),
    "ignore the known_at of events": (
        *("find_events", "known_at[version] <= known_by[row] <", "known_by[row] <"),
        {"history"},
    ),
    "ignore event_at": ("find_events", "event_at[middle] <= at[row]", "True", {"history"}),
    "count withdrawn events": (
        *("find_events", "ops[version] == _ASSERT", "True"),
        {"history"},
    ),
}


@pytest.fixture(scope="module")
def expected(store: Store) -> tuple[Store, int, Answers]:
    filled = fill(store, random_batches(seeded(10), batches=8, facts=240))
    snapshot = filled.snapshot(SNAPSHOT_BATCHES)
    assert snapshot is not None
    facts = filled.in_memory
    answers = {
        known_by: ask(facts.as_of(snapshot, known_by)) for known_by in (None, START + SPAN // 2)
    }
    return store, snapshot, answers


def ask(reader: Any) -> dict[str, object]:  # noqa: ANN401 - any backend's
    return {name: question(reader, MOMENTS) for name, question in QUESTIONS.items()}


def wrong(expected: tuple[Store, int, Answers], snapshot: int | None = None) -> set[str]:
    store, pinned, answers = expected
    segment = store.segment(snapshot or pinned)
    found: set[str] = set()
    for known_by, right in answers.items():
        given = ask(SegmentReader(segment, known_by=known_by))
        found |= {name for name, answer in right.items() if given[name] != answer}
    return found


def rewrite(kernel: str, text: str, mutant: str) -> Callable[..., None]:
    """Return a kernel as plain Python, with some of its text replaced."""
    source = inspect.getsource(getattr(search, kernel).py_func)
    assert source.count(text) == 1, f"{text!r} is not in {kernel} once"
    names: dict[str, Any] = dict(vars(search)) | {"kernel": lambda function: function}
    exec(source.replace(text, mutant), names)  # noqa: S102 - our own text
    rewritten = names[kernel]
    assert isinstance(rewritten, FunctionType)
    return rewritten


@pytest.mark.parametrize("mutation", KERNEL_MUTATIONS)
def test_a_mutation_of_a_kernel_is_caught(
    expected: tuple[Store, int, Answers], monkeypatch: pytest.MonkeyPatch, mutation: str
) -> None:
    kernel, text, mutant, questions = KERNEL_MUTATIONS[mutation]
    monkeypatch.setattr(columns, kernel, rewrite(kernel, text, mutant))
    assert wrong(expected) == questions


def test_kernels_as_plain_python_are_not_caught(
    expected: tuple[Store, int, Answers], monkeypatch: pytest.MonkeyPatch
) -> None:
    for kernel in ("find_visible", "find_events"):
        monkeypatch.setattr(columns, kernel, rewrite(kernel, "Args:", "Args:"))
    assert wrong(expected) == set()


def test_a_segment_that_ignores_its_snapshot_is_caught(
    expected: tuple[Store, int, Answers],
) -> None:
    assert wrong(expected, expected[0].snapshot()) == set(QUESTIONS)
