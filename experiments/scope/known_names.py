"""The names that an experiment may use, read from the store."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from experiments.documents.mistakes import refuse
from experiments.spec.names import KnownNames, find_unknown_names
from services.page.inputs import MODEL_COLLECTION
from timetravel.facts.model import EntityKind

if TYPE_CHECKING:
    from experiments.spec import ExperimentSpec
    from timetravel.store import Store


def read_known_names(store: Store, snapshot: int) -> KnownNames | None:
    """Return the names in a store, None of an empty one: it has no name that could be meant.

    The names of videos are read when they are looked for: there are many.
    """
    if snapshot == 0:
        return None
    return KnownNames(
        attributes=store.attribute_names(EntityKind.PROFILE, snapshot),
        models=store.document_names(MODEL_COLLECTION, snapshot),
        video_form=store.id_forms().get(EntityKind.VIDEO),
        video_texts=partial(store.entity_texts, EntityKind.VIDEO),
    )


def check_names(spec: ExperimentSpec, store: Store, snapshot: int) -> None:
    """Refuse an experiment with a name that the store does not have.

    Raises:
        InvalidSpec: Every such name is told.
    """
    names = read_known_names(store, snapshot)
    mistakes = list(find_unknown_names(spec.to_document(), names)) if names else []
    if mistakes:
        raise refuse(mistakes, {}, "experiment")
