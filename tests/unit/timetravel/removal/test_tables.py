"""Every table with facts is reached by erasure and by retention."""

from __future__ import annotations

from typing import TYPE_CHECKING

from timetravel.database.registry import read_registry
from timetravel.database.schema import erased_profile, logged_page, metadata
from timetravel.removal import erasure, retention

if TYPE_CHECKING:
    from timetravel.store import Store


def test_erasure_reaches_every_table_that_names_a_profile(store: Store) -> None:
    with store.engine.connect() as connection:
        registry = read_registry(connection)
    reached = {table.name for table, _ in erasure._rows_about([1], registry)}
    naming = {
        table.name
        for table in metadata.tables.values()
        if {"profile_id", "entity_id"} & {*table.columns.keys()}
    }
    assert reached == naming - {erased_profile.name}  # which keeps that they were erased


def test_retention_reaches_every_table_of_facts() -> None:
    reached = {table.name for table in (*retention._HOLDING, *retention._IDENTIFIED)}
    facts = {name for name in metadata.tables if name.endswith("_fact")}
    assert reached == facts | {logged_page.name}
