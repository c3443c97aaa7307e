"""Servicer of the ledger's methods of TimeTravelService."""

from __future__ import annotations

import json
from abc import abstractmethod
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

from pagesim.timetravel.v1 import timetravel_pb2, timetravel_pb2_grpc

from core.columns import decode_integers, encode_integers
from core.timestamps import decode_timestamp
from mesh.call.context import current_context
from timetravel.errors import InvalidQuestion, UnknownEntity
from timetravel.facts.model import EntityKind, canonical_json
from timetravel.ledger.questions import Changes, TimeAxis
from timetravel.ledger.tokens import decode_snapshot
from timetravel.reading.profile_search import Strata, count_profiles, find_profiles
from timetravel.reading.reader import newest
from timetravel.rpc.call_moments import (
    first_moments_of,
    moment_of,
    moment_or_as_of,
    moments_of,
)
from timetravel.rpc.ledger_wire import (
    decode_entity,
    decode_fact_kinds,
    decode_subject,
    encode_historical,
    encode_version,
)
from timetravel.rpc.page_wire import encode_engagement, encode_logged_page, newest_of
from timetravel.rpc.wire import decode_event_kinds, encode_lineage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import grpc

    from timetravel.facts.model import JsonValue
    from timetravel.ledger.store_ledger import StoreLedger
    from timetravel.ledger.versions import FactVersion
    from timetravel.reader_pool import PastReader
    from timetravel.rpc.ledger_wire import FindEntity, Texts
    from timetravel.store import Store

Item = TypeVar("Item")

_VERSIONS_PER_MESSAGE: Final = 500
_PAGES_PER_MESSAGE: Final = 50
_PROFILES_PER_ANSWER: Final = 1000
_MOST_PROFILES_PER_ANSWER: Final = 100_000
_MOST_IDS: Final = 10_000


