"""Hypothesis strategies that several tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st

from experiments.notifications.events import Occasion
from experiments.notifications.messages import Notifications, Owner
from experiments.notifications.templates import BUILT_IN, Template
from experiments.spec import ExperimentSpec, Limits, Scope, ScopeSource, Variant, Window
from experiments.spec.model import MOMENT
from services.page.model import PageRequests
from tests.support.pages.page_worlds import DEVICES, END, START, make_world

if TYPE_CHECKING:
    from tests.support.pages.page_worlds import PageWorld
    from timetravel.facts.model import JsonValue

ROW_IDS: Final = (
    "because-you-watched",
    "continue-watching",
    "genre",
    "my-list",
    "new",
    "popular",
    "top-picks",
    "top-ten",
    "trending",
)
"""The rows of production's configuration."""

FAMILIES: Final = ("because-you-watched", "genre")
"""Those of them that unfold into several rows."""


def page_worlds(*, videos: int = 40, profiles: int = 4) -> st.SearchStrategy[PageWorld]:
    """Return small worlds to make pages in."""
    return st.integers(0, 2**16).map(
        lambda seed: make_world(seed, videos=videos, profiles=profiles)
    )


def page_requests(
    world: PageWorld, *, min_size: int = 1, max_size: int = 8
) -> st.SearchStrategy[PageRequests]:
    """Return batches of pages of a world's profiles, at any moment of it, on any device."""
    page = st.tuples(
        st.sampled_from(world.profile_ids),
        st.integers(START, END),
        st.sampled_from(DEVICES),
    )
    return st.lists(page, min_size=min_size, max_size=max_size).map(PageRequests.of)


@st.composite
def page_overlays(draw: st.DrawFn) -> dict[str, JsonValue]:
    """Return overlays over production's configuration: any policy, pins and limits."""
    single = [row_id for row_id in ROW_IDS if row_id not in FAMILIES]
    pinned = draw(st.lists(st.sampled_from(single), max_size=3, unique=True))
    places = draw(st.permutations(range(6)))
    devices: dict[str, JsonValue] = {}
    for device in DEVICES:
        rows, columns = draw(st.integers(1, 12)), draw(st.integers(1, 12))
        devices[device] = {
            "rows": rows,
            "columns": columns,
            "viewport_rows": draw(st.integers(1, rows)),
            "viewport_columns": draw(st.integers(1, columns)),
        }
    unpinned: dict[str, JsonValue] = {"continue-watching": None, "top-picks": None}
    pins: dict[str, JsonValue] = dict(zip(pinned, places, strict=False))
    return {
        "geometry": {"devices": devices},
        "filtering": {"seen": draw(st.sampled_from(("exclude", "allow")))},
        "ranking": {
            "model": draw(st.sampled_from(("personal", "popularity"))),
            "candidate_depth": draw(st.integers(1, 30)),
        },
        "row_selection": {
            "policy": draw(st.sampled_from(("template", "by_score", "greedy"))),
            "template": list(draw(st.permutations(ROW_IDS))),
            "pins": unpinned | pins,
            "maximum_per_type": {
                "genre": draw(st.integers(0, 4)),
                "because_you_watched": draw(st.integers(0, 3)),
            },
            "candidate_depth": draw(st.integers(1, 30)),
            "spare_rows": draw(st.integers(0, 5)),
        },
        "dedup": {
            "policy": draw(st.sampled_from(("none", "row", "viewport", "page"))),
            "exempt": list(draw(st.lists(st.sampled_from(ROW_IDS), max_size=2, unique=True))),
            "minimum_row_size": draw(st.integers(1, 4)),
            "minimum_row_sizes": None,
        },
    }


@st.composite
def notifications(draw: st.DrawFn) -> Notifications:
    """Return owners and messages that a file can describe."""
    texts = st.text(st.characters(codec="utf-8"), max_size=20)
    values = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
    channels = st.from_regex(r"[a-z][a-z0-9-]{0,39}", fullmatch=True) | st.just("a+b@c.example")
    own = ("team", "desk")
    owners = tuple(
        Owner(
            name,
            tuple(draw(st.lists(channels, min_size=1, max_size=3, unique=True))),
            draw(st.dictionaries(st.sampled_from(own), values)),
        )
        for name in draw(st.lists(st.sampled_from(["Growth", "Search", "Zoë"]), unique=True))
    )
    pieces = st.sampled_from([f"{{{name}}}" for name in (*BUILT_IN, *own)]) | texts.map(
        lambda text: text.replace("{", "{{").replace("}", "}}")
    )
    parts = st.lists(pieces, max_size=4).map("".join)
    template = st.builds(Template, st.just("{team}"), parts, parts)
    templates = draw(st.dictionaries(st.sampled_from(Occasion), template))
    told = [text for one in templates.values() for text in one.parts.values()]
    return Notifications(
        owners,
        templates,
        # What a template names needs a value for every owner.
        {name: draw(values) for name in own if any(f"{{{name}}}" in text for text in told)}
        | draw(st.dictionaries(st.sampled_from([*BUILT_IN]), texts)),
    )


@st.composite
def experiment_specs(draw: st.DrawFn) -> ExperimentSpec:
    """Return experiments that a file can describe."""
    names = st.from_regex(r"[a-z][a-z0-9-]{0,39}", fullmatch=True)
    attributes = st.from_regex(r"[a-z][a-z0-9_]{0,39}", fullmatch=True)
    descriptions = st.text(st.characters(codec="utf-8"), max_size=20)
    moments = st.integers(int(MOMENT.least), int(MOMENT.most))
    window = st.lists(moments, min_size=2, max_size=2, unique=True).map(sorted)
    variants = st.builds(
        Variant, names, descriptions, st.one_of(st.builds(dict), page_overlays())
    )
    return ExperimentSpec(
        name=draw(names),
        description=draw(descriptions),
        seed=draw(st.integers(0, 2**63 - 1)),
        scope=Scope(
            source=draw(st.sampled_from(ScopeSource)),
            window=draw(st.none() | window.map(lambda bounds: Window(*bounds))),
            profiles=draw(st.integers(1, 10_000_000)),
            pages_per_profile=draw(st.integers(1, 10_000)),
            strata=tuple(draw(st.lists(attributes, max_size=8, unique=True))),
        ),
        slices=draw(st.integers(1, 1000)),
        variants=tuple(
            draw(st.lists(variants, min_size=2, max_size=4, unique_by=lambda one: one.name))
        ),
        limits=Limits(
            concurrent_stacks=draw(st.integers(1, 64)),
            batch_pages=draw(st.integers(1, 1024)),
            requests_in_flight=draw(st.integers(1, 64)),
            page_yield=draw(st.floats(0, 1)),
        ),
        known_by_micros=draw(st.none() | moments),
        notifications=draw(notifications()),
    )
