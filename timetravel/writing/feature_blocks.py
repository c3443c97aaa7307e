"""Feature facts as sorted columns, as they are written."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from timetravel.errors import ContradictingFacts, InvalidFact
from timetravel.facts.feature_batch import FeatureBatch, show_values
from timetravel.facts.model import Op

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from core.arrays import BoolArray, Float32Array, Int8Array, Int64Array
    from timetravel.database.registry import RegisteredGroup, Registry
    from timetravel.facts.model import FeatureFact

_FLOAT: Final = np.dtype("<f4")


@dataclass(frozen=True, slots=True, eq=False)
class FeatureBlock:
    """Rows of the table feature_fact, of one group and schema version, sorted by key.

    The columns are those of `FeatureBatch`; no key comes twice.
    """

    group_id: int
    schema_version: int
    entity_ids: Int64Array
    valid_from: Int64Array
    known_at: Int64Array
    ops: Int8Array
    values: Float32Array

    def __len__(self) -> int:
        return len(self.entity_ids)

    def take(self, places: NDArray[np.intp]) -> FeatureBlock:
        """Return the rows at places."""
        return FeatureBlock(
            self.group_id,
            self.schema_version,
            self.entity_ids[places],
            self.valid_from[places],
            self.known_at[places],
            self.ops[places],
            self.values[places],
        )

    def vectors(self) -> list[bytes | None]:
        """Return each row's vector as stored, None where nothing is asserted."""
        width = self.values.shape[1] * _FLOAT.itemsize
        joined = self.values.tobytes()
        vectors: list[bytes | None] = [
            joined[start : start + width] for start in range(0, len(joined), width)
        ]
        for place in np.flatnonzero(self.ops != Op.ASSERT).tolist():
            vectors[place] = None
        return vectors

    def lengths(self) -> Int64Array:
        """Return the bytes of each row's vector, -1 where there is none."""
        width = self.values.shape[1] * _FLOAT.itemsize
        return np.where(self.ops == Op.ASSERT, width, -1).astype(np.int64)


def gather_facts(facts: Sequence[FeatureFact], registry: Registry) -> list[FeatureBatch]:
    """Return facts as one batch per group, in no order.

    Raises:
        UnknownFeatureGroup: A fact names a group that nobody registered.
        InvalidFact: A vector has not as many values as its group has fields, or an infinity.
    """
    by_group: dict[str, list[FeatureFact]] = defaultdict(list)
    for fact in facts:
        by_group[fact.group].append(fact)
    return [_gather(registry[name], found) for name, found in by_group.items()]


def to_blocks(batches: Iterable[FeatureBatch], registry: Registry) -> list[FeatureBlock]:
    """Return batches as sorted blocks, by group and schema version; repetitions fall together.

    Raises:
        UnknownFeatureGroup: A batch names a group that nobody registered.
        InvalidFact: A batch has another width than its schema version, or that is unknown.
        ContradictingFacts: Two rows have one key and differ.
    """
    by_version: dict[tuple[int, int], list[FeatureBatch]] = defaultdict(list)
    names: dict[int, str] = {}
    for batch in batches:
        registered = registry[batch.group]
        version = check_width(registered, batch.schema_version, batch.values.shape[1])
        names[registered.group_id] = batch.group
        if len(batch):
            by_version[registered.group_id, version].append(batch)
    blocks = [
        _sort(group_id, version, found, names[group_id])
        for (group_id, version), found in sorted(by_version.items())
    ]
    _check_across_versions(blocks, names)
    return blocks


def check_width(registered: RegisteredGroup, schema_version: int | None, width: int) -> int:
    """Return the schema version of vectors of this width.

    Raises:
        InvalidFact: There is no such version, or it has another number of fields.
    """
    group = registered.group
    version = group.schema_version if schema_version is None else schema_version
    fields = registered.fields_by_version.get(version)
    if fields is None:
        raise InvalidFact(
            f"{group.name} has no schema version {version}.",
            remedy=f"Register it, or give one of {sorted(registered.fields_by_version)}.",
            field="schema_version",
        )
    if width != len(fields):
        raise InvalidFact(
            f"A vector of {group.name} has {width} values for {len(fields)} fields.",
            remedy=f"Give {', '.join(fields)}, in this order.",
            field="values",
        )
    return version


