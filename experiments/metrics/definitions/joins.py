"""Joins that name every column once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import ibis.expr.types as ir


def attach(left: ir.Table, right: ir.Table, on: Sequence[str]) -> ir.Table:
    """Return the columns of both where the columns `on` agree."""
    return _joined(left, right, on, "inner")


def attach_if_any(left: ir.Table, right: ir.Table, on: Sequence[str]) -> ir.Table:
    """Return every record of the left with the right's columns, null where there is none."""
    return _joined(left, right, on, "left")


def _joined(left: ir.Table, right: ir.Table, on: Sequence[str], how: str) -> ir.Table:
    # A view and a closing projection: Ibis confuses the columns of one table that comes
    # into a chain of joins twice.
    right = right.view()
    predicates = [left[name] == right[name] for name in on]
    chain = left.join(right, predicates, how=how, rname="{name}_right")
    added = [name for name in right.columns if name not in on]
    return chain.select(*left.columns, *added)
