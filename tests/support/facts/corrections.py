"""Second thoughts about a tenth of a store: corrections, back-fills and withdrawals.

What is back-filled has the `known_at` of the version that it corrects: the time axes alone
would show it to every earlier page, and only the snapshot keeps it out.
"""

from __future__ import annotations

import math
from collections import defaultdict
from copy import deepcopy
from random import Random
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from timetravel.facts.model import (
    AllocationFact,
    AttributeFact,
    AvailabilityFact,
    DocumentFact,
    EventFact,
    EventKind,
    FactKind,
    FeatureFact,
    LoggedPageFact,
    Op,
)
from timetravel.ledger.questions import Changes, TimeAxis

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from timetravel.facts.model import Fact, FeatureGroup
    from timetravel.ledger.versions import FactVersion
    from timetravel.store import Store

DAY: Final = 86_400 * 1_000_000
SHARE: Final = 0.1
EVER: Final = Changes(TimeAxis.KNOWN, -(2**62), 2**62)


def have_second_thoughts(store: Store, *, seed: int) -> Mapping[FactKind, int]:
    """Correct, back-fill or withdraw a tenth of the versions of every kind; count them."""
    random = Random(seed)  # noqa: S311 - a test world, not a secret
    by_kind: dict[FactKind, list[FactVersion]] = defaultdict(list)
    for change in store.ledger().changed_facts(EVER):
        by_kind[change.version.kind].append(change.version)
    groups = store.registry().describe()
    end = max(version.known_at for versions in by_kind.values() for version in versions)
    facts: list[Fact] = []
    counts = {}
    for kind, versions in by_kind.items():
        chosen = random.sample(versions, math.ceil(SHARE * len(versions)))
        counts[kind] = len(chosen)
        for version in chosen:
            # No two corrections are known at once, unless they are back-filled.
            late = end + DAY + len(facts)
            known_at = version.known_at if random.random() < 0.5 else late
            facts.append(_correct(version, known_at, versions, groups, random))
    with store.begin(end) as writer:
        writer.append(facts, source="second thoughts", synthetic=True)
    return counts


def _correct(  # noqa: PLR0911 - one for each kind of fact
    version: FactVersion,
    known_at: int,
    others: Sequence[FactVersion],
    groups: Mapping[str, FeatureGroup],
    random: Random,
) -> Fact:
    op = random.choices((Op.ASSERT, Op.ABSENT, Op.RETRACT), (6, 1, 3))[0]
    is_said = op is Op.ASSERT
    about, value = version.about, version.value
    entity, name, since = about.entity_id, version.name, version.valid_from
    match version.kind:
        case FactKind.FEATURES:
            vector = _other_vector(groups[name], value, random) if is_said else None
            return FeatureFact(name, entity, since, known_at, vector, op)
        case FactKind.ATTRIBUTE:
            told = _value_of(name, others, random) if is_said else None
            assert about.kind is not None
            return AttributeFact(about.kind, entity, name, since, known_at, told, op)
        case FactKind.ALLOCATION:
            return AllocationFact(entity, name, since, known_at, None, op)
        case FactKind.EVENT:
            other: Any = random.choice(others).value or {}
            own: Any = value or {}
            kind = EventKind[(own or {"kind": "play"})["kind"].upper()]
            video = other.get("video_id", 1)
            stars = own.get("value") if is_said else None
            return EventFact(name, entity, since, kind, video, stars, known_at, op)
        case FactKind.AVAILABILITY:
            assert isinstance(value, dict)
            assert version.valid_to is not None
            until = max(since + 1, version.valid_to - random.randrange(30) * DAY)
            country = str(value["country"])
            return AvailabilityFact(name, entity, country, since, until, known_at, op)
        case FactKind.LOGGED_PAGE:
            return LoggedPageFact.withdraw(entity, since, known_at)
        case FactKind.DOCUMENT:
            assert isinstance(value, dict)
            changed: Any = deepcopy(value["body"])
            _turn_over(changed)
            schema: Any = value["schema_version"]
            return DocumentFact(about.collection, about.name, since, known_at, schema, changed)


def _other_vector(group: FeatureGroup, value: object, random: Random) -> np.ndarray[Any, Any]:
    own: Any = value or {}
    return np.array(
        [own.get(field, 0.0) * random.random() + random.random() for field in group.fields],
        np.float32,
    )


def _value_of(name: str, others: Sequence[FactVersion], random: Random) -> Any:  # noqa: ANN401
    values = [one.value for one in others if one.name == name and one.op is Op.ASSERT]
    return random.choice(values)


def _turn_over(body: dict[str, Any]) -> None:
    if "weights" in body:
        body["weights"] = {name: -weight for name, weight in body["weights"].items()}
    else:
        body["dedup"]["policy"] = "none"
