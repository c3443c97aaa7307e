"""run.json: the record of a run, what it pinned, and its state."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from core.atomic_files import atomic_file
from core.moments import format_moment
from experiments.errors import RunNotFound
from experiments.metrics.options import MeasuredRun
from experiments.report.description import RunDescription, VariantDescription, VariantYield
from experiments.runs.page_yield import find_most_frequent
from experiments.spec import ExperimentSpec, read_document

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from experiments.generation.partitions import Partition
    from experiments.queue.chunk_queue import DoneChunk
    from timetravel.facts.model import JsonValue

RECORD_FILE = "run.json"
_FORMAT = 1


class RunState(StrEnum):
    """Say how far a run came."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PartitionRecord:
    """Count what a partition made.

    `seconds` includes starting and stopping its stack; `reason` is the most frequent one of
    its failures.
    """

    partition_id: str
    variant: str
    as_of: str
    pages: int
    failures: int
    seconds: float
    reason: str = ""

    @classmethod
    def of(
        cls, partition: Partition, done: Sequence[DoneChunk], seconds: float
    ) -> PartitionRecord:
        """Return the record of a partition all of whose chunks are done."""
        reasons: Counter[str] = sum((Counter(one.failures) for one in done), Counter())
        return cls(
            partition_id=partition.partition_id,
            variant=partition.variant.name,
            as_of=format_moment(partition.slice.as_of_micros),
            pages=sum(one.pages for one in done),
            failures=reasons.total(),
            reason=find_most_frequent(reasons)[0],
            seconds=seconds,
        )


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Record a run.

    Args:
        experiment: The experiment file, as `ExperimentSpec.to_document` gives it.
        store: The store's URL without password.
        snapshot: Append position that every variant read up to.
        version: Of pagesim.
        started_at: RFC 3339.
        upkeep: The newest erasure of the store when the run began to read.
        population: Profiles that the scope could draw from, by stratum; empty in records of
            before it was counted.
        state: How far it came.
        reason: Why it failed; empty otherwise.
        ended_at: RFC 3339; empty while it runs.
        partitions: Those that are done.
    """

    experiment: Mapping[str, JsonValue]
    store: str
    snapshot: int
    version: str
    started_at: str
    upkeep: int = 0
    population: Mapping[str, int] = field(default_factory=dict)
    state: RunState = RunState.RUNNING
    reason: str = ""
    ended_at: str = ""
    partitions: tuple[PartitionRecord, ...] = ()

    @property
    def pages(self) -> int:
        """Pages asked for so far."""
        return sum(partition.pages for partition in self.partitions)

    @property
    def failures(self) -> int:
        """Pages that could not be made."""
        return sum(partition.failures for partition in self.partitions)

    @property
    def yields(self) -> tuple[VariantYield, ...]:
        """What was made of each variant so far, control first."""
        return tuple(
            VariantYield(
                name,
                sum(own.pages for own in partitions),
                sum(own.failures for own in partitions),
                max(partitions, key=lambda own: own.failures).reason,
            )
            for name in (variant.name for variant in self.spec.variants)
            if (partitions := [own for own in self.partitions if own.variant == name])
        )

    @property
    def spec(self) -> ExperimentSpec:
        """The experiment."""
        return read_document(self.experiment)

    def describe(self, directory: Path) -> RunDescription:
        """Return what metrics and reports need to know of the run."""
        spec = self.spec
        return RunDescription(
            name=spec.name,
            description=spec.description,
            variants=tuple(
                VariantDescription(variant.name, variant.description, variant.configuration)
                for variant in spec.variants
            ),
            measured=MeasuredRun(
                directory,
                tuple(variant.name for variant in spec.variants),
                self.snapshot,
                spec.known_by_micros,
                self.population,
            ),
            asked=self.pages,
            failures=self.failures,
            yields=self.yields,
            experiment=self.experiment,
            store=self.store,
            version=self.version,
            started_at=self.started_at,
        )

    def has(self, partition: Partition) -> bool:
        """Return whether a partition is done."""
        return any(
            (one.variant, one.partition_id) == (partition.variant.name, partition.partition_id)
            for one in self.partitions
        )

    def add(self, partition: PartitionRecord) -> RunRecord:
        """Return the record with one more partition done."""
        return replace(self, partitions=(*self.partitions, partition))

    def to_json(self) -> str:
        """Return the text of the file."""
        document = {"format": _FORMAT, **asdict(self)}
        document |= {"pages": self.pages, "failures": self.failures}
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def write_record(directory: Path, record: RunRecord) -> None:
    """Write the record of a run, whole or not at all."""
    with atomic_file(directory / RECORD_FILE) as unfinished:
        unfinished.write_text(record.to_json(), encoding="utf-8")


def read_record(directory: Path) -> RunRecord:
    """Return the record of a run.

    Raises:
        RunNotFound: The directory holds none, or one of another format.
    """
    path = directory / RECORD_FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise RunNotFound(
            f"{directory} holds no {RECORD_FILE}.",
            remedy="Give the directory that `pagesim run` has written.",
            field="run",
        ) from None
    if document.pop("format", None) != _FORMAT:
        raise RunNotFound(
            f"{path} is of another format than {_FORMAT}.",
            remedy="Read it with the pagesim that wrote it.",
            field="run",
        )
    for derived in ("pages", "failures"):
        document.pop(derived)
    document["state"] = RunState(document["state"])
    document["partitions"] = tuple(
        PartitionRecord(**partition) for partition in document["partitions"]
    )
    return RunRecord(**document)
