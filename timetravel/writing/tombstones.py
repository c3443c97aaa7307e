"""Tombstones of erased profiles: nothing about them is accepted again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import sqlalchemy as sa

from timetravel.database.batches import in_batches
from timetravel.database.schema import (
    attribute_fact,
    erased_profile,
    event_fact,
    logged_feature,
    logged_page,
)
from timetravel.errors import ProfileErased
from timetravel.facts.logged_features import decode_logged_features
from timetravel.facts.model import EntityKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.arrays import Int64Array
    from timetravel.database.registry import Registry
    from timetravel.writing.records import Records

_SHOWN_PROFILES: Final = 5


def read_erased(connection: sa.Connection, after: int = 0) -> Int64Array:
    """Return the erased profiles, ascending.

    Args:
        connection: To the store.
        after: Only those of upkeep later than this.
    """
    rows = connection.execute(
        sa.select(erased_profile.c.profile_id)
        .where(erased_profile.c.upkeep_id > after)
        .order_by(erased_profile.c.profile_id)
    )
    return np.fromiter(rows.scalars(), np.int64)


def note_erased(connection: sa.Connection, profile_ids: Sequence[int], upkeep_id: int) -> None:
    """Note that profiles were erased, some of them perhaps again."""
    forget_erased(connection, profile_ids)
    connection.execute(
        erased_profile.insert(),
        [{"profile_id": profile_id, "upkeep_id": upkeep_id} for profile_id in profile_ids],
    )


def forget_erased(connection: sa.Connection, profile_ids: Sequence[int]) -> int:
    """Let erased profiles come back; return how many were erased."""
    return sum(
        connection.execute(
            erased_profile.delete().where(erased_profile.c.profile_id.in_(batch))
        ).rowcount
        for batch in in_batches(profile_ids)
    )


def refuse_erased(records: Records, registry: Registry, erased: Int64Array) -> None:
    """Refuse records about erased profiles.

    Raises:
        ProfileErased: There are some.
    """
    if not len(erased):
        return
    about = _profiles_of(records, registry)
    found = np.intersect1d(about, erased)
    if len(found):
        shown = ", ".join(str(profile_id) for profile_id in found[:_SHOWN_PROFILES].tolist())
        more = ", ..." if len(found) > _SHOWN_PROFILES else ""
        raise ProfileErased(
            f"Facts are about {len(found)} profiles that were erased: {shown}{more}.",
            remedy="Leave them out, or run: pagesim db readmit PROFILE.",
            field="profile_id",
        )


def _profiles_of(records: Records, registry: Registry) -> Int64Array:
    groups = [
        group
        for group in registry.groups.values()
        if group.group.entity_kind is EntityKind.PROFILE
    ]
    group_ids = {group.group_id for group in groups}
    names = {group.group.name for group in groups}
    profile, rows = EntityKind.PROFILE.value, records.rows
    parts = [block.entity_ids for block in records.features if block.group_id in group_ids]
    parts += [
        np.array([row[1] for row in rows.get(attribute_fact, ()) if row[0] == profile], int),
        np.array([row[0] for row in rows.get(event_fact, ())], int),
        np.array([row[1] for row in rows.get(logged_page, ())], int),
    ]
    # A page may have used the features of another profile than its own.
    parts += [
        decode_logged_features(group, entities, columns).entity_ids
        for *_, group, entities, columns in rows.get(logged_feature, ())
        if group in names
    ]
    return np.unique(np.concatenate(parts))
