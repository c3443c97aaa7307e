"""Names in an experiment file that only the store knows: attributes, models and videos."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from experiments.documents.mistakes import Mistake, advise, show
from experiments.documents.patterns import STRATUM_PATTERN
from experiments.spec.model import DEVICE
from timetravel.errors import InvalidFact
from timetravel.facts.external_ids import IdForm, check_external_id, hash_id
from timetravel.facts.model import EntityKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.documents.mistakes import Path
    from timetravel.facts.model import JsonValue

_LISTED: Final = 12


def _without_texts(_: Sequence[int]) -> Mapping[int, str]:
    return {}


@dataclass(frozen=True, slots=True)
class KnownNames:
    """Hold the names that an experiment may use.

    Args:
        attributes: That profiles have, ascending.
        models: Documents that can rank, ascending.
        video_form: How videos are named; None before there are any.
        video_texts: Returns the texts of those of some videos that have one.
    """

    attributes: tuple[str, ...]
    models: tuple[str, ...]
    video_form: IdForm | None = None
    video_texts: Callable[[Sequence[int]], Mapping[int, str]] = field(
        default=_without_texts, compare=False
    )

    @property
    def strata(self) -> tuple[str, ...]:
        """What profiles may be divided by, ascending."""
        fit = [name for name in self.attributes if re.fullmatch(STRATUM_PATTERN, name)]
        return tuple(sorted({*fit, DEVICE}))


def find_unknown_names(document: JsonValue, names: KnownNames) -> Iterator[Mistake]:
    """Yield every name in a document that the store does not have.

    Values that are wrong for another reason are passed over.
    """
    if not isinstance(document, Mapping):
        return
    scope = document.get("scope")
    strata = scope.get("strata") if isinstance(scope, Mapping) else None
    for number, stratum in enumerate(strata if isinstance(strata, list) else ()):
        if isinstance(stratum, str) and re.fullmatch(STRATUM_PATTERN, stratum):
            yield from _check(("scope", "strata", number), stratum, "strata", names.strata)
    variants = document.get("variants")
    for number, variant in enumerate(variants if isinstance(variants, list) else ()):
        model = _find_model(variant)
        if model is not None:
            place = ("variants", number, "configuration", "ranking", "model")
            yield from _check(place, model, "models", names.models)
    yield from _find_unknown_videos(variants, names)


def _find_model(variant: JsonValue) -> str | None:
    found = _value_at(variant, ("configuration", "ranking", "model"))
    return found if isinstance(found, str) and found else None


def _value_at(document: JsonValue, keys: Sequence[str]) -> JsonValue:
    for key in keys:
        document = document.get(key) if isinstance(document, Mapping) else None
    return document


def _find_unknown_videos(variants: JsonValue, names: KnownNames) -> Iterator[Mistake]:
    places: dict[Path, str] = {}
    for path, videos in _find_hand_picked(variants):
        first = show(videos[0])
        if all(type(video) is int for video in videos):
            if names.video_form is IdForm.TEXTS:
                yield Mistake(
                    (*path, 0),
                    f"{first} is a whole number, and videos have texts in this store.",
                    "Write their texts, in quotes where they look like numbers.",
                )
        elif all(isinstance(video, str) for video in videos):
            if names.video_form is IdForm.NUMBERS:
                yield Mistake(
                    (*path, 0),
                    f"{first} is a text, and videos have whole numbers in this store.",
                    "Write their numbers, without quotes.",
                )
                continue
            places |= {(*path, place): str(video) for place, video in enumerate(videos)}
    yield from _find_unknown_texts(places, names)


def _find_unknown_texts(places: Mapping[Path, str], names: KnownNames) -> Iterator[Mistake]:
    numbers = {
        path: hash_id(EntityKind.VIDEO, text)
        for path, text in places.items()
        if _can_be_an_id(text)
    }
    known = names.video_texts([*numbers.values()]) if numbers else {}
    for path, number in numbers.items():
        if known.get(number) != places[path]:
            yield Mistake(
                path,
                f"The store has no video {show(places[path])}.",
                "Write it as it was loaded: spaces, case and Unicode forms tell ids apart.",
            )


def _find_hand_picked(variants: JsonValue) -> Iterator[tuple[Path, Sequence[JsonValue]]]:
    for number, variant in enumerate(variants if isinstance(variants, list) else ()):
        rows = _value_at(variant, ("configuration", "rows"))
        for row_id, row in rows.items() if isinstance(rows, Mapping) else ():
            videos = _value_at(row, ("videos",))
            if isinstance(videos, list) and videos:
                yield ("variants", number, "configuration", "rows", row_id, "videos"), videos


def _can_be_an_id(text: str) -> bool:
    try:
        check_external_id(text, field="videos")
    except InvalidFact:
        return False
    return True


def _check(path: Path, name: str, kind: str, choices: tuple[str, ...]) -> Iterator[Mistake]:
    if name in choices:
        return
    if not choices:
        yield Mistake(
            path, f"{show(name)} is not in the store, which has no {kind}.", "Add it."
        )
        return
    listed = ", ".join(choices[:_LISTED]) + (" and others" if choices[_LISTED:] else "")
    problem = f"{show(name)} is none of the {kind} in the store: {listed}."
    yield Mistake(path, problem, advise(name, choices))
