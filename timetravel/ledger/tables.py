"""All tables of facts in one shape, as the ledger reads them."""

from __future__ import annotations

import json
from typing import Final

import sqlalchemy as sa

from timetravel.database.schema import (
    attribute_fact,
    availability_fact,
    document_fact,
    event_fact,
    feature_fact,
    feature_group,
    logged_page,
)
from timetravel.facts.model import ALLOCATION_PREFIX, EntityKind, FactKind
from timetravel.ledger.fact_table import FactTable
from timetravel.ledger.values import (
    decode_cell,
    decode_value,
    decode_vector,
    document_value,
    event_value,
    page_value,
)

_PROFILE: Final = EntityKind.PROFILE.value
_VIDEO: Final = EntityKind.VIDEO.value
_NOTHING: Final = 0
_NO_TEXT: Final = ""
_BEHIND_PREFIX: Final = chr(ord(ALLOCATION_PREFIX[-1]) + 1)


def _features() -> FactTable:
    facts, group = feature_fact, feature_group
    joined = group.join(
        facts,
        sa.and_(
            facts.c.group_id == group.c.group_id,
            facts.c.schema_version == group.c.schema_version,
        ),
    )
    return FactTable(
        FactKind.FEATURES,
        facts,
        joined,
        (group.c.entity_kind, facts.c.entity_id, _NO_TEXT),
        group.c.name,
        facts.c.valid_from,
        None,
        (group.c.fields, facts.c.vector),
        decode_vector,
    )


def _attributes(kind: FactKind) -> FactTable:
    facts = attribute_fact
    allocated = sa.and_(facts.c.name >= ALLOCATION_PREFIX, facts.c.name < _ALLOCATIONS_END)
    is_allocation = kind is FactKind.ALLOCATION
    test = sa.func.substr(facts.c.name, len(ALLOCATION_PREFIX) + 1, type_=sa.Text)
    return FactTable(
        kind,
        facts,
        facts,
        (facts.c.kind, facts.c.entity_id, _NO_TEXT),
        test if is_allocation else facts.c.name,
        facts.c.valid_from,
        None,
        (facts.c.value,),
        decode_cell if is_allocation else decode_value,
        allocated if is_allocation else sa.not_(allocated),
    )


_ALLOCATIONS_END: Final = ALLOCATION_PREFIX[:-1] + _BEHIND_PREFIX


def _availability() -> FactTable:
    facts = availability_fact
    return FactTable(
        FactKind.AVAILABILITY,
        facts,
        facts,
        (_VIDEO, facts.c.video_id, _NO_TEXT),
        facts.c.window_id,
        facts.c.valid_from,
        facts.c.window_id,
        (facts.c.country,),
        lambda country: {"country": country},
        valid_to=facts.c.valid_to,
    )


def _events() -> FactTable:
    facts = event_fact
    return FactTable(
        FactKind.EVENT,
        facts,
        facts,
        (_PROFILE, facts.c.profile_id, _NO_TEXT),
        facts.c.event_id,
        facts.c.event_at,
        facts.c.event_id,
        (facts.c.kind, facts.c.video_id, facts.c.value, facts.c.attribution),
        lambda kind, video_id, value, attribution: event_value(
            kind, video_id, value, decode_value(attribution)
        ),
    )


def _documents() -> FactTable:
    facts = document_fact
    return FactTable(
        FactKind.DOCUMENT,
        facts,
        facts,
        (_NOTHING, _NOTHING, facts.c.collection),
        facts.c.name,
        facts.c.valid_from,
        None,
        (facts.c.schema_version, facts.c.body),
        lambda schema_version, body: document_value(schema_version, decode_value(body)),
    )


def _logged_pages() -> FactTable:
    facts = logged_page
    return FactTable(
        FactKind.LOGGED_PAGE,
        facts,
        facts,
        (_PROFILE, facts.c.profile_id, _NO_TEXT),
        _NO_TEXT,
        facts.c.shown_at,
        None,
        (facts.c.device, facts.c.context, facts.c.page_digest),
        lambda device, context, page_digest: page_value(
            device, json.loads(context), page_digest
        ),
    )


FACT_TABLES: Final = {
    table.kind: table
    for table in (
        _features(),
        _attributes(FactKind.ATTRIBUTE),
        _attributes(FactKind.ALLOCATION),
        _availability(),
        _events(),
        _documents(),
        _logged_pages(),
    )
}
"""How each kind of fact is read."""
