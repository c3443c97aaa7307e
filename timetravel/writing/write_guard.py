"""Refuses facts about erased profiles, and facts that retention has ruled out.

After retention a retraction of something old would fall through to a version that is gone, so
it is refused; to assert what was true instead, or that there was nothing, is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

from core.moments import EARLIEST_MICROS, format_moment
from timetravel.database.schema import attribute_fact, document_fact, feature_fact
from timetravel.errors import BeforeRetention
from timetravel.facts.model import EntityKind, Op
from timetravel.upkeep.upkeep import read_retained
from timetravel.writing.tombstones import read_erased, refuse_erased

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from core.arrays import Int64Array
    from timetravel.database.registry import Registry
    from timetravel.facts.external_ids import ExternalIds
    from timetravel.reading.retained import Retained
    from timetravel.writing.records import Records


@dataclass(frozen=True, slots=True, eq=False)
class Withheld:
    """What is refused, as it stands in one transaction.

    Attributes:
        erased: int64[], ascending.
        retained: What the store can still answer for.
    """

    erased: Int64Array
    retained: Retained

    @classmethod
    def read(cls, connection: sa.Connection) -> Withheld:
        """Return what a store refuses."""
        return cls(read_erased(connection), read_retained(connection))

    def check(
        self,
        connection: sa.Connection,
        records: Records,
        registry: Registry,
        external_ids: ExternalIds,
    ) -> None:
        """Refuse records that the store no longer takes.

        Raises:
            ProfileErased: Some are about profiles that were erased.
            BeforeRetention: One retracts what retention relies on.
        """
        texts = external_ids.texts[EntityKind.PROFILE]
        refuse_erased(records, registry, self.erased, texts)
        if self.retained.since == EARLIEST_MICROS:
            return
        for table, key, known_at in self._old_retractions(records):
            self._check_retraction(connection, table, key, known_at)

    def _old_retractions(
        self, records: Records
    ) -> Iterator[tuple[sa.Table, Mapping[str, Any], int]]:
        since = self.retained.since
        for block in records.features:
            old = (block.ops == Op.RETRACT) & (block.valid_from <= since)
            for place in np.flatnonzero(old).tolist():
                key = {
                    "group_id": block.group_id,
                    "entity_id": int(block.entity_ids[place]),
                    "valid_from": int(block.valid_from[place]),
                }
                yield feature_fact, key, int(block.known_at[place])
        for table in (attribute_fact, document_fact):
            names = [column.name for column in table.columns]
            for values in records.rows.get(table, ()):
                row = dict(zip(names, values, strict=True))
                if row["op"] == Op.RETRACT and row["valid_from"] <= since:
                    columns = names[: names.index("known_at")]
                    yield table, {name: row[name] for name in columns}, row["known_at"]

    def _check_retraction(
        self, connection: sa.Connection, table: sa.Table, key: Mapping[str, Any], known_at: int
    ) -> None:
        """Refuse a retraction that would be heard at a moment that is still answered for."""
        heard_at = max(known_at, self.retained.since)
        speaker = connection.execute(
            sa.select(table.c.op, table.c.known_at)
            .where(
                *(table.c[name] == value for name, value in key.items()),
                table.c.known_at <= heard_at,
            )
            .order_by(table.c.known_at.desc(), table.c.tx_id.desc())
            .limit(1)
        ).one_or_none()
        if speaker is None or speaker.op == Op.RETRACT or speaker.known_at > known_at:
            return  # it changes nothing
        about = ", ".join(f"{name} {value}" for name, value in key.items())
        raise BeforeRetention(
            f"A fact of {table.name} with {about} is retracted; what stood before it was let "
            f"go of with everything superseded before {format_moment(self.retained.since)}.",
            remedy="Assert what was true instead, or say that there was nothing (absent).",
            field="op",
        )
