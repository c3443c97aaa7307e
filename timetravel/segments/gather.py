"""Gathers rows in key order into the arrays of a segment."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from core.arrays import Float32Array, Int64Array
from timetravel.segments.columns import Texts, Versions
from timetravel.segments.search import NOTHING

if TYPE_CHECKING:
    from collections.abc import Sequence

Allocate: TypeAlias = Callable[[str, tuple[int, int]], Float32Array]
"""Makes a matrix under a name; it is filled row by row."""


def allocate_in_memory(_name: str, shape: tuple[int, int]) -> Float32Array:
    """Return a matrix in memory."""
    return np.empty(shape, np.float32)


class Keys:
    """Turns one ascending key per version into keys and offsets."""

    def __init__(self) -> None:
        self._keys = [np.empty(0, np.int64)]
        self._counts = [np.empty(0, np.int64)]

    def extend(self, identities: Sequence[int]) -> None:
        """Add the keys of the versions that come next."""
        keys, counts = np.unique(np.asarray(identities, np.int64), return_counts=True)
        if len(self._keys[-1]) and len(keys) and self._keys[-1][-1] == keys[0]:
            self._counts[-1][-1] += counts[0]
            keys, counts = keys[1:], counts[1:]
        if len(keys):
            self._keys.append(keys)
            self._counts.append(counts.astype(np.int64))

    def arrays(self) -> tuple[Int64Array, Int64Array]:
        """Return the keys and the offsets of their versions."""
        keys = np.concatenate(self._keys)
        offsets = np.zeros(len(keys) + 1, np.int64)
        np.cumsum(np.concatenate(self._counts), out=offsets[1:])
        return keys, offsets


class TextTable:
    """Gathers versions whose values are texts."""

    def __init__(self) -> None:
        self._identities: list[int] = []
        self._valid_from: list[int] = []
        self._known_at: list[int] = []
        self._ops: list[int] = []
        self._codes: list[int] = []
        self._texts: dict[str, int] = {}

    def append(
        self, identity: int, valid_from: int, known_at: int, op: int, text: str | None
    ) -> None:
        """Add the version that comes next."""
        self._identities.append(identity)
        self._valid_from.append(valid_from)
        self._known_at.append(known_at)
        self._ops.append(op)
        code = NOTHING if text is None else self._texts.setdefault(text, len(self._texts))
        self._codes.append(code)

    def texts(self) -> Texts:
        """Return the arrays."""
        keys = Keys()
        keys.extend(self._identities)
        encoded = [text.encode() for text in self._texts]
        offsets = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum([len(text) for text in encoded], out=offsets[1:])
        return Texts(
            Versions(
                *keys.arrays(),
                np.array(self._valid_from, np.int64),
                np.array(self._known_at, np.int64),
                np.array(self._ops, np.int8),
            ),
            np.array(self._codes, np.int32),
            np.frombuffer(bytearray(b"".join(encoded)), np.uint8),
            offsets,
        )
