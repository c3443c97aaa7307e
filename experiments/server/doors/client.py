"""The client of ExperimentService."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import grpc
from pagesim.experiments.v1 import experiments_pb2, experiments_pb2_grpc

from core.errors import Unavailable
from core.grpc_status import error_from_call, is_lost, is_told_by_service
from experiments.documents.mistakes import refuse_located
from experiments.errors import InvalidSpec, ServerUnreachable
from experiments.server.doors.translation import (
    read_history,
    read_mistake,
    read_status,
    write_states,
)
from mesh.call.addresses import parse_address
from mesh.channels.channels import open_channel

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator, Sequence

    from core.errors import PagesimError
    from experiments.documents.mistakes import LocatedMistake
    from experiments.register.states import ExperimentState
    from experiments.server.doors.status import ExperimentHistory, ExperimentStatus

PATIENCE_SECONDS: Final = 120.0
"""How long a server that an experiment is watched on may be away."""

_CALL_SECONDS: Final = 60.0
_WATCH_SECONDS: Final = 600.0
_PAUSE_SECONDS: Final = 0.5


class ExperimentClient:
    """Call a server of experiments; failures are raised as pagesim's own errors.

    Args:
        address: host:port of the server.
        patience_seconds: How long a server that an experiment is watched on may be away.

    Raises:
        InvalidInput: The address is not a host:port.
    """

    def __init__(self, address: str, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._address = address
        self._patience_seconds = patience_seconds
        self._channel = open_channel(parse_address(address, field="--server"), None)
        self._stub = experiments_pb2_grpc.ExperimentServiceStub(self._channel)

    def validate(self, text: bytes) -> Sequence[LocatedMistake]:
        """Return the mistakes in the bytes of an experiment file, by line.

        Raises:
            ServerUnreachable: No server answers.
        """
        request = experiments_pb2.ValidateExperimentRequest(
            file=experiments_pb2.ExperimentFile(text=text)
        )
        with self._own_errors():
            answer = self._stub.ValidateExperiment(request, timeout=_CALL_SECONDS)
        return [read_mistake(one) for one in answer.mistakes]

    def submit(self, text: bytes, name: str, owner: str) -> ExperimentStatus:
        """Submit an experiment.

        Args:
            text: The bytes of its file.
            name: What messages call the file.
            owner: Who submits it.

        Raises:
            InvalidSpec: The file describes no experiment; every mistake is named.
            InvalidRequest: The owner has no name, or none that can be shown.
            ServerUnreachable: No server answers.
        """
        request = experiments_pb2.SubmitExperimentRequest(
            file=experiments_pb2.ExperimentFile(text=text, name=name), owner=owner
        )
        with self._whole_mistakes(text, name), self._own_errors():
            answer = self._stub.SubmitExperiment(request, timeout=_CALL_SECONDS)
        return read_status(answer.experiment)

    def extend(self, experiment_id: str, text: bytes, name: str) -> ExperimentStatus:
        """Give an experiment more variants.

        Args:
            experiment_id: Which one.
            text: The bytes of its file, with further variants.
            name: What messages call the file.

        Raises:
            ExperimentNotFound: There is none of that id.
            InvalidSpec: The file describes no experiment; every mistake is named.
            WrongExperimentState: It is neither finished nor failed, or the file is that of
                another experiment.
            ServerUnreachable: No server answers.
        """
        request = experiments_pb2.ExtendExperimentRequest(
            experiment_id=experiment_id,
            file=experiments_pb2.ExperimentFile(text=text, name=name),
        )
        with self._whole_mistakes(text, name), self._own_errors():
            answer = self._stub.ExtendExperiment(request, timeout=_CALL_SECONDS)
        return read_status(answer.experiment)

    def get(self, experiment_id: str) -> ExperimentStatus:
        """Return how an experiment is.

        Raises:
            ExperimentNotFound: There is none of that id.
            ServerUnreachable: No server answers.
        """
        request = experiments_pb2.GetExperimentRequest(experiment_id=experiment_id)
        with self._own_errors():
            answer = self._stub.GetExperiment(request, timeout=_CALL_SECONDS)
        return read_status(answer.experiment)

    def list(self, states: Collection[ExperimentState] = ()) -> Iterator[ExperimentStatus]:
        """Yield the experiments in some states, all if none is named, as they were submitted.

        Raises:
            ServerUnreachable: No server answers.
        """
        request = experiments_pb2.ListExperimentsRequest(states=write_states(states))
        while True:
            with self._own_errors():
                answer = self._stub.ListExperiments(request, timeout=_CALL_SECONDS)
            yield from map(read_status, answer.experiments)
            if not answer.next_page_token:
                return
            request.page_token = answer.next_page_token

    def watch(
        self, experiment_id: str, lost: Callable[[Unavailable], None] = lambda _: None
    ) -> Generator[ExperimentStatus, None, None]:
        """Yield how an experiment is, and again when it has changed, until it is over.

        A server that goes away meanwhile is waited for.

        Args:
            experiment_id: Which one.
            lost: Called when a server that answered before does not.

        Raises:
            ExperimentNotFound: There is none of that id.
            Unavailable: No server answers, or none does any more.
            Exhausted: Too many watch already.
        """
        told: ExperimentStatus | None = None
        give_up_at: float | None = None
        while told is None or not told.state.is_over:
            try:
                for status in self._follow(experiment_id):
                    give_up_at = None
                    if status != told:
                        yield status
                    told = status
            except Unavailable as error:
                if told is None:
                    raise
                if give_up_at is None:
                    give_up_at = time.monotonic() + self._patience_seconds
                    lost(error)
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(_PAUSE_SECONDS)

    def cancel(self, experiment_id: str) -> ExperimentStatus:
        """End an experiment, and remove what it has made.

        Raises:
            ExperimentNotFound: There is none of that id.
            WrongExperimentState: It is over.
            ServerUnreachable: No server answers.
        """
        request = experiments_pb2.CancelExperimentRequest(experiment_id=experiment_id)
        with self._own_errors():
            answer = self._stub.CancelExperiment(request, timeout=_CALL_SECONDS)
        return read_status(answer.experiment)

    def pause(self, experiment_id: str) -> ExperimentStatus:
        """Let an experiment begin no more pages.

        Raises:
            ExperimentNotFound: There is none of that id.
            WrongExperimentState: It does not run.
            ServerUnreachable: No server answers.
        """
        request = experiments_pb2.PauseExperimentRequest(experiment_id=experiment_id)
        with self._own_errors():
            answer = self._stub.PauseExperiment(request, timeout=_CALL_SECONDS)
        return read_status(answer.experiment)

    def resume(self, experiment_id: str) -> ExperimentStatus:
        """Let an experiment go on that was paused, or failed.

        Raises:
            ExperimentNotFound: There is none of that id.
            WrongExperimentState: It is in another state.
            ServerUnreachable: No server answers.
        """
        request = experiments_pb2.ResumeExperimentRequest(experiment_id=experiment_id)
        with self._own_errors():
            answer = self._stub.ResumeExperiment(request, timeout=_CALL_SECONDS)
        return read_status(answer.experiment)

    def read_history(self, experiment_id: str) -> ExperimentHistory:
        """Return what was tried for an experiment.

        Raises:
            ExperimentNotFound: There is none of that id.
            ServerUnreachable: No server answers.
        """
        request = experiments_pb2.GetHistoryRequest(experiment_id=experiment_id)
        with self._own_errors():
            answer = self._stub.GetHistory(request, timeout=_CALL_SECONDS)
        return read_history(answer)

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def _follow(self, experiment_id: str) -> Iterator[ExperimentStatus]:
        """Yield the changes of one call, which ends after a while."""
        request = experiments_pb2.WatchExperimentRequest(experiment_id=experiment_id)
        following = self._stub.WatchExperiment(request, timeout=_WATCH_SECONDS)
        try:
            for answer in following:
                yield read_status(answer.experiment)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                raise self._explain(error) from error
        finally:
            following.cancel()

    @contextmanager
    def _whole_mistakes(self, text: bytes, name: str) -> Iterator[None]:
        """Refuse a file with all its mistakes: the message of a call is shortened."""
        try:
            yield
        except InvalidSpec:
            if mistakes := self.validate(text):
                raise refuse_located(mistakes, name) from None
            raise

    @contextmanager
    def _own_errors(self) -> Iterator[None]:
        """Raise failed calls as errors of our own."""
        try:
            yield
        except grpc.RpcError as error:
            raise self._explain(error) from error

    def _explain(self, error: grpc.RpcError) -> PagesimError:
        """Return a failed call as an error of our own."""
        told = error_from_call(error)
        if told is not None and is_told_by_service(error):
            return told
        if is_lost(error):
            return ServerUnreachable(
                f"No server answers at {self._address}.",
                remedy="Start one with `pagesim server`, or name another one with --server.",
            )
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return ServerUnreachable(
                f"The server at {self._address} took longer than {_CALL_SECONDS:g} seconds.",
                remedy="Try again later.",
            )
        return ServerUnreachable(
            f"What answers at {self._address} failed with {error.code().name}: "
            f"{error.details()}",
            remedy="If it is a pagesim server, its doors.log says more; if not, name one with "
            "--server.",
        )
