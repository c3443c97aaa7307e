"""Assembly over facts and the other stages: one bad page fails alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import grpc
import numpy as np

from core.errors import PagesimError
from core.moments import format_moment
from mesh.errors import ContradictingAsOf
from services.assembler.batch import assemble_batch
from services.assembler.finish import merge_pages
from services.assembler.page_faults import page_fault
from services.assembler.rows.catalogue import AssemblerCatalogue, AssemblerCatalogues
from services.assembler.rows.layout import LayoutCache
from services.errors import UnknownDevice
from services.page.model import AssembledPages, PageFailure
from services.shared_facts.epochs import Epoch, EpochCache, combine, group_by_epoch
from services.shared_facts.facts import CAPACITY
from services.shared_facts.profiles import read_profiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.arrays import Int64Array
    from services.assembler.stage_protocol import PageStages
    from services.page.configuration import GeometrySection
    from services.page.model import PageRequests
    from services.shared_facts.facts import KnownConfiguration, SharedFacts


class AssemblerStage:
    """Assemble pages, each at its own moment."""

    def __init__(self, facts: SharedFacts, stages: PageStages) -> None:
        self._facts = facts
        self._stages = stages
        self._layouts = LayoutCache()
        self._makers = AssemblerCatalogues()
        self._catalogues = EpochCache(self._load_catalogue, capacity=CAPACITY)

    def assemble(
        self, requests: PageRequests, *, latest_as_of_micros: int | None = None
    ) -> AssembledPages:
        """Return the pages; those that cannot be made stand in its failures.

        Args:
            requests: The pages.
            latest_as_of_micros: Pages of a later moment fail.

        Raises:
            PagesimError: The fault does not lie with single pages.
            grpc.RpcError: Likewise, told by a peer.
        """
        failures: list[PageFailure] = []
        if latest_as_of_micros is not None:
            for index in np.flatnonzero(requests.as_of_micros > latest_as_of_micros).tolist():
                moment = int(requests.as_of_micros[index])
                failures.append(PageFailure.of(index, _too_late(moment, latest_as_of_micros)))
        return _assemble_others(
            requests,
            failures,
            lambda indexes: self._assemble_or_halve(requests.take(indexes)),
        )

    def titles(self, video_ids: Int64Array, at: int) -> tuple[str, ...]:
        """Return the titles of videos at a moment; "" where one is not known."""
        return self._catalogues.at(at).value.titles_of(video_ids)

    def forget(self, *, momentary_only: bool = False) -> None:
        """Drop what was derived from facts."""
        self._catalogues.forget(momentary_only=momentary_only)

    def _load_catalogue(self, at: int) -> Epoch[AssemblerCatalogue]:
        rows = self._facts.catalogue.at(at)
        return combine(self._makers.make(rows.value), rows)

    def _assemble_or_halve(self, requests: PageRequests) -> AssembledPages:
        """Assemble the pages; where that fails, find those at fault by halving the batch."""
        try:
            return self._assemble(requests)
        except (PagesimError, grpc.RpcError) as error:
            fault = page_fault(error)
            if fault is None:
                raise
            if len(requests) == 1:
                return AssembledPages.failed(requests, [PageFailure.of(0, fault)])
        halves = np.array_split(np.arange(len(requests)), 2)
        return merge_pages(
            requests,
            [(half, self._assemble_or_halve(requests.take(half))) for half in halves],
        )

    def _assemble(self, requests: PageRequests) -> AssembledPages:
        moments = requests.as_of_micros
        parts = [
            (indexes, self._assemble_configured(requests.take(indexes), known))
            for known, indexes in group_by_epoch(moments, self._facts.configuration.at)
        ]
        return merge_pages(requests, parts)

    def _assemble_configured(
        self, requests: PageRequests, known: KnownConfiguration
    ) -> AssembledPages:
        """Assemble pages of one configuration, leaving out those that name nobody."""
        geometry = known.configuration.geometry
        requests = requests.on(
            tuple(device or geometry.default_device for device in requests.devices)
        )
        profiles = read_profiles(self._facts.reader, requests)
        failures = [
            PageFailure.of(index, fault)
            for index, device in enumerate(requests.devices)
            for fault in [profiles.find_fault(index) or _find_device_fault(device, geometry)]
            if fault is not None
        ]
        return _assemble_others(
            requests,
            failures,
            lambda indexes: assemble_batch(
                requests.take(indexes),
                profiles.take(indexes),
                known,
                self._facts.reader,
                self._catalogues,
                self._layouts,
                self._stages,
            ),
        )


def _assemble_others(
    requests: PageRequests,
    failures: list[PageFailure],
    assemble: Callable[[Int64Array], AssembledPages],
) -> AssembledPages:
    """Assemble the pages that have not failed, and put the others between them."""
    failed = np.array([failure.index for failure in failures], np.int64)
    others = np.setdiff1d(np.arange(len(requests)), failed)
    if not len(failed) and len(others):
        return assemble(others)
    renumbered = [replace(failure, index=place) for place, failure in enumerate(failures)]
    parts = [(failed, AssembledPages.failed(requests.take(failed), renumbered))]
    if len(others):
        parts.append((others, assemble(others)))
    return merge_pages(requests, parts)


def _too_late(moment: int, latest: int) -> ContradictingAsOf:
    return ContradictingAsOf(
        f"The page's as-of {format_moment(moment)} is later than the call's "
        f"{format_moment(latest)}.",
        remedy="Ask for an earlier moment, or use a stack with a later one.",
        field="as_of_micros",
    )


def _find_device_fault(device: str, geometry: GeometrySection) -> UnknownDevice | None:
    if device in geometry.devices:
        return None
    return UnknownDevice(
        f"{device!r} is not a device of the configuration.",
        remedy=f"Use one of {', '.join(sorted(geometry.devices))}.",
        field="devices",
    )
