"""What may be asked of a server: to take an experiment in, to tell how it is, to change it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from experiments.errors import InvalidRequest, WrongExperimentState
from experiments.notifications import open_channels
from experiments.queue.schema import ChunkState
from experiments.register.states import ExperimentState
from experiments.runs.beginning import adds_variants
from experiments.scope.known_names import read_known_names
from experiments.server.doors.status import (
    ExperimentHistory,
    ExperimentStatus,
    Progress,
    add_up,
)
from experiments.server.steps import PLAN
from experiments.spec.loading import find_file_mistakes, read_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from experiments.documents.mistakes import LocatedMistake
    from experiments.queue.chunk_queue import PartitionProgress
    from experiments.register.register import Experiment
    from experiments.server.settings import ServerSettings, Tables
    from experiments.spec import KnownNames
    from timetravel.store import Store

OWNER_CHARACTERS: Final = 100
TOLD_CHUNKS: Final = 100


class Administration:
    """Take experiments in, tell how they are, and change their states.

    Args:
        settings: Where what is.
        tables: Register and queue.
        store: Holds the facts that experiments read.
        draw_token: Returns 8 hexadecimal digits that no other experiment has.
        environment: Gives the addresses of channels.
    """

    def __init__(
        self,
        settings: ServerSettings,
        tables: Tables,
        store: Store,
        *,
        draw_token: Callable[[], str],
        environment: Mapping[str, str],
    ) -> None:
        self._settings = settings
        self._tables = tables
        self._store = store
        self._draw_token = draw_token
        self._environment = environment

    def validate(self, text: bytes) -> Sequence[LocatedMistake]:
        """Return every mistake in the bytes of an experiment file, by line."""
        return find_file_mistakes(text, self._read_names())

    def submit(self, text: bytes, name: str, owner: str) -> ExperimentStatus:
        """Take in an experiment.

        Args:
            text: The bytes of its file.
            name: What messages call the file.
            owner: Who submits it.

        Raises:
            InvalidSpec: The file describes no experiment; every mistake is named.
            ChannelNotGiven: The server has no address for a channel of the owners.
            InvalidRequest: The owner has no name, or none that can be shown.
        """
        if not (0 < len(owner) <= OWNER_CHARACTERS and owner.isprintable()):
            raise InvalidRequest(
                f"{owner[:OWNER_CHARACTERS]!r} is no name of an owner.",
                remedy=f"Give 1 to {OWNER_CHARACTERS} printable characters.",
                field="owner",
            )
        spec = read_spec(text, name, names=self._read_names())
        open_channels(spec.notifications.owners, self._environment)
        experiment_id = f"{spec.name}-{self._draw_token()}"
        return self._describe(self._tables.register.submit(experiment_id, spec, owner))

    def get(self, experiment_id: str) -> ExperimentStatus:
        """Return how an experiment is.

        Raises:
            ExperimentNotFound: There is none of that id.
        """
        return self._describe(self._tables.register.get(experiment_id))

    def list(
        self, states: Collection[ExperimentState], *, after: str, most: int
    ) -> Sequence[ExperimentStatus]:
        """Return experiments in the order in which they were submitted, without partitions.

        Args:
            states: Theirs; all if there are none.
            after: Id of an experiment; only those that follow it. Empty means all.
            most: How many at most.

        Raises:
            ExperimentNotFound: There is none to follow.
        """
        found = self._tables.register.find(states or [*ExperimentState], after=after, most=most)
        return [self._describe(one, with_partitions=False) for one in found]

    def watch(
        self, experiment_id: str, is_over: Callable[[], bool]
    ) -> Iterator[ExperimentStatus]:
        """Yield how an experiment is, and again when it has changed, until it is over.

        Args:
            experiment_id: Which one.
            is_over: Waits until it is time to look again; returns whether nobody watches.

        Raises:
            ExperimentNotFound: There is none of that id.
        """
        told = None
        while told is None or not told.state.is_over:
            found = self.get(experiment_id)
            if found != told:
                yield found
            told = found
            if not found.state.is_over and is_over():
                return

    def cancel(self, experiment_id: str) -> ExperimentStatus:
        """End an experiment, and remove what it has made.

        Raises:
            ExperimentNotFound: There is none of that id.
            WrongExperimentState: It is over.
        """
        return self._move(experiment_id, ExperimentState.CANCELLING)

    def pause(self, experiment_id: str) -> ExperimentStatus:
        """Let an experiment begin no more pages.

        Raises:
            ExperimentNotFound: There is none of that id.
            WrongExperimentState: It does not run.
        """
        return self._move(experiment_id, ExperimentState.PAUSED)

    def resume(self, experiment_id: str) -> ExperimentStatus:
        """Let an experiment go on that was paused, or failed.

        One that failed before its pages were posted is planned again.

        Raises:
            ExperimentNotFound: There is none of that id.
            WrongExperimentState: It is in another state.
        """
        found = self._tables.register.get(experiment_id)
        match found.state:
            case ExperimentState.PAUSED | ExperimentState.RUNNING:
                return self._move(experiment_id, ExperimentState.RUNNING)
            case ExperimentState.FAILED:
                self._tables.open_queue(experiment_id).post_again()
                is_planned = self._is_planned(experiment_id)
                return self._move(
                    experiment_id,
                    ExperimentState.RUNNING if is_planned else ExperimentState.PLANNING,
                )
        raise WrongExperimentState(
            f"Experiment {experiment_id} is {found.state}: it cannot be resumed.",
            remedy="Only one that is failed or paused can.",
            field="experiment_id",
        )

    def extend(self, experiment_id: str, text: bytes, name: str) -> ExperimentStatus:
        """Give an experiment more variants; what is made of the others stays.

        Args:
            experiment_id: Which one.
            text: The bytes of its file, with further variants after those that it had.
            name: What messages call the file.

        Raises:
            ExperimentNotFound: There is none of that id.
            InvalidSpec: The file describes no experiment; every mistake is named.
            WrongExperimentState: It is neither finished nor failed, or the file is that of
                another experiment.
        """
        found = self._tables.register.get(experiment_id)
        spec = read_spec(text, name, names=self._read_names())
        if not adds_variants(found.document, spec):
            raise WrongExperimentState(
                f"{name} is not the file of {experiment_id} with further variants.",
                remedy="Append variants to the file as it was submitted; besides, only owners, "
                "texts and limits may change.",
                field="file",
            )
        self._tables.open_queue(experiment_id).post_again()
        self._tables.register.extend(experiment_id, spec)
        return self.get(experiment_id)

    def read_history(self, experiment_id: str) -> ExperimentHistory:
        """Return what was tried for an experiment.

        Raises:
            ExperimentNotFound: There is none of that id.
        """
        self._tables.register.get(experiment_id)
        return ExperimentHistory(
            self._tables.register.steps(experiment_id),
            self._tables.open_queue(experiment_id).failed_attempts(TOLD_CHUNKS),
        )

    def _read_names(self) -> KnownNames | None:
        return read_known_names(self._store, self._store.snapshot())

    def _move(self, experiment_id: str, target: ExperimentState) -> ExperimentStatus:
        self._tables.register.move(experiment_id, target)
        return self.get(experiment_id)

    def _is_planned(self, experiment_id: str) -> bool:
        return any(
            one.name == PLAN and one.ended_at is not None and one.error is None
            for one in self._tables.register.steps(experiment_id)
        )

    def _describe(
        self, experiment: Experiment, *, with_partitions: bool = True
    ) -> ExperimentStatus:
        queue = self._tables.open_queue(experiment.experiment_id)
        partitions = {one.partition: _progress(one) for one in queue.progress()}
        return ExperimentStatus(
            experiment_id=experiment.experiment_id,
            name=str(experiment.document["experiment"]),
            owner=experiment.owner,
            state=experiment.state,
            reason=experiment.reason,
            submitted_at=experiment.submitted_at,
            changed_at=experiment.changed_at,
            directory=str(self._settings.find_directory(experiment.experiment_id)),
            total=add_up(partitions.values()),
            partitions=partitions if with_partitions else {},
        )


def _progress(told: PartitionProgress) -> Progress:
    counts = {state: told.count(state) for state in ChunkState}
    return Progress(told.pages, told.tried, told.failures, counts)
