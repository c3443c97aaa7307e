"""Codec of logged features: their columns in one compressed value.

Layout before compression, n entities: entity_ids, known_at and valid_from as little-endian
int64[n] one after the other, then values as little-endian float32[n, fields].
"""

from __future__ import annotations

import zlib
from typing import Final

import numpy as np

from timetravel.facts.model import LoggedFeatures

_INTEGER: Final = np.dtype("<i8")
_FLOAT: Final = np.dtype("<f4")
_FASTEST: Final = 1


def encode_logged_features(features: LoggedFeatures) -> bytes:
    """Return the columns as stored."""
    integers = [features.entity_ids, features.known_at, features.valid_from]
    columns = [column.astype(_INTEGER).tobytes() for column in integers]
    columns.append(features.values.astype(_FLOAT).tobytes())
    return zlib.compress(b"".join(columns), _FASTEST)


def decode_logged_features(group: str, entities: int, stored: bytes) -> LoggedFeatures:
    """Return the columns of so many entities."""
    columns = zlib.decompress(stored)
    integers = np.frombuffer(columns, dtype=_INTEGER, count=3 * entities).astype(np.int64)
    values = np.frombuffer(columns, dtype=_FLOAT, offset=integers.nbytes).astype(np.float32)
    entity_ids, known_at, valid_from = integers.reshape(3, entities)
    width = values.size // entities if entities else 0
    return LoggedFeatures(
        group, entity_ids, values.reshape(entities, width), known_at, valid_from
    )
