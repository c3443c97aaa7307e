"""Removes facts from the tables and records it; `removal.completion` does the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from timetravel.database.engine import reading, writing
from timetravel.database.store_position import PENDING_TABLE
from timetravel.errors import InvalidUpkeep
from timetravel.facts.model import LARGEST_ID
from timetravel.removal import erasure, retention
from timetravel.removal.scrub import erase_deleted_rows
from timetravel.upkeep.upkeep import UpkeepKind, begin_upkeep, end_upkeep
from timetravel.writing.tombstones import forget_erased

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from timetravel.removal.erasure import ErasurePlan
    from timetravel.removal.retention import Bounds


def erase_profiles(
    engine: sa.Engine,
    profile_ids: Sequence[int],
    *,
    reason: str,
    began_at: int,
    nonce: bytes,
) -> ErasurePlan:
    """Take everything about profiles out of the tables.

    Args:
        engine: Of the store.
        profile_ids: Whom to erase.
        reason: Why.
        began_at: What the clock says, microseconds.
        nonce: Random bytes that nobody keeps; see `timetravel.removal.rehash`.

    Raises:
        InvalidUpkeep: An id is out of range, or there is no reason.
        StoreUnavailable: The store is locked for too long.
    """
    check_reason(reason)
    check_profiles(profile_ids)
    with writing(engine) as connection:
        erase_deleted_rows(connection)
        return erasure.erase_facts(
            connection, profile_ids, began_at=began_at, reason=reason, nonce=nonce
        )


def erase_pending(engine: sa.Engine, *, began_at: int, nonce: bytes) -> None:
    """Erase the profiles that a restore on PostgreSQL, killed, did not come to erase again."""
    with reading(engine) as connection:
        if not sa.inspect(connection).has_table(PENDING_TABLE):
            return
    with writing(engine) as connection:
        ids = connection.exec_driver_sql(f"SELECT profile_id FROM {PENDING_TABLE}")  # noqa: S608 - our own name
        erasure.erase_facts(
            connection,
            ids.scalars().all(),
            began_at=began_at,
            reason="erased since the backup",
            nonce=nonce,
        )
        connection.exec_driver_sql(f"DROP TABLE {PENDING_TABLE}")


def readmit_profiles(
    engine: sa.Engine, profile_ids: Sequence[int], *, reason: str, began_at: int
) -> int:
    """Let erased profiles come back with facts that are appended from now on.

    Returns:
        How many of them had been erased.

    Raises:
        InvalidUpkeep: An id is out of range, or there is no reason.
    """
    check_reason(reason)
    check_profiles(profile_ids)
    with writing(engine) as connection:
        readmitted = forget_erased(connection, sorted(set(profile_ids)))
        if readmitted:
            upkeep_id = begin_upkeep(
                connection,
                UpkeepKind.READMISSION,
                began_at=began_at,
                reason=reason,
                removed={"erased_profile": readmitted},
            )
            end_upkeep(connection, upkeep_id, began_at)
    return readmitted


def let_versions_go(
    engine: sa.Engine, bounds: Bounds, *, reason: str, began_at: int, nonce: bytes
) -> Mapping[str, int]:
    """Take superseded versions out of the tables, and return how many by table.

    Args:
        engine: Of the store.
        bounds: What to keep.
        reason: Why.
        began_at: What the clock says, microseconds.
        nonce: Random bytes that nobody keeps; see `timetravel.removal.rehash`.

    Raises:
        InvalidUpkeep: Nothing was known as late as the cutoff, or there is no reason.
        StoreUnavailable: The store is locked for too long.
    """
    check_reason(reason)
    with writing(engine) as connection:
        check_cutoff(connection, bounds.cutoff)
        erase_deleted_rows(connection)
        return retention.let_go(
            connection, bounds, began_at=began_at, reason=reason, nonce=nonce
        )


def check_reason(reason: str) -> None:
    """Refuse upkeep that nobody could explain later.

    Raises:
        InvalidUpkeep: There is no reason.
    """
    if not reason.strip():
        raise InvalidUpkeep(
            "There is no reason.",
            remedy="Say why, without personal data, e.g. the number of a ticket.",
            field="reason",
        )


def check_profiles(profile_ids: Sequence[int]) -> None:
    """Refuse what is not a profile's id.

    Raises:
        InvalidUpkeep: An id is out of range.
    """
    for profile_id in profile_ids:
        if not 0 <= profile_id <= LARGEST_ID:
            raise InvalidUpkeep(
                f"{profile_id} is not the id of a profile.",
                remedy="Ids are 0 or more, in 63 bits.",
                field="profile",
            )


def check_cutoff(connection: sa.Connection, cutoff: int) -> None:
    """Refuse a cutoff after which nothing was known.

    Raises:
        InvalidUpkeep: It is one.
    """
    newest = retention.newest_known_at(connection)
    if newest is not None and cutoff > newest:
        raise InvalidUpkeep(
            "The cutoff is later than anything that became known: no moment of the past could "
            "be asked about any more.",
            remedy="Give an earlier one; a store whose world lies in the past needs --before.",
            field="cutoff",
        )
