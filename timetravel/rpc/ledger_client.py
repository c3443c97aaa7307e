"""The client of TimeTravelService, for reading the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pagesim.timetravel.v1 import timetravel_pb2, timetravel_pb2_grpc

from core.columns import decode_integers, encode_integers
from core.timestamps import encode_timestamp
from timetravel.facts.model import canonical_json
from timetravel.ledger.tokens import FactChange, decode_snapshot
from timetravel.reading.profile_search import ProfileCounts, ProfileRows
from timetravel.reading.reader import first_moments, moments_per_row
from timetravel.reading.result_rows import parse_json
from timetravel.rpc.client import own_errors
from timetravel.rpc.ledger_wire import (
    decode_historical,
    decode_version,
    encode_fact_kinds,
    encode_subject,
)
from timetravel.rpc.page_wire import decode_engagement, decode_logged_page
from timetravel.rpc.wire import decode_lineage, encode_entity_kind, encode_event_kinds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import grpc

    from timetravel.facts.model import EventKind, FactKind
    from timetravel.ledger.questions import Changes, HistoricalVersion
    from timetravel.ledger.versions import Subject
    from timetravel.queries.logged_pages import LoggedPage
    from timetravel.reading.engagement import EngagementRows
    from timetravel.reading.profile_search import Strata
    from timetravel.reading.reader import Identities, Moments


class LedgerClient:
    """Implements `timetravel.ledger.ledger.FactLedger` over gRPC.

    Snapshot and known-by are those of the call's context; moments may not be later than its
    as-of. May be shared by threads.

    Args:
        channel: Leads to the service and carries the context, as `mesh.serving.connect` does.
    """

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = timetravel_pb2_grpc.TimeTravelServiceStub(channel)

    def entity_history(
        self,
        subject: Subject,
        at: int,
        kinds: Iterable[FactKind] = (),
        names: Sequence[str] = (),
    ) -> list[HistoricalVersion]:
        """Return every version of every fact about a subject; see `FactLedger`."""
        entity, document = encode_subject(subject)
        request = timetravel_pb2.GetEntityHistoryRequest(
            entity=entity,
            document=document,
            as_of=encode_timestamp(at),
            kinds=encode_fact_kinds(kinds),
            names=names,
        )
        with own_errors():
            return [
                decode_historical(message)
                for response in self._stub.GetEntityHistory(request)
                for message in response.versions
            ]

    def changed_facts(self, changes: Changes, resume_token: str = "") -> Iterator[FactChange]:
        """Yield what became true or known; see `FactLedger`."""
        request = timetravel_pb2.ListFactChangesRequest(
            axis=timetravel_pb2.TimeAxis.ValueType(changes.axis.value),
            since=encode_timestamp(changes.since),
            until=encode_timestamp(changes.until),
            kinds=encode_fact_kinds(changes.kinds),
            entities=[
                timetravel_pb2.EntityRef(kind=encode_entity_kind(kind), entity_id=entity_id)
                for kind, entity_id in sorted(changes.entities)
            ],
            resume_token=resume_token,
        )
        with own_errors():
            for response in self._stub.ListFactChanges(request):
                snapshot = decode_snapshot(response.resume_token)
                for message in response.versions:
                    yield FactChange(decode_version(message), changes, snapshot)

    def find_profiles(
        self, at: int, strata: Strata, after: int | None = None, limit: int = 1000
    ) -> ProfileRows:
        """Return candidates by ascending id; see `FactLedger`."""
        request = timetravel_pb2.FindProfilesRequest(
            as_of=encode_timestamp(at),
            names=strata.names,
            conditions=_conditions(strata),
            page_size=limit,
            after=after,
        )
        with own_errors():
            response = self._stub.FindProfiles(request)
        ids = decode_integers(response.profile_ids, field="profile_ids")
        known_at = decode_integers(
            response.newest_known_at_micros, field="newest_known_at_micros", length=len(ids)
        )
        return ProfileRows(
            ids,
            {column.name: parse_json(column.json_values) for column in response.columns},
            known_at,
            response.next_after if response.HasField("next_after") else None,
        )

    def count_profiles(self, at: int, strata: Strata) -> ProfileCounts:
        """Return candidates by stratum; see `FactLedger`."""
        request = timetravel_pb2.CountProfilesRequest(
            as_of=encode_timestamp(at), names=strata.names, conditions=_conditions(strata)
        )
        with own_errors():
            response = self._stub.CountProfiles(request)
        return ProfileCounts(
            {tuple(stratum.json_values): stratum.profiles for stratum in response.strata},
            decode_lineage(response.lineage),
        )

    def logged_pages(
        self,
        at: int,
        since: int | None = None,
        profile_ids: Sequence[int] | None = None,
        *,
        with_features: bool = True,
    ) -> Iterator[LoggedPage]:
        """Yield the pages shown in (since, at]; see `FactLedger`."""
        if profile_ids is not None and not len(profile_ids):
            return
        request = timetravel_pb2.ListLoggedPagesRequest(
            as_of=encode_timestamp(at),
            since=encode_timestamp(since),
            profile_ids=None if profile_ids is None else encode_integers(profile_ids),
            with_features=with_features,
        )
        with own_errors():
            for response in self._stub.ListLoggedPages(request):
                for message in response.pages:
                    yield decode_logged_page(message)

    def engagement(
        self,
        profile_ids: Identities,
        at: Moments,
        since: Moments | None = None,
        kinds: Sequence[EventKind] = (),
        horizon_micros: int = 0,
    ) -> EngagementRows:
        """Return the events of each row with their pages; see `FactLedger`."""
        rows = len(profile_ids)
        request = timetravel_pb2.BatchGetEngagementRequest(
            profile_ids=encode_integers(np.asarray(profile_ids, np.int64)),
            as_of_micros=encode_integers(moments_per_row(at, rows)),
            since_micros=None if since is None else encode_integers(first_moments(since, rows)),
            kinds=encode_event_kinds(kinds),
            horizon_micros=horizon_micros,
        )
        with own_errors():
            return decode_engagement(self._stub.BatchGetEngagement(request), rows)


def _conditions(strata: Strata) -> list[timetravel_pb2.AttributeCondition]:
    return [
        timetravel_pb2.AttributeCondition(
            name=name, json_values=[canonical_json(value) for value in values]
        )
        for name, values in strata.where.items()
    ]
