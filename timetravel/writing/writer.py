"""Appends facts within one transaction of the store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import sqlalchemy as sa

from timetravel.database import schema
from timetravel.database.chunks import read_chunk, read_newest_chunk, write_chunk
from timetravel.database.registry import Registry, read_registry
from timetravel.errors import ContradictingFacts, FeatureGroupExists, InvalidFact
from timetravel.facts.external_ids import ExternalIds, IdForm
from timetravel.facts.model import EntityKind, canonical_json
from timetravel.queries.entity_ids import read_forms
from timetravel.writing.bulk import insert, insert_features, insert_unless_there
from timetravel.writing.change_notes import note_changes, note_overruled
from timetravel.writing.digest import EMPTY, chain, digest_records
from timetravel.writing.entity_ids import NO_TEXTS, check_ids, without_new
from timetravel.writing.records import to_records
from timetravel.writing.stored_versions import contents_of, read_contents, versions_of
from timetravel.writing.write_guard import Withheld

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from timetravel.database.chunks import Chunk
    from timetravel.facts.feature_batch import FeatureBatch
    from timetravel.facts.model import Fact, FeatureGroup, JsonValue
    from timetravel.queries.live_reader import CurrentReader
    from timetravel.writing.entity_ids import EntityIds
    from timetravel.writing.records import Records
    from timetravel.writing.stored_versions import Content, Version


class Writer:
    """Appends to the store; what it wrote is there for others once the transaction ends.

    `Store.begin` makes it. There is one writer at a time, so transaction ids follow the order
    of commits.
    """

    def __init__(
        self, connection: sa.Connection, *, committed_at: int, current: CurrentReader
    ) -> None:
        self._connection = connection
        self._committed_at = committed_at
        self._current = current
        self._registry: Registry | None = None
        self._withheld = Withheld.read(connection)
        self._id_forms = read_forms(connection)
        transaction = schema.ingest_transaction
        newest = connection.execute(
            sa.select(transaction.c.tx_id, transaction.c.digest)
            .order_by(transaction.c.tx_id.desc())
            .limit(1)
        ).one_or_none()
        self._newest_tx_id: int = newest.tx_id if newest else 0
        self._digest: str = newest.digest if newest else EMPTY

    @property
    def current(self) -> CurrentReader:
        """Reads the store as it is, with what this writer has appended so far."""
        return self._current

    @property
    def newest_tx_id(self) -> int:
        """The newest transaction, with those of this writer; 0 if there is none."""
        return self._newest_tx_id

    def register(self, group: FeatureGroup) -> None:
        """Register a feature group, or a later schema version of one.

        To register what is registered changes nothing.

        Raises:
            FeatureGroupExists: The name and schema version stand for other fields.
            InvalidFact: The group is about something else in an earlier schema version, or
                the schema version is earlier than the newest.
        """
        found = self.registry().groups.get(group.name)
        if found is not None:
            if found.group == group:
                return
            if group.schema_version == found.group.schema_version:
                raise FeatureGroupExists(
                    f"{group.name} is registered with the fields {list(found.group.fields)} "
                    f"of a {found.group.entity_kind.name.lower()}.",
                    remedy=f"Give schema version {found.group.schema_version + 1}.",
                    field="schema_version",
                )
            if group.schema_version < found.group.schema_version or (
                group.entity_kind is not found.group.entity_kind
            ):
                raise InvalidFact(
                    f"{group.name} is registered at schema version "
                    f"{found.group.schema_version}, about a "
                    f"{found.group.entity_kind.name.lower()}.",
                    remedy="Give a later schema version of the same kind, or another name.",
                    field="schema_version",
                )
        largest = sa.func.coalesce(sa.func.max(schema.feature_group.c.group_id), 0)
        group_id = (
            found.group_id
            if found is not None
            else self._connection.execute(sa.select(largest)).scalar_one() + 1
        )
        self._connection.execute(
            schema.feature_group.insert(),
            {
                "group_id": group_id,
                "schema_version": group.schema_version,
                "name": group.name,
                "entity_kind": group.entity_kind.value,
                "fields": canonical_json(group.fields),
                "tx_id": self._next_transaction(
                    "registry", repr(group).encode(), synthetic=False
                ),
            },
        )
        self._registry = None

    def append(
        self,
        facts: Iterable[Fact | FeatureBatch],
        *,
        source: str,
        synthetic: bool,
        beside_stored: bool = False,
        external_ids: ExternalIds = NO_TEXTS,
    ) -> int:
        """Append facts as one ingest transaction, and return its tx_id.

        Any order will do; a fact that comes twice is taken once.

        Args:
            facts: What to append, of any kinds.
            source: Who says so.
            synthetic: Whether a seeded rule made them up.
            beside_stored: Whether a fact that differs from one in the store with the same key
                and known_at is refused; otherwise it holds in its stead.
            external_ids: Texts behind the numbers of entities that have texts.

        Raises:
            InvalidFact: A fact contradicts itself or the registry, or names an entity in
                another way than the store does.
            UnknownFeatureGroup: A feature fact names a group that nobody registered.
            ContradictingFacts: Two facts have one key and one known_at, and differ.
            ProfileErased: A fact is about a profile that was erased.
            BeforeRetention: A fact retracts what stood so long ago that nothing is left below.
        """
        # A refused batch must leave nothing, even if the caller goes on: check before writing.
        records, entity_ids = self._check(facts, external_ids, with_mentioned=True)
        if beside_stored:
            self._check_beside_stored(records, entity_ids)
        content = digest_records(records, self._newest_tx_id + 1)
        tx_id = self._next_transaction(source, content, synthetic=synthetic)
        insert_features(self._connection, records.features, tx_id)
        for table, rows in records.rows.items():
            insert(self._connection, table, rows)
        entities = [(*entity, tx_id) for entity in sorted(records.entities)]
        insert_unless_there(self._connection, schema.entity, entities)
        entity_ids.write(self._connection, tx_id)
        self._id_forms |= {EntityKind(kind): IdForm(form) for kind, form in entity_ids.forms}
        note_changes(self._connection, records.edges, tx_id)
        note_overruled(self._connection, sorted(records.window_ids), tx_id)
        return tx_id

    def check(
        self, facts: Iterable[Fact | FeatureBatch], external_ids: ExternalIds = NO_TEXTS
    ) -> Mapping[Version, Content]:
        """Refuse facts that `append` would refuse, and append nothing; return what they say.

        Raises:
            TimeTravelError: As `append` does.
        """
        # A chunk is checked record by record, each with the texts of all.
        records, _ = self._check(facts, external_ids, with_mentioned=False)
        return contents_of(records)

    def stored(self, versions: Iterable[Version]) -> dict[Version, Content]:
        """Return what the store says already under keys and known_at."""
        return read_contents(self._connection, versions)

    def set_cursor(self, name: str, value: Mapping[str, JsonValue]) -> None:
        """Save how far a job has come, together with what it appended."""
        cursor = schema.progress_cursor
        self._connection.execute(cursor.delete().where(cursor.c.name == name))
        self._connection.execute(
            cursor.insert(), {"name": name, "value": canonical_json(value)}
        )

    def cursor(self, name: str) -> Mapping[str, JsonValue] | None:
        """Return what `set_cursor` saved, None if nothing was."""
        return read_cursor(self._connection, name)

    def chunk(self, stream: str, sequence: int) -> Chunk | None:
        """Return a chunk of an ingest stream, None if it has not come."""
        return read_chunk(self._connection, stream, sequence)

    def newest_chunk(self, stream: str) -> Chunk | None:
        """Return the last chunk of an ingest stream, None if it has brought none."""
        return read_newest_chunk(self._connection, stream)

    def note_chunk(self, chunk: Chunk) -> None:
        """Note an ingest stream's chunk, together with what it appended."""
        write_chunk(self._connection, chunk)

    @property
    def id_forms(self) -> Mapping[EntityKind, IdForm]:
        """How entities are named, of each kind that has any facts."""
        return self._id_forms

    def registry(self) -> Registry:
        """Return the feature groups, with those this writer has registered."""
        if self._registry is None:
            self._registry = read_registry(self._connection)
        return self._registry

    def _check(
        self,
        facts: Iterable[Fact | FeatureBatch],
        external_ids: ExternalIds,
        *,
        with_mentioned: bool,
    ) -> tuple[Records, EntityIds]:
        records = to_records(facts, self._newest_tx_id + 1, self.registry())
        self._withheld.check(self._connection, records, self.registry(), external_ids)
        entity_ids = check_ids(
            self._connection,
            records,
            self.registry(),
            external_ids,
            self._id_forms,
            with_mentioned=with_mentioned,
        )
        return records, entity_ids

    def _check_beside_stored(self, records: Records, entity_ids: EntityIds) -> None:
        records = without_new(records, self.registry(), entity_ids.texts)
        stored = self.stored(versions_of(records))
        if not stored:
            return
        for version, content in contents_of(records).items():
            if stored.get(version, content) != content:
                raise ContradictingFacts(
                    f"The store has another fact of {version[0]} with the key {version[1]}.",
                    remedy="Give the one that holds a later known_at.",
                    field="facts",
                )

    def _next_transaction(self, source: str, content: bytes, *, synthetic: bool) -> int:
        self._newest_tx_id += 1
        self._digest = chain(self._digest, content)
        self._connection.execute(
            schema.ingest_transaction.insert(),
            {
                "tx_id": self._newest_tx_id,
                "committed_at": self._committed_at,
                "source": source,
                "synthetic": synthetic,
                "digest": self._digest,
            },
        )
        return self._newest_tx_id


def read_cursor(connection: sa.Connection, name: str) -> Mapping[str, JsonValue] | None:
    """Return what a job saved under a name, None if nothing was."""
    cursor = schema.progress_cursor
    text = connection.execute(
        sa.select(cursor.c.value).where(cursor.c.name == name)
    ).scalar_one_or_none()
    if text is None:
        return None
    value: Mapping[str, JsonValue] = json.loads(text)
    return value
