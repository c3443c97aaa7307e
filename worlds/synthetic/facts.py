"""The facts of a synthetic service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from core.moments import from_micros
from services.page.inputs import (
    ADDED_AT,
    COUNTRY,
    GENRES,
    MATURITY,
    MATURITY_LIMIT,
    TITLE,
    YEAR,
)
from timetravel.facts.model import (
    AttributeFact,
    AvailabilityFact,
    EntityKind,
    EventFact,
    Op,
)
from worlds.durations import DAY_MICROS
from worlds.records import SourcedFact
from worlds.synthetic.dirt import find_mistaken_videos, soil_events, soil_licences

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from timetravel.facts.model import Fact, JsonValue
    from worlds.draws import Draws
    from worlds.synthetic.catalogue import Catalogue
    from worlds.synthetic.events import Event
    from worlds.synthetic.licences import Licences
    from worlds.synthetic.members import Members
    from worlds.synthetic.plan import SyntheticPlan

SOURCE: Final = "synthetic"


def video_facts(plan: SyntheticPlan, catalogue: Catalogue, draws: Draws) -> list[SourcedFact]:
    """Return what is known of videos."""
    mistaken = find_mistaken_videos(draws, catalogue)
    facts: list[Fact] = []
    for place, video_id in enumerate(catalogue.video_ids.tolist()):
        added_at = int(catalogue.added_at[place])
        known_at = max(added_at, plan.since_micros)
        maturity = int(catalogue.maturities[place])
        named: dict[str, JsonValue] = {
            TITLE: catalogue.titles[place],
            YEAR: int(catalogue.years[place]),
            GENRES: list(catalogue.genres(place)),
            MATURITY: maturity,
            ADDED_AT: added_at,
        }
        if place in mistaken:
            named[MATURITY], days = mistaken[place]
            corrected_at = known_at + days * DAY_MICROS
            facts.append(
                AttributeFact(
                    EntityKind.VIDEO, video_id, MATURITY, known_at, corrected_at, maturity
                )
            )
        facts += _attributes(EntityKind.VIDEO, video_id, known_at, named)
    return _in_known_order(facts, plan)


def member_facts(plan: SyntheticPlan, members: Members) -> list[SourcedFact]:
    """Return what is known of members."""
    facts: list[Fact] = []
    for place, profile_id in enumerate(members.profile_ids.tolist()):
        joined_at = int(members.joined_at[place])
        named: dict[str, JsonValue] = {
            COUNTRY: plan.countries[int(members.countries[place])],
            MATURITY_LIMIT: int(members.maturity_limits[place]),
            "devices": list(members.devices[place]),
            "plan": members.plans[place],
            "tenure_since": from_micros(joined_at).date().isoformat(),
        }
        known_at = max(joined_at, plan.since_micros)
        facts += _attributes(EntityKind.PROFILE, profile_id, known_at, named)
        moved_at = int(members.moved_at[place])
        if moved_at > known_at:
            moved = {COUNTRY: plan.countries[int(members.moved_to[place])]}
            facts += _attributes(EntityKind.PROFILE, profile_id, moved_at, moved)
    return _in_known_order(facts, plan)


def licence_facts(
    plan: SyntheticPlan, catalogue: Catalogue, licences: Licences, draws: Draws
) -> list[SourcedFact]:
    """Return what is known of licences."""
    dirt = soil_licences(draws, len(licences.videos))
    facts: list[Fact] = []
    for place, (video, country, number, begin, end, known_at) in enumerate(
        zip(
            catalogue.video_ids[licences.videos].tolist(),
            licences.countries.tolist(),
            licences.numbers.tolist(),
            licences.valid_from.tolist(),
            licences.valid_to.tolist(),
            licences.known_at.tolist(),
            strict=True,
        )
    ):
        code = plan.countries[country]
        window = f"{video}:{code}:{number}"
        late_days = int(dirt.late_end_days[place]) * DAY_MICROS
        facts.append(AvailabilityFact(window, video, code, begin, end + late_days, known_at))
        if late_days:
            corrected_at = known_at + int(dirt.fixed_after_days[place]) * DAY_MICROS
            facts.append(AvailabilityFact(window, video, code, begin, end, corrected_at))
        bogus_days = int(dirt.bogus_until_days[place]) * DAY_MICROS
        if bogus_days:
            elsewhere = plan.countries[(country + 1) % len(plan.countries)]
            bogus = (f"{window}:bogus", video, elsewhere, begin, end)
            facts.append(AvailabilityFact(*bogus, known_at))
            facts.append(AvailabilityFact(*bogus, known_at + bogus_days, Op.RETRACT))
    return _in_known_order(facts, plan)


def event_facts(plan: SyntheticPlan, clean: Sequence[Event], draws: Draws) -> list[SourcedFact]:
    """Return what is known of events."""
    return [
        _sourced(
            EventFact(
                event.event_id,
                event.profile_id,
                event.event_at,
                event.kind,
                event.video_id,
                event.value,
                event.known_at,
                event.op,
            )
        )
        for event in soil_events(draws, clean, plan.until_micros)
    ]


def _attributes(
    kind: EntityKind, entity_id: int, at: int, named: Mapping[str, JsonValue]
) -> Iterator[AttributeFact]:
    for name, value in named.items():
        yield AttributeFact(kind, entity_id, name, at, at, value)


def _in_known_order(facts: Iterable[Fact], plan: SyntheticPlan) -> list[SourcedFact]:
    known = [fact for fact in facts if fact.known_at < plan.until_micros]
    known.sort(key=lambda fact: fact.known_at)
    return [_sourced(fact) for fact in known]


def _sourced(fact: Fact) -> SourcedFact:
    return SourcedFact(fact, SOURCE, synthetic=True)
