"""Makes a synthetic world."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from timetravel.facts.external_ids import IdForm
from worlds.directory import write_world
from worlds.draws import Draws
from worlds.durations import DAY_MICROS, MINUTE_MICROS
from worlds.manifest import Manifest
from worlds.production import document_history
from worlds.records import ATTRIBUTES, AVAILABILITY, DOCUMENTS, EVENTS, to_table
from worlds.synthetic.catalogue import GENRES, make_catalogue
from worlds.synthetic.facts import event_facts, licence_facts, member_facts, video_facts
from worlds.synthetic.history import Service, simulate_history
from worlds.synthetic.licences import make_licences
from worlds.synthetic.members import make_members
from worlds.synthetic.tastes import make_tastes, make_trends
from worlds.synthetic.truth import truth_tables
from worlds.timeline import sort_records
from worlds.visits import Visits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from worlds.synthetic.events import Visit
    from worlds.synthetic.plan import SyntheticPlan

_VIDEO_GRID_MICROS: Final = DAY_MICROS
_PROFILE_GRID_MICROS: Final = 10 * MINUTE_MICROS


def generate_world(
    plan: SyntheticPlan,
    target: Path,
    *,
    ids: IdForm = IdForm.NUMBERS,
    advance: Callable[[int], None] = lambda _members: None,
) -> Manifest:
    """Make a synthetic world; the same plan makes the same world.

    Args:
        plan: Its sizes and its seed.
        target: Where it goes; there must be nothing yet.
        ids: How members and videos are named.
        advance: Told how many members have been simulated since it was last told.

    Raises:
        WorldExists: There is something at the target.
    """
    with write_world(target, ids) as writer:
        catalogue = make_catalogue(plan)
        service = Service(
            plan=plan,
            catalogue=catalogue,
            licences=make_licences(plan, catalogue),
            members=make_members(plan),
            tastes=make_tastes(plan),
            trends=make_trends(plan, catalogue),
        )
        history = simulate_history(service, advance)
        draws = Draws(plan.seed)
        documents = document_history(plan.since_micros, plan.until_micros)
        writer.write_facts(DOCUMENTS, [to_table(DOCUMENTS, documents)])
        described = [
            *member_facts(plan, service.members),
            *video_facts(plan, catalogue, draws),
        ]
        attributes = to_table(ATTRIBUTES, described)
        writer.write_facts(ATTRIBUTES, [sort_records(attributes, "kind", "entity_id", "name")])
        licences = to_table(
            AVAILABILITY, licence_facts(plan, catalogue, service.licences, draws)
        )
        writer.write_facts(AVAILABILITY, [sort_records(licences, "window_id")])
        events = to_table(EVENTS, event_facts(plan, history.events, draws))
        writer.write_facts(EVENTS, [sort_records(events, "event_id")])
        writer.write_visits(_visits(history.visits))
        writer.write_truth(truth_tables(service, history.events))
        manifest = Manifest(
            source="synthetic",
            synthetic=True,
            seed=plan.seed,
            since_micros=plan.since_micros,
            until_micros=plan.until_micros,
            countries=tuple(sorted(plan.countries)),
            genres=tuple(sorted(GENRES)),
            eras=catalogue.eras,
            video_grid_micros=_VIDEO_GRID_MICROS,
            profile_grid_micros=_PROFILE_GRID_MICROS,
            counts={"profiles": plan.profiles, "videos": plan.videos},
        )
        return writer.finish(manifest)


def _visits(visits: Sequence[Visit]) -> Visits:
    return Visits(
        np.array([visit.shown_at for visit in visits], np.int64),
        np.array([visit.profile_id for visit in visits], np.int64),
        tuple(visit.device for visit in visits),
    )