class LedgerServicer(timetravel_pb2_grpc.TimeTravelServiceServicer):
    """Answer questions about the record within the context of each call."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @abstractmethod
    def _reader_of(self, snapshot: int | None) -> PastReader:
        """Return a reader of a snapshot, as known by the moment of the call."""

    def BatchGetEngagement(
        self, request: timetravel_pb2.BatchGetEngagementRequest, context: grpc.ServicerContext
    ) -> timetravel_pb2.BatchGetEngagementResponse:
        """Read events of many profiles with the pages that they followed."""
        del context
        ledger = self._ledger()
        profile_ids = decode_integers(request.profile_ids, field="profile_ids")
        rows = ledger.engagement(
            profile_ids,
            moments_of(request.as_of_micros, len(profile_ids)),
            first_moments_of(request.since_micros, len(profile_ids)),
            decode_event_kinds(request.kinds),
            request.horizon_micros,
        )
        response = encode_engagement(rows)
        response.lineage.CopyFrom(encode_lineage(newest_of(rows), ledger.snapshot))
        return response

    def FindProfiles(
        self, request: timetravel_pb2.FindProfilesRequest, context: grpc.ServicerContext
    ) -> timetravel_pb2.FindProfilesResponse:
        """Find the profiles whose attributes have given values."""
        del context
        reader = self._reader_of(current_context().snapshot)
        if request.page_size > _MOST_PROFILES_PER_ANSWER:
            raise InvalidQuestion(
                f"{request.page_size} profiles are too many for one answer.",
                remedy=f"Ask for at most {_MOST_PROFILES_PER_ANSWER}, and go on by `after`.",
                field="page_size",
            )
        rows = find_profiles(
            reader,
            moment_of(request),
            _strata_of(request),
            request.after if request.HasField("after") else None,
            request.page_size or _PROFILES_PER_ANSWER,
        )
        return timetravel_pb2.FindProfilesResponse(
            profile_ids=encode_integers(rows.profile_ids),
            columns=[
                timetravel_pb2.AttributeColumn(
                    name=name, json_values=[canonical_json(value) for value in values]
                )
                for name, values in rows.columns.items()
            ],
            newest_known_at_micros=encode_integers(rows.newest_known_at),
            next_after=rows.next_after,
            lineage=encode_lineage(newest(rows.newest_known_at), reader.snapshot),
        )

    def CountProfiles(
        self, request: timetravel_pb2.CountProfilesRequest, context: grpc.ServicerContext
    ) -> timetravel_pb2.CountProfilesResponse:
        """Count the profiles of each stratum."""
        del context
        reader = self._reader_of(current_context().snapshot)
        counted = count_profiles(reader, moment_of(request), _strata_of(request))
        return timetravel_pb2.CountProfilesResponse(
            strata=[
                timetravel_pb2.Stratum(json_values=stratum, profiles=profiles)
                for stratum, profiles in counted.profiles.items()
            ],
            lineage=encode_lineage(counted.newest_known_at, reader.snapshot),
        )

    def ListLoggedPages(
        self, request: timetravel_pb2.ListLoggedPagesRequest, context: grpc.ServicerContext
    ) -> Iterator[timetravel_pb2.ListLoggedPagesResponse]:
        """Read the pages that were really shown."""
        del context
        profile_ids = decode_integers(request.profile_ids, field="profile_ids").tolist()
        _check_few(len(profile_ids), field="profile_ids")
        _check_few(len(request.profile_external_ids), field="profile_external_ids")
        profile_ids += [
            self._find_entity(EntityKind.PROFILE, text, field="profile_external_ids")
            for text in request.profile_external_ids
        ]
        since = (
            decode_timestamp(request.since, field="since")
            if request.HasField("since")
            else None
        )
        pages = self._ledger().logged_pages(
            moment_of(request),
            since,
            profile_ids or None,
            with_features=request.with_features,
        )
        for chunk in _chunks(pages, _PAGES_PER_MESSAGE):
            texts = self._store.entity_texts(
                EntityKind.PROFILE, [page.profile_id for page in chunk]
            )
            yield timetravel_pb2.ListLoggedPagesResponse(
                pages=[encode_logged_page(page, texts.get(page.profile_id)) for page in chunk]
            )

    def GetEntityHistory(
        self, request: timetravel_pb2.GetEntityHistoryRequest, context: grpc.ServicerContext
    ) -> Iterator[timetravel_pb2.GetEntityHistoryResponse]:
        """Read every version of every fact about one entity."""
        del context
        versions = self._ledger().entity_history(
            decode_subject(request, self._find_entity),
            moment_of(request),
            decode_fact_kinds(request.kinds),
            request.names,
        )
        for chunk in _chunks(versions, _VERSIONS_PER_MESSAGE):
            texts = self._texts_of([historical.version for historical in chunk])
            yield timetravel_pb2.GetEntityHistoryResponse(
                versions=[encode_historical(version, texts) for version in chunk]
            )

    def ListFactChanges(
        self, request: timetravel_pb2.ListFactChangesRequest, context: grpc.ServicerContext
    ) -> Iterator[timetravel_pb2.ListFactChangesResponse]:
        """Read which facts became true or known in an interval."""
        del context
        changes = _changes_of(request, self._find_entity)
        pinned = current_context().snapshot
        if pinned is None and request.resume_token:
            pinned = decode_snapshot(request.resume_token)
        changed = self._ledger(pinned).changed_facts(changes, request.resume_token)
        for chunk in _chunks(changed, _VERSIONS_PER_MESSAGE):
            texts = self._texts_of([change.version for change in chunk])
            yield timetravel_pb2.ListFactChangesResponse(
                versions=[encode_version(change.version, texts) for change in chunk],
                resume_token=chunk[-1].resume_token,
            )

    def _find_entity(
        self, kind: EntityKind, external_id: str, *, field: str = "external_id"
    ) -> int:
        try:
            return self._store.find_entity(kind, external_id)
        except (InvalidQuestion, UnknownEntity) as error:
            raise type(error)(error.problem, remedy=error.remedy, field=field) from error

    def _texts_of(self, versions: Sequence[FactVersion]) -> Texts:
        """Return the texts of the entities that versions are about, or have in their values."""
        numbers: dict[EntityKind, set[int]] = {kind: set() for kind in EntityKind}
        for version in versions:
            if version.about.kind is not None:
                numbers[version.about.kind].add(version.about.entity_id)
            numbers[EntityKind.VIDEO].update(version.video_ids)
        return {
            kind: self._store.entity_texts(kind, sorted(some)) for kind, some in numbers.items()
        }

    def _ledger(self, snapshot: int | None = None) -> StoreLedger:
        context = current_context()
        pinned = context.snapshot if snapshot is None else snapshot
        return self._store.ledger(pinned, context.known_by_micros)


def _strata_of(
    request: timetravel_pb2.FindProfilesRequest | timetravel_pb2.CountProfilesRequest,
) -> Strata:
    where: dict[str, list[JsonValue]] = {
        condition.name: [_value_of(text) for text in condition.json_values]
        for condition in request.conditions
    }
    return Strata(tuple(request.names), where)


def _value_of(text: str) -> JsonValue:
    try:
        value: JsonValue = json.loads(text)
    except ValueError as error:
        raise InvalidQuestion(
            f"{text!r} is not JSON: {error}.",
            remedy='Write values as JSON, e.g. "US" with its quotes.',
            field="conditions",
        ) from error
    return value


def _changes_of(
    request: timetravel_pb2.ListFactChangesRequest, find_entity: FindEntity
) -> Changes:
    if request.axis not in [axis.value for axis in TimeAxis]:
        raise InvalidQuestion(
            f"{request.axis} is not an axis of time.",
            remedy=f"Give one of {[axis.name for axis in TimeAxis]}.",
            field="axis",
        )
    if not request.HasField("since"):
        raise InvalidQuestion(
            "The interval has no beginning.",
            remedy="Say after which moment it begins.",
            field="since",
        )
    _check_few(len(request.entities), field="entities")
    entities = [decode_entity(entity, find_entity) for entity in request.entities]
    until = request.until if request.HasField("until") else None
    return Changes(
        TimeAxis(request.axis),
        decode_timestamp(request.since, field="since"),
        moment_or_as_of(until, field="until"),
        decode_fact_kinds(request.kinds),
        frozenset(
            (entity.kind, entity.entity_id) for entity in entities if entity.kind is not None
        ),
    )


def _check_few(count: int, *, field: str) -> None:
    if count > _MOST_IDS:
        raise InvalidQuestion(
            f"{count} ids are too many for one question.",
            remedy=f"Ask for at most {_MOST_IDS} at a time, or for all.",
            field=field,
        )


def _chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    remaining = iter(items)
    while some := list(islice(remaining, size)):
        yield some
