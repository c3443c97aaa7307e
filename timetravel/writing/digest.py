"""Digests of transactions, chained, so that one digest identifies a store's content.

Transaction n has the digest of transaction n - 1 and of its own rows: two stores with one
digest at n have had the same facts appended up to n, whoever made them and whenever.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from timetravel.database.schema import feature_fact
from timetravel.facts.model import Op

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from timetravel.writing.feature_blocks import FeatureBlock
    from timetravel.writing.records import Records

EMPTY: Final = "0" * 64
"""The digest of a store without any transaction."""


def chain(before: str, content: bytes) -> str:
    """Return the digest of a transaction: 64 hex digits of SHA-256."""
    return hashlib.sha256(bytes.fromhex(before) + content).hexdigest()


def digest_records(records: Records, tx_id: int) -> bytes:
    """Return the SHA-256 of the rows of one append by table, in their order."""
    digest = hashlib.sha256()
    tables = {table.name: table for table in records.rows}
    for name in sorted([*tables, *([feature_fact.name] if records.features else [])]):
        if name == feature_fact.name:
            _add_features(digest, records.features, tx_id)
            continue
        table = tables[name]
        digest.update(f"{name} {len(records.rows[table])}\n".encode())
        columns = zip(*records.rows[table], strict=True)
        for column, values in zip(table.columns, columns, strict=True):
            _add(digest, column.type.python_type, values)
    return digest.digest()


def _add_features(digest: hashlib._Hash, blocks: Sequence[FeatureBlock], tx_id: int) -> None:
    digest.update(f"{feature_fact.name} {sum(map(len, blocks))}\n".encode())
    columns: list[list[ArrayLike]] = [
        [np.full(len(block), block.group_id) for block in blocks],
        [block.entity_ids for block in blocks],
        [block.valid_from for block in blocks],
        [block.known_at for block in blocks],
        [np.full(len(block), tx_id) for block in blocks],
        [block.ops for block in blocks],
        [np.full(len(block), block.schema_version) for block in blocks],
        [block.lengths() for block in blocks],
    ]
    for parts in columns:
        for part in parts:
            digest.update(np.asarray(part, "<i8").tobytes())
    for block in blocks:
        digest.update(block.values[block.ops == Op.ASSERT].tobytes())


def _add(digest: hashlib._Hash, kind: type, values: Sequence[Any]) -> None:
    # Column by column: several times faster than value by value.
    if kind is int:
        digest.update(np.array(values, "<i8").tobytes())
    elif kind is float:
        digest.update(np.array(values, "<f8").tobytes())  # None becomes NaN, which no fact is
    elif kind is bytes:
        lengths = [-1 if value is None else len(value) for value in values]
        digest.update(np.array(lengths, "<i8").tobytes())
        digest.update(b"".join([value for value in values if value is not None]))
    else:
        digest.update(json.dumps(values).encode())
