"""Page requests and pages: nested for people, in columns for batches."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from core.grpc_status import shorten
from core.moments import EARLIEST_MICROS
from services.errors import InvalidPages
from services.page.ranges import starts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import grpc

    from core.arrays import Float32Array, Int64Array
    from core.errors import PagesimError


DIGEST_BYTES = 32
"""Bytes of a page digest (SHA-256)."""


class RowType(IntEnum):
    """Say where a row's candidates come from; numbers equal `pagesim.page.v1.RowType`."""

    CONTINUE_WATCHING = 1
    MY_LIST = 2
    TOP_PICKS = 3
    BECAUSE_YOU_WATCHED = 4
    TRENDING = 5
    TOP_TEN = 6
    NEW = 7
    POPULAR = 8
    GENRE = 9
    EDITORIAL = 10

    @property
    def label(self) -> str:
        """Return the name used in documents and tables, e.g. "top_ten"."""
        return self.name.lower()


class RowOrdering(IntEnum):
    """Say how videos stand in a row; numbers equal `pagesim.page.v1.RowOrdering`."""

    MODEL = 1
    GIVEN = 2

    @property
    def label(self) -> str:
        """Return the name used in documents, e.g. "model"."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Geometry:
    """Say how much of a page a device shows, in rows and videos of a row."""

    rows: int
    columns: int
    viewport_rows: int
    viewport_columns: int

    def __post_init__(self) -> None:
        if not (1 <= self.viewport_rows <= self.rows) or not (
            1 <= self.viewport_columns <= self.columns
        ):
            raise InvalidPages(
                f"A viewport of {self.viewport_rows} x {self.viewport_columns} does not lie "
                f"within a page of {self.rows} x {self.columns}.",
                remedy="Keep 1 <= viewport_rows <= rows and 1 <= viewport_columns <= columns.",
                field="geometry",
            )


@dataclass(frozen=True, slots=True)
class PageVideo:
    """Place one video in a row; the title is for people and may be empty."""

    video_id: int
    score: float
    title: str = ""


@dataclass(frozen=True, slots=True)
class PageRow:
    """Place one row on a page, its videos from left to right."""

    row_id: str
    type: RowType
    title: str
    videos: tuple[PageVideo, ...]
    score: float


@dataclass(frozen=True, slots=True)
class Page:
    """Show one homepage, its rows from top to bottom."""

    profile_id: int
    as_of_micros: int
    device: str
    rows: tuple[PageRow, ...]
    geometry: Geometry


@dataclass(frozen=True, slots=True, eq=False)
class PageRequests:
    """Ask for pages: one profile, moment (microseconds) and device for each.

    An empty device means the configuration's default. Arrays are int64 of one length.
    """

    profile_ids: Int64Array
    as_of_micros: Int64Array
    devices: tuple[str, ...]

    def __post_init__(self) -> None:
        lengths = {len(self.profile_ids), len(self.as_of_micros), len(self.devices)}
        if len(lengths) != 1:
            raise InvalidPages(
                f"{len(self.profile_ids)} profiles, {len(self.as_of_micros)} moments and "
                f"{len(self.devices)} devices are not one batch.",
                remedy="Give one of each for every page.",
                field="pages",
            )
        for name in ("profile_ids", "as_of_micros"):
            object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name), np.int64))

    def __len__(self) -> int:
        return len(self.devices)

    @classmethod
    def of(cls, pages: Sequence[tuple[int, int, str]]) -> PageRequests:
        """Return the requests of (profile id, as-of in microseconds, device) triples."""
        return cls(
            profile_ids=np.array([page[0] for page in pages], np.int64),
            as_of_micros=np.array([page[1] for page in pages], np.int64),
            devices=tuple(page[2] for page in pages),
        )

    def on(self, devices: tuple[str, ...]) -> PageRequests:
        """Return the requests on other devices."""
        return PageRequests(self.profile_ids, self.as_of_micros, devices)

    def take(self, indexes: Int64Array) -> PageRequests:
        """Return the requests at the given places, in that order."""
        return PageRequests(
            profile_ids=self.profile_ids[indexes],
            as_of_micros=self.as_of_micros[indexes],
            devices=tuple(self.devices[int(index)] for index in indexes),
        )


class SeenPolicy(IntEnum):
    """Say whether a row shows videos that the profile has seen; numbers as in the proto."""

    EXCLUDE = 1
    DEMOTE = 2
    ALLOW = 3

    @property
    def label(self) -> str:
        """Return the name that configurations use."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class RowDefinition:
    """Describe one row that a page may show; see `pagesim.page.v1.RowDefinition`."""

    row_id: str
    type: RowType
    title: str
    ordering: RowOrdering
    prior: float = 0.0
    genre: str = ""
    video_ids: tuple[int, ...] = ()
    seen: SeenPolicy = SeenPolicy.EXCLUDE


@dataclass(frozen=True, slots=True)
class RowLabel:
    """Name a row of finished pages: which row, what kind, and its heading."""

    row_id: str
    type: RowType
    title: str


