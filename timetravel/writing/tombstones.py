"""Tombstones of erased profiles: nothing about them is accepted again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import sqlalchemy as sa

from timetravel.database.batches import in_batches
from timetravel.database.schema import erased_profile
from timetravel.errors import ProfileErased
from timetravel.facts.model import EntityKind
from timetravel.writing.entity_ids import find_ids

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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


def refuse_erased(
    records: Records, registry: Registry, erased: Int64Array, texts: Mapping[int, str]
) -> None:
    """Refuse records about erased profiles.

    Args:
        records: What is appended.
        registry: The feature groups.
        erased: int64[], the erased profiles.
        texts: How profiles are named, where they are not by their numbers.

    Raises:
        ProfileErased: There are some.
    """
    if not len(erased):
        return
    about = find_ids(records, registry, EntityKind.PROFILE)
    found = np.intersect1d(about, erased)
    if len(found):
        first = found[:_SHOWN_PROFILES].tolist()
        shown = ", ".join(texts.get(profile_id, str(profile_id)) for profile_id in first)
        more = ", ..." if len(found) > _SHOWN_PROFILES else ""
        raise ProfileErased(
            f"Facts are about {len(found)} profiles that were erased: {shown}{more}.",
            remedy="Leave them out, or run: pagesim db readmit PROFILE.",
            field="profile_id",
        )
