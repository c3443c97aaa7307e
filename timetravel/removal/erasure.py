"""Erases profiles from the tables, in one transaction.

An event may have been ascribed to one profile and later to another. Where a version of an
erased profile overruled one of somebody else, a withdrawal stays in its place: what was not
theirs must not become theirs again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from timetravel.database.batches import in_batches
from timetravel.database.registry import read_registry
from timetravel.database.schema import (
    attribute_fact,
    entity,
    event_fact,
    external_id,
    feature_fact,
    logged_feature,
    logged_page,
)
from timetravel.facts.model import EntityKind, Op
from timetravel.removal.logged_vectors import take_out_vectors
from timetravel.removal.rehash import rehash_digests
from timetravel.upkeep.upkeep import UpkeepKind, begin_upkeep
from timetravel.writing.tombstones import note_erased, read_erased

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from timetravel.database.registry import Registry

LOGGED_VECTORS = "logged_vectors"
"""Counts vectors of erased profiles in the logged pages of others."""


@dataclass(frozen=True, slots=True)
class ErasurePlan:
    """What an erasure takes out.

    Attributes:
        profile_ids: Whose facts, ascending.
        removed: Rows by table, of tables that hold any; and `LOGGED_VECTORS`.
        is_new: Whether a profile among them has not been erased yet, or something of one
            is in the store.
    """

    profile_ids: tuple[int, ...]
    removed: Mapping[str, int]
    is_new: bool


def plan_erasure(connection: sa.Connection, profile_ids: Sequence[int]) -> ErasurePlan:
    """Return what erasing profiles would take out."""
    chosen = tuple(sorted(set(profile_ids)))
    registry = read_registry(connection)
    counts: dict[str, int] = {}
    for table, about in _rows_about(chosen, registry):
        found = connection.execute(sa.select(sa.func.count()).select_from(table).where(about))
        counts[table.name] = counts.get(table.name, 0) + found.scalar_one()
    counts[LOGGED_VECTORS] = take_out_vectors(connection, registry, chosen, dry_run=True)
    return _plan(connection, chosen, counts)


def erase_facts(
    connection: sa.Connection,
    profile_ids: Sequence[int],
    *,
    began_at: int,
    reason: str,
    nonce: bytes,
) -> ErasurePlan:
    """Delete everything about profiles, note that they were erased, and record it.

    Args:
        connection: Holds the one transaction that writes.
        profile_ids: Whom to erase.
        began_at: What the clock says, microseconds.
        reason: Why.
        nonce: Random bytes that nobody keeps; see `timetravel.removal.rehash`.
    """
    chosen = tuple(sorted(set(profile_ids)))
    registry = read_registry(connection)
    counts = {LOGGED_VECTORS: take_out_vectors(connection, registry, chosen)}
    withdrawals = _withdrawals(connection, chosen)
    for table, about in _rows_about(chosen, registry):
        deleted = connection.execute(table.delete().where(about)).rowcount
        counts[table.name] = counts.get(table.name, 0) + deleted
    if withdrawals:
        connection.execute(event_fact.insert(), withdrawals)
    plan = _plan(connection, chosen, counts)
    if plan.is_new:
        upkeep_id = begin_upkeep(
            connection,
            UpkeepKind.ERASURE,
            began_at=began_at,
            reason=reason,
            removed=plan.removed,
        )
        note_erased(connection, chosen, upkeep_id)
        rehash_digests(connection, nonce)
    return plan


def _plan(
    connection: sa.Connection, chosen: tuple[int, ...], counts: Mapping[str, int]
) -> ErasurePlan:
    removed = {name: count for name, count in counts.items() if count}
    erased_before = set(read_erased(connection).tolist())
    return ErasurePlan(chosen, removed, bool(removed) or not erased_before.issuperset(chosen))


def _rows_about(
    profile_ids: Sequence[int], registry: Registry
) -> Iterator[tuple[sa.Table, sa.ColumnElement[bool]]]:
    groups = [
        group.group_id
        for group in registry.groups.values()
        if group.group.entity_kind is EntityKind.PROFILE
    ]
    profile = EntityKind.PROFILE.value
    for batch in in_batches(profile_ids):
        yield (
            feature_fact,
            sa.and_(feature_fact.c.group_id.in_(groups), feature_fact.c.entity_id.in_(batch)),
        )
        for table in (attribute_fact, entity, external_id):
            yield table, sa.and_(table.c.kind == profile, table.c.entity_id.in_(batch))
        for table in (event_fact, logged_feature, logged_page):
            yield table, table.c.profile_id.in_(batch)


def _withdrawals(
    connection: sa.Connection, profile_ids: Sequence[int]
) -> list[Mapping[str, Any]]:
    """Return what takes the place of versions that overrule those of others."""
    erased = set(profile_ids)
    version, other = event_fact.alias("version"), event_fact.alias("other")
    overrules = (
        sa.exists()
        .where(
            other.c.event_id == version.c.event_id,
            other.c.known_at <= version.c.known_at,
            other.c.profile_id != version.c.profile_id,
        )
        .correlate(version)
    )
    names = ("event_id", "known_at", "tx_id")
    found: list[Mapping[str, Any]] = []
    for batch in in_batches(profile_ids):
        rows = connection.execute(
            sa.select(*(version.c[name] for name in names)).where(
                version.c.profile_id.in_(batch), overrules
            )
        )
        for row in [dict(mapping) for mapping in rows.mappings()]:
            overruled = _newest_of_others(connection, row, erased)
            if overruled is not None:
                found.append({**overruled, **row, "op": Op.RETRACT.value})
    return found


def _newest_of_others(
    connection: sa.Connection, version: Mapping[str, Any], erased: set[int]
) -> Mapping[str, Any] | None:
    """Return what stays of the newest earlier version that names a profile not erased."""
    facts = event_fact.c
    earlier = connection.execute(
        sa.select(facts.profile_id, facts.event_at, facts.video_id, facts.kind)
        .where(
            facts.event_id == version["event_id"],
            sa.tuple_(facts.known_at, facts.tx_id)
            < sa.tuple_(sa.literal(version["known_at"]), sa.literal(version["tx_id"])),
        )
        .order_by(facts.known_at.desc(), facts.tx_id.desc())
    )
    others = (dict(row) for row in earlier.mappings() if row["profile_id"] not in erased)
    return next(others, None)
