"""Facts cannot be made in an illegal state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from pagesim.timetravel.v1 import timetravel_pb2

from core.moments import LAST_MICROS
from timetravel.errors import InvalidFact
from timetravel.facts.model import (
    AllocationFact,
    AttributeFact,
    Attribution,
    AvailabilityFact,
    DocumentFact,
    EntityKind,
    EventFact,
    EventKind,
    FactKind,
    FeatureFact,
    FeatureGroup,
    LoggedFeatures,
    LoggedPageFact,
    Op,
    canonical_json,
)
from timetravel.ledger.questions import TimeAxis

if TYPE_CHECKING:
    from collections.abc import Callable

VECTOR = np.ones(2, dtype=np.float32)


def logged(rows: int) -> LoggedFeatures:
    moments = np.zeros(rows, dtype=np.int64)
    values = np.zeros((2, 3), dtype=np.float32)
    return LoggedFeatures("taste", np.arange(2), values, moments, moments)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: FeatureFact("taste", -1, 0, 0, VECTOR), "entity_id"),
        (lambda: FeatureFact("taste", 2**63, 0, 0, VECTOR), "entity_id"),
        (lambda: FeatureFact("taste", 1, LAST_MICROS + 1, 0, VECTOR), "valid_from"),
        (lambda: FeatureFact("taste", 1, 0, -(2**63), VECTOR), "known_at"),
        (lambda: FeatureFact("taste", 1, 0, 0, None), "values"),
        (lambda: FeatureFact("taste", 1, 0, 0, VECTOR, Op.RETRACT), "values"),
        (lambda: FeatureFact("taste", 1, 0, 0, VECTOR.reshape(1, 2)), "values"),
        (lambda: AttributeFact(EntityKind.VIDEO, 1, "", 0, 0, 1), "name"),
        (lambda: AttributeFact(EntityKind.VIDEO, 1, "a\0b", 0, 0, 1), "name"),
        (lambda: AttributeFact(EntityKind.VIDEO, 1, "\ud800", 0, 0, 1), "name"),
        (lambda: AttributeFact(EntityKind.VIDEO, 1, "year", 0, 0, 1, Op.ABSENT), "value"),
        (lambda: AvailabilityFact("w", 1, "US", 5, 5, 0), "valid_to"),
        (lambda: AvailabilityFact("w", 1, "US", 5, LAST_MICROS + 1, 0), "valid_to"),
        (lambda: AvailabilityFact("w", 1, "", 5, 6, 0), "country"),
        (lambda: EventFact("", 1, 0, EventKind.PLAY, 1, None, 0), "event_id"),
        (lambda: EventFact("e", 1, 0, EventKind.PLAY, 1, float("nan"), 0), "value"),
        (lambda: DocumentFact("configuration", "homepage", 0, 0, 1, None), "body"),
        (lambda: FeatureGroup("taste", EntityKind.PROFILE, 0, ("a",)), "schema_version"),
        (lambda: FeatureGroup("taste", EntityKind.PROFILE, 1, ("a", "a")), "fields"),
        (lambda: FeatureGroup("taste", EntityKind.PROFILE, 1, ()), "fields"),
        (lambda: logged(3), "features"),
        (
            lambda: LoggedPageFact(1, 0, 0, "tv", {}, b"", "d", (logged(2), logged(2))),
            "features",
        ),
        (lambda: LoggedPageFact(1, 0, 0, "tv", {}, b"", ""), "page_digest"),
        (lambda: LoggedPageFact(1, 0, 0, "tv", {}, b"p", "d", op=Op.RETRACT), "page"),
        (lambda: AllocationFact(-1, "artwork", 0, 0, "B"), "profile_id"),
        (lambda: AllocationFact(1, "", 0, 0, "B"), "test"),
        (lambda: AllocationFact(1, "artwork", 0, 0, ""), "cell"),
        (lambda: AllocationFact(1, "artwork", 0, 0, "B", Op.ABSENT), "cell"),
        (lambda: AttributeFact(EntityKind.PROFILE, 1, "allocation/a", 0, 0, 1), "name"),
        (lambda: Attribution(0, "", 0), "attribution.row_id"),
        (lambda: Attribution(0, "popular", -1), "attribution.position"),
    ],
)
def test_a_fact_that_contradicts_itself_cannot_be_made(
    make: Callable[[], object], field: str
) -> None:
    with pytest.raises(InvalidFact) as refused:
        make()
    assert refused.value.field == field


def test_an_attribute_may_be_null() -> None:
    assert AttributeFact(EntityKind.VIDEO, 1, "year", 0, 0, None).value is None


def test_kinds_have_the_numbers_of_the_protos() -> None:
    for fact_kind in FactKind:
        assert timetravel_pb2.FactKind.Value(f"FACT_KIND_{fact_kind.name}") == fact_kind.value
    for axis in TimeAxis:
        assert timetravel_pb2.TimeAxis.Value(f"TIME_AXIS_{axis.name}") == axis.value
    for kind in EntityKind:
        assert timetravel_pb2.EntityKind.Value(f"ENTITY_KIND_{kind.name}") == kind.value
    for event_kind in EventKind:
        assert (
            timetravel_pb2.EventKind.Value(f"EVENT_KIND_{event_kind.name}") == event_kind.value
        )


def test_json_has_one_form() -> None:
    assert canonical_json({"b": [1, "ä"], "a": None}) == '{"a":null,"b":[1,"ä"]}'


@pytest.mark.parametrize("value", [float("nan"), "\ud800", {1: {2}}])
def test_what_json_has_no_word_for_is_refused(value: object) -> None:
    with pytest.raises(InvalidFact):
        canonical_json(value)  # type: ignore[arg-type]  # on purpose
