"""Removes an erased profile's vectors from other profiles' logged pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import sqlalchemy as sa

from core.moments import EARLIEST_MICROS
from timetravel.database.schema import logged_feature
from timetravel.facts.logged_features import decode_logged_features, encode_logged_features
from timetravel.facts.model import EntityKind, LoggedFeatures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from core.arrays import BoolArray
    from timetravel.database.registry import Registry

_ROWS_PER_READ: Final = 2_000
_KEY: Final = tuple(column.name for column in logged_feature.primary_key.columns)


def take_out_vectors(
    connection: sa.Connection,
    registry: Registry,
    profile_ids: Sequence[int],
    *,
    dry_run: bool = False,
) -> int:
    """Rewrite what the pages of others logged of profiles; return how many vectors.

    Args:
        connection: Holds the one transaction that writes, unless it is a dry run.
        registry: Says which feature groups are about profiles.
        profile_ids: Whose vectors.
        dry_run: Whether to count them only.
    """
    chosen = np.array(sorted(set(profile_ids)), np.int64)
    taken = 0
    for row in _rows_of_profile_groups(connection, registry):
        if row.profile_id in chosen:
            continue  # its page goes as a whole
        logged = decode_logged_features(row.feature_group, row.entities, row.columns)
        stays = ~np.isin(logged.entity_ids, chosen)
        if stays.all():
            continue
        taken += int((~stays).sum())
        if not dry_run:
            own = [logged_feature.c[name] == getattr(row, name) for name in _KEY]
            rest = _choose(logged, stays)
            connection.execute(
                logged_feature.update()
                .where(*own)
                .values(entities=len(rest.entity_ids), columns=encode_logged_features(rest))
            )
    return taken


def _rows_of_profile_groups(connection: sa.Connection, registry: Registry) -> Iterator[Any]:
    names = [
        name
        for name, group in registry.groups.items()
        if group.group.entity_kind is EntityKind.PROFILE
    ]
    key = sa.tuple_(*(logged_feature.c[name] for name in _KEY))
    statement = (
        sa.select(logged_feature)
        .where(logged_feature.c.feature_group.in_(names))
        .order_by(*key.clauses)
        .limit(_ROWS_PER_READ)
    )
    last: tuple[Any, ...] = (EARLIEST_MICROS, -1, EARLIEST_MICROS, -1, "")
    while True:
        rows = connection.execute(statement.where(key > last)).all()
        yield from rows
        if len(rows) < _ROWS_PER_READ:
            return
        last = tuple(getattr(rows[-1], name) for name in _KEY)


def _choose(logged: LoggedFeatures, rows: BoolArray) -> LoggedFeatures:
    return LoggedFeatures(
        logged.group,
        logged.entity_ids[rows],
        logged.values[rows],
        logged.known_at[rows],
        logged.valid_from[rows],
    )
