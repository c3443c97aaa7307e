"""Validates a document as an experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import ValidationError

from core.errors import InvalidInput
from core.moments import parse_moment
from experiments.documents.mistakes import Mistake, refuse, show
from experiments.documents.wording import describe_error
from experiments.spec.entries import ExperimentEntry
from experiments.spec.model import (
    AS_OF,
    MAXIMUM_VARIANTS,
    MINIMUM_VARIANTS,
    ExperimentSpec,
    Limits,
    Scope,
    ScopeSource,
    Variant,
    Window,
)
from experiments.spec.notifications import build_notifications, find_notification_mistakes
from experiments.spec.overlays import find_overlay_mistakes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.spec.entries import ScopeEntry
    from timetravel.facts.model import JsonValue


def read_document(document: JsonValue) -> ExperimentSpec:
    """Return the experiment that a document describes; the reverse of `to_document`.

    Overlays are not held against production's configuration: a run recorded by an earlier
    pagesim can still be read.

    Raises:
        InvalidSpec: It describes none; every mistake is named.
    """
    mistakes = list(find_mistakes(document))
    if mistakes:
        raise refuse(mistakes, {}, "experiment")
    return _build(ExperimentEntry.model_validate(document))


def find_mistakes(document: JsonValue) -> Iterator[Mistake]:
    """Yield every mistake of a document but those within overlays."""
    try:
        ExperimentEntry.model_validate(document)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            yield describe_error(fault, ExperimentEntry)
    if isinstance(document, Mapping):
        yield from _find_variant_mistakes(document.get("variants"))
        yield from find_notification_mistakes(document)
        scope = document.get("scope")
        if isinstance(scope, Mapping):
            yield from _find_window_mistakes(scope.get("window"))
            yield from _find_strata_mistakes(scope.get("strata"))


def find_configuration_mistakes(
    document: JsonValue, production: Mapping[str, JsonValue]
) -> Iterator[Mistake]:
    """Yield every mistake within the overlays of a document, however wrong the rest is."""
    variants = document.get("variants") if isinstance(document, Mapping) else None
    for number, variant in enumerate(variants if isinstance(variants, list) else ()):
        overlay = variant.get("configuration") if isinstance(variant, Mapping) else None
        if isinstance(overlay, Mapping):
            for mistake in find_overlay_mistakes(overlay, production):
                place = ("variants", number, "configuration", *mistake.path)
                yield replace(mistake, path=place)


def _find_variant_mistakes(variants: JsonValue) -> Iterator[Mistake]:
    if not isinstance(variants, list):
        return
    if len(variants) < MINIMUM_VARIANTS:
        yield Mistake(
            ("variants",),
            "There is one variant, which has nothing to be compared with."
            if variants
            else "There are no variants.",
            "Write the control first, then one or more to compare with it.",
        )
    if len(variants) > MAXIMUM_VARIANTS:
        yield Mistake(
            ("variants",),
            f"{len(variants)} variants are more than {MAXIMUM_VARIANTS}.",
            "Split the experiment.",
        )
    names: dict[str, int] = {}
    for number, variant in enumerate(variants):
        name = variant.get("name") if isinstance(variant, Mapping) else None
        if not isinstance(name, str):
            continue
        first = names.setdefault(name, number)
        if first != number:
            yield Mistake(
                ("variants", number, "name"),
                f"{show(name)} is the name of variants[{first}] already.",
                "Give each variant its own.",
            )


def _find_window_mistakes(window: JsonValue) -> Iterator[Mistake]:
    if not isinstance(window, Mapping):
        return
    since, until = window.get("since"), window.get("until")
    if not isinstance(since, str) or not isinstance(until, str):
        return
    try:
        in_order = parse_moment(since) < parse_moment(until)
    except InvalidInput:
        return
    if not in_order:
        yield Mistake(
            ("scope", "window", "until"),
            f"{show(until)} is not after since, {show(since)}.",
            "Write a later moment; until itself is not part of the window.",
        )


def _find_strata_mistakes(strata: JsonValue) -> Iterator[Mistake]:
    if not isinstance(strata, list):
        return
    for number, stratum in enumerate(strata):
        if isinstance(stratum, str) and stratum in strata[:number]:
            yield Mistake(
                ("scope", "strata", number),
                f"{show(stratum)} stands in the list already.",
                "Name each once.",
            )


def _build(entry: ExperimentEntry) -> ExperimentSpec:
    return ExperimentSpec(
        name=entry.experiment,
        description=entry.description,
        seed=entry.seed,
        scope=_build_scope(entry.scope),
        slices=entry.slices,
        variants=tuple(
            Variant(variant.name, variant.description, variant.configuration)
            for variant in entry.variants
        ),
        limits=Limits(
            entry.limits.concurrent_stacks,
            entry.limits.batch_pages,
            entry.limits.requests_in_flight,
            entry.limits.page_yield,
        ),
        known_by_micros=None if entry.known_by == AS_OF else parse_moment(entry.known_by),
        notifications=build_notifications(entry),
    )


def _build_scope(entry: ScopeEntry) -> Scope:
    window = entry.window
    return Scope(
        source=ScopeSource(entry.source),
        window=Window(parse_moment(window.since), parse_moment(window.until))
        if window
        else None,
        profiles=entry.profiles,
        pages_per_profile=entry.pages_per_profile,
        strata=tuple(entry.strata),
    )
