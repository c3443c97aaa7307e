"""Names in an experiment file that only the store knows: attributes and models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from experiments.documents.mistakes import Mistake, advise, show
from experiments.documents.patterns import STRATUM_PATTERN
from experiments.spec.model import DEVICE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.documents.mistakes import Path
    from timetravel.facts.model import JsonValue

_LISTED: Final = 12


@dataclass(frozen=True, slots=True)
class KnownNames:
    """Hold the names that an experiment may use.

    Args:
        attributes: That profiles have, ascending.
        models: Documents that can rank, ascending.
    """

    attributes: tuple[str, ...]
    models: tuple[str, ...]

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


def _find_model(variant: JsonValue) -> str | None:
    found = variant
    for key in ("configuration", "ranking", "model"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, str) and found else None


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
