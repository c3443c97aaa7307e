"""Production's documents over time: the first versions, and later changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.page.configuration import apply_overlay
from services.page.inputs import CONFIGURATION_COLLECTION, CONFIGURATION_NAME, MODEL_COLLECTION
from services.page.production import production_documents
from timetravel.facts.model import DocumentFact
from worlds.durations import floor_to_day
from worlds.records import SourcedFact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from timetravel.facts.model import JsonValue

SOURCE: Final = "production"

_HOMEPAGE: Final = (CONFIGURATION_COLLECTION, CONFIGURATION_NAME)
_PERSONAL: Final = (MODEL_COLLECTION, "personal")

_CHANGES: Final[Mapping[tuple[str, str], tuple[tuple[float, Mapping[str, JsonValue]], ...]]] = {
    _HOMEPAGE: (
        (0.25, {"ranking": {"model": "popularity"}, "dedup": {"policy": "viewport"}}),
        (0.5, {"dedup": {"policy": "viewport"}}),
    ),
    _PERSONAL: ((0.75, {"weights": {"taste_match": 1.0}}),),
}
"""For each document, overlays that hold until a share of the world's life has passed.

Production starts with a homepage for everyone; at a quarter of its life it ranks by taste, at
half it shows no video twice on a page, and at three quarters it trusts taste more. From then
on its documents are those of `services.page.production`.
"""


def document_history(since: int, until: int) -> list[SourcedFact]:
    """Return the versions of all documents of production.

    Args:
        since: When the world begins, microseconds.
        until: When it ends.
    """
    facts: list[SourcedFact] = []
    for document in production_documents():
        begin = since
        versions: dict[int, SourcedFact] = {}
        changes = _CHANGES.get((document.collection, document.name), ())
        for share, overlay in (*changes, (1.0, {})):
            fact = DocumentFact(
                document.collection,
                document.name,
                begin,
                begin,
                document.schema_version,
                apply_overlay(document.body, overlay),
            )
            # A rule makes production up, in every world. In a world of a few days changes
            # fall on one midnight: the last of them counts.
            versions[begin] = SourcedFact(fact, SOURCE, synthetic=True)
            begin = max(since, floor_to_day(since + int((until - since) * share)))
        facts += versions.values()
    facts.sort(key=lambda entry: entry.fact.known_at)
    return facts