@dataclass(frozen=True, slots=True)
class PageFailure:
    """Say why one page of a batch could not be made; the cause stays in its process."""

    index: int
    code: grpc.StatusCode
    message: str
    cause: PagesimError | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, index: int, error: PagesimError) -> PageFailure:
        """Return the failure of the page at a place, for an error."""
        return cls(index, error.status, shorten(str(error)), error)

    @property
    def reason(self) -> str:
        """The code and the message, as runs record and count them."""
        return f"{self.code.name}: {self.message}"


@dataclass(frozen=True, slots=True, eq=False)
class AssembledPages:
    """Hold a batch of finished pages in columns.

    Args:
        requests: What was asked, with devices resolved to those of the configuration.
        geometries: Geometry of each page; None for a failed one.
        row_counts: int64[pages], rows of each page; 0 for a failed one.
        labels: The distinct labels of rows in the batch.
        row_indexes: int64[rows], place of each row's label in `labels`, page-major.
        row_scores: float32[rows].
        video_counts: int64[rows], videos of each row.
        video_ids: int64[videos], left to right, concatenated.
        scores: float32[videos].
        digests: SHA-256 (hexadecimal) of each page's canonical bytes; "" for a failed one.
        newest_known_at: int64[pages], newest `known_at` used in microseconds.
        failures: Pages that could not be made, by ascending index.
    """

    requests: PageRequests
    geometries: tuple[Geometry | None, ...]
    row_counts: Int64Array
    labels: tuple[RowLabel, ...]
    row_indexes: Int64Array
    row_scores: Float32Array
    video_counts: Int64Array
    video_ids: Int64Array
    scores: Float32Array
    digests: tuple[str, ...]
    newest_known_at: Int64Array
    failures: tuple[PageFailure, ...]
    _row_starts: Int64Array = field(init=False, repr=False)
    _video_starts: Int64Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        pages, rows, videos = len(self.requests), len(self.row_indexes), len(self.video_ids)
        adds_up = (
            len(self.geometries) == len(self.row_counts) == pages
            and len(self.digests) == len(self.newest_known_at) == pages
            and len(self.row_scores) == len(self.video_counts) == rows
            and int(self.row_counts.sum()) == rows
            and int(self.video_counts.sum()) == videos == len(self.scores)
        )
        if not adds_up:
            raise InvalidPages(
                f"Columns of {pages} pages, {rows} rows and {videos} videos do not add up.",
                remedy="Report this: the assembler answered with a broken batch.",
            )
        object.__setattr__(self, "_row_starts", starts(self.row_counts))
        object.__setattr__(self, "_video_starts", starts(self.video_counts))

    @classmethod
    def failed(cls, requests: PageRequests, failures: Sequence[PageFailure]) -> AssembledPages:
        """Return a batch of which every page failed, each with its reason."""
        nothing = np.empty(0, np.int64)
        return cls(
            requests=requests,
            geometries=(None,) * len(requests),
            row_counts=np.zeros(len(requests), np.int64),
            labels=(),
            row_indexes=nothing,
            row_scores=np.empty(0, np.float32),
            video_counts=nothing,
            video_ids=nothing,
            scores=np.empty(0, np.float32),
            digests=("",) * len(requests),
            newest_known_at=np.full(len(requests), EARLIEST_MICROS, np.int64),
            failures=tuple(failures),
        )

    def __len__(self) -> int:
        return len(self.requests)

    def page(self, index: int) -> Page:
        """Return one page, without video titles.

        Raises:
            InvalidPages: That page failed.
        """
        geometry = self.geometries[index]
        if geometry is None:
            raise InvalidPages(
                f"Page {index} of the batch failed.",
                remedy="Look it up in `failures`.",
            )
        first, last = int(self._row_starts[index]), int(self._row_starts[index + 1])
        return Page(
            profile_id=int(self.requests.profile_ids[index]),
            as_of_micros=int(self.requests.as_of_micros[index]),
            device=self.requests.devices[index],
            rows=tuple(self._row(row) for row in range(first, last)),
            geometry=geometry,
        )

    def pages(self) -> Iterator[Page]:
        """Yield the pages that were made, in the order of the requests."""
        for index, geometry in enumerate(self.geometries):
            if geometry is not None:
                yield self.page(index)

    def row_range(self, index: int) -> slice:
        """Return where the rows of one page stand in the row columns."""
        return slice(int(self._row_starts[index]), int(self._row_starts[index + 1]))

    def video_range(self, row: int) -> slice:
        """Return where the videos of one row stand in the video columns."""
        return slice(int(self._video_starts[row]), int(self._video_starts[row + 1]))

    def _row(self, row: int) -> PageRow:
        label = self.labels[int(self.row_indexes[row])]
        videos = self.video_range(row)
        return PageRow(
            row_id=label.row_id,
            type=label.type,
            title=label.title,
            videos=tuple(
                PageVideo(video_id=video_id, score=score)
                for video_id, score in zip(
                    self.video_ids[videos].tolist(), self.scores[videos].tolist(), strict=True
                )
            ),
            score=float(self.row_scores[row]),
        )