def _gather(registered: RegisteredGroup, facts: Sequence[FeatureFact]) -> FeatureBatch:
    width = len(registered.group.fields)
    values = np.full((len(facts), width), np.nan, np.float32)
    for place, fact in enumerate(facts):
        if fact.values is not None:
            if len(fact.values) != width:
                check_width(registered, None, len(fact.values))
            values[place] = fact.values
    return FeatureBatch(
        registered.group.name,
        np.array([fact.entity_id for fact in facts], np.int64),
        np.array([fact.valid_from for fact in facts], np.int64),
        np.array([fact.known_at for fact in facts], np.int64),
        np.array([fact.op for fact in facts], np.int8),
        values,
    )


def _sort(
    group_id: int, version: int, batches: Sequence[FeatureBatch], name: str
) -> FeatureBlock:
    entity_ids, valid_from, known_at = keys = (
        _join([batch.entity_ids for batch in batches]),
        _join([batch.valid_from for batch in batches]),
        _join([batch.known_at for batch in batches]),
    )
    ops = _join([batch.ops for batch in batches])
    values = np.ascontiguousarray(_join([batch.values for batch in batches]), _FLOAT)
    block = FeatureBlock(group_id, version, entity_ids, valid_from, known_at, ops, values)
    if _ascends(*keys):  # as it does where somebody sorted a file
        return block
    order = np.lexsort((known_at, valid_from, entity_ids))
    same = np.flatnonzero(_equals_next(*(key[order] for key in keys)))
    _check_repeats(block, order[same], order[same + 1], name)
    return block.take(np.delete(order, same))


def _check_repeats(
    block: FeatureBlock, here: NDArray[np.intp], there: NDArray[np.intp], name: str
) -> None:
    """Refuse rows whose keys are equal and which differ."""
    # Bit for bit: a NaN repeats a NaN.
    bits = block.values.view(np.uint32)
    differs = (block.ops[here] != block.ops[there]) | np.any(bits[here] != bits[there], axis=1)
    if differs.any():
        first = int(np.flatnonzero(differs)[0])
        one, other = (
            (int(block.ops[row]), show_values(block.values[row]))
            for row in (here[first], there[first])
        )
        columns = (block.entity_ids, block.valid_from, block.known_at)
        key = tuple(int(column[here[first]]) for column in columns)
        raise _contradiction(name, key, one, other)


def _join(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _ascends(*keys: Int64Array) -> bool:
    """Return whether every row's key is greater than that of the row before."""
    greater = np.zeros(max(len(keys[0]) - 1, 0), np.bool_)
    for key in reversed(keys):
        greater = (key[1:] > key[:-1]) | ((key[1:] == key[:-1]) & greater)
    return bool(greater.all())


def _check_across_versions(blocks: Sequence[FeatureBlock], names: Mapping[int, str]) -> None:
    """Refuse one key under two schema versions: it would be a matter of luck which is read."""
    versions = Counter(block.group_id for block in blocks)
    seen: dict[tuple[int, ...], int] = {}
    for block in blocks:
        if versions[block.group_id] == 1:
            continue
        columns = (block.entity_ids, block.valid_from, block.known_at)
        for key in zip(*(column.tolist() for column in columns), strict=True):
            earlier = seen.setdefault((block.group_id, *key), block.schema_version)
            if earlier != block.schema_version:
                raise _contradiction(
                    names[block.group_id],
                    key,
                    f"schema version {earlier}",
                    f"schema version {block.schema_version}",
                )


def _contradiction(
    name: str, key: tuple[int, ...], one: object, other: object
) -> ContradictingFacts:
    return ContradictingFacts(
        f"Two facts of {name} have the key {key} and differ: {one} and {other}.",
        remedy="Give the one that holds a later known_at.",
        field="facts",
    )


def _equals_next(*columns: Int64Array) -> BoolArray:
    equal = np.ones(max(len(columns[0]) - 1, 0), np.bool_)
    for column in columns:
        equal &= column[1:] == column[:-1]
    return equal
