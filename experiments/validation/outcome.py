"""The result of a validation, and its files."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from core.atomic_files import atomic_file
from core.moments import EARLIEST_MICROS, format_moment
from experiments.validation.pages import Stage
from timetravel.facts.model import EntityKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from experiments.generation.lineage import PageLeak
    from experiments.validation.features import FeatureMismatch, FieldCount, NameEntity
    from timetravel.reading.lineage import Leak

_MOMENT = pa.timestamp("us", "UTC")


@dataclass(frozen=True, slots=True)
class PageCheck:
    """Hold one simulated control page against the logged one; moments in microseconds.

    `reads_future` says whether the page used anything that became known after its as-of, or
    after the moment that the validation reads facts by.
    """

    page_id: str
    profile_id: int
    shown_at: int
    device: str
    logged_digest: str
    simulated_digest: str
    difference: Stage | None
    newest_known_at: int
    reads_future: bool
    failure: str = ""

    @property
    def is_identical(self) -> bool:
        """Return whether the pages are equal byte for byte."""
        return self.difference is None


@dataclass(frozen=True, slots=True)
class ValidationOutcome:
    """Hold what a validation found.

    Args:
        checks: One per logged page, by moment and profile.
        fields: Feature values counted by group and field.
        mismatches: Feature values that differ, by moment and profile of their page.
        leaks: What was used before it was known: features that were read back, and pages.
        snapshot: Append position up to which facts were read.
        known_by_micros: What facts were read by; None means each page's as-of.
        threshold: Shares below this fail.
    """

    checks: tuple[PageCheck, ...]
    fields: tuple[FieldCount, ...]
    mismatches: tuple[FeatureMismatch, ...]
    leaks: tuple[Leak | PageLeak, ...]
    snapshot: int
    known_by_micros: int | None
    threshold: float

    @property
    def identical_pages(self) -> int:
        """Pages that are equal byte for byte."""
        return sum(check.is_identical for check in self.checks)

    @property
    def page_share(self) -> float:
        """Share of pages that are equal."""
        return self.identical_pages / len(self.checks)

    @property
    def values(self) -> int:
        """Feature values that were logged."""
        return sum(field.values for field in self.fields)

    @property
    def identical_values(self) -> int:
        """Feature values that were read back bit by bit."""
        return sum(field.identical for field in self.fields)

    @property
    def value_share(self) -> float | None:
        """Share of feature values that are equal, None if none was logged."""
        return self.identical_values / self.values if self.values else None

    @property
    def pages_with_mismatches(self) -> int:
        """Pages of which a logged feature value was not read back."""
        return len({(mismatch.profile_id, mismatch.shown_at) for mismatch in self.mismatches})

    @property
    def future_reads(self) -> int:
        """Pages that used something not yet known."""
        return sum(check.reads_future for check in self.checks)

    @property
    def differences(self) -> Mapping[Stage, int]:
        """Pages by the stage at which they first differ."""
        found = Counter(check.difference for check in self.checks if check.difference)
        return {stage: found[stage] for stage in Stage if stage in found}

    @property
    def passes(self) -> bool:
        """Return whether both shares reach the threshold and nothing used the future."""
        shares = [
            self.page_share,
            *([self.value_share] if self.value_share is not None else []),
        ]
        return min(shares) >= self.threshold and not self.leaks


def summarise(outcome: ValidationOutcome, name_entity: NameEntity) -> dict[str, object]:
    """Return the outcome as JSON-able values, with at most 20 mismatches as examples."""
    return {
        "passes": outcome.passes,
        "threshold": outcome.threshold,
        "snapshot": outcome.snapshot,
        "known_by": "as-of"
        if outcome.known_by_micros is None
        else format_moment(outcome.known_by_micros),
        "pages": len(outcome.checks),
        "profiles": len({check.profile_id for check in outcome.checks}),
        "identical_pages": outcome.identical_pages,
        "page_share": outcome.page_share,
        "first_differences": {
            stage.value: count for stage, count in outcome.differences.items()
        },
        "values": outcome.values,
        "identical_values": outcome.identical_values,
        "value_share": outcome.value_share,
        "fields": [{**asdict(field), "share": field.share} for field in outcome.fields],
        "pages_with_mismatches": outcome.pages_with_mismatches,
        "mismatches": [
            _describe(mismatch, name_entity) for mismatch in outcome.mismatches[:_EXAMPLES]
        ],
        "future_reads": outcome.future_reads,
        "leaks": [str(leak) for leak in outcome.leaks[:_EXAMPLES]],
    }


_EXAMPLES = 20


def _describe(mismatch: FeatureMismatch, name_entity: NameEntity) -> dict[str, object]:
    described = asdict(mismatch)
    return {
        **described,
        "profile_id": name_entity(EntityKind.PROFILE, mismatch.profile_id),
        "entity_kind": mismatch.entity_kind.name.lower(),
        "entity_id": name_entity(mismatch.entity_kind, mismatch.entity_id),
    }


def write_outcome(outcome: ValidationOutcome, directory: Path) -> None:
    """Write pages.parquet, features.parquet and mismatches.parquet into a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    pages = [
        {
            "page_id": check.page_id,
            "profile_id": check.profile_id,
            "shown_at": check.shown_at,
            "device": check.device,
            "logged_digest": check.logged_digest,
            "simulated_digest": check.simulated_digest,
            "identical": check.is_identical,
            "first_difference": check.difference.value if check.difference else None,
            "newest_known_at": _moment(check.newest_known_at),
            "reads_future": check.reads_future,
            "failure": check.failure or None,
        }
        for check in outcome.checks
    ]
    fields = [{**asdict(field), "share": field.share} for field in outcome.fields]
    mismatches = [
        {
            name: _moment(value) if name.endswith(("_at", "_from")) else value
            for name, value in asdict(mismatch).items()
            if name in _MISMATCHES.names
        }
        for mismatch in outcome.mismatches
    ]
    for name, records, schema in (
        ("pages", pages, _PAGES),
        ("features", fields, _FEATURES),
        ("mismatches", mismatches, _MISMATCHES),
    ):
        with atomic_file(directory / f"{name}.parquet") as unfinished:
            pq.write_table(pa.Table.from_pylist(records, schema), unfinished)


def _moment(micros: int) -> int | None:
    return None if micros == EARLIEST_MICROS else micros


_PAGES = pa.schema(
    [
        ("page_id", pa.string()),
        ("profile_id", pa.int64()),
        ("shown_at", _MOMENT),
        ("device", pa.string()),
        ("logged_digest", pa.string()),
        ("simulated_digest", pa.string()),
        ("identical", pa.bool_()),
        ("first_difference", pa.string()),
        ("newest_known_at", _MOMENT),
        ("reads_future", pa.bool_()),
        ("failure", pa.string()),
    ]
)
_FEATURES = pa.schema(
    [
        ("group", pa.string()),
        ("field", pa.string()),
        ("values", pa.int64()),
        ("identical", pa.int64()),
        ("share", pa.float64()),
    ]
)
_MISMATCHES = pa.schema(
    [
        ("profile_id", pa.int64()),
        ("shown_at", _MOMENT),
        ("group", pa.string()),
        ("field", pa.string()),
        ("entity_id", pa.int64()),
        ("logged", pa.float32()),
        ("simulated", pa.float32()),
        ("logged_known_at", _MOMENT),
        ("simulated_known_at", _MOMENT),
        ("logged_valid_from", _MOMENT),
        ("simulated_valid_from", _MOMENT),
    ]
)
