"""The doors: ExperimentService over gRPC, in a process of its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import structlog
from pagesim.experiments.v1 import experiments_pb2, experiments_pb2_grpc

from experiments.server.doors.translation import (
    read_page_size,
    read_states,
    write_history,
    write_mistake,
    write_status,
)
from experiments.server.programs import DOORS
from experiments.server.settings import name_process
from mesh.serving import Registration, ServingOptions, start
from timetravel.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    import grpc

    from experiments.register.register import ExperimentRegister
    from experiments.server.doors.administration import Administration

SERVICE: Final = "pagesim.experiments.v1.ExperimentService"
WORKERS: Final = 64
"""Calls that are served at once; half as many may watch besides."""
TOLD_MISTAKES: Final = 10_000

_HEAR_SECONDS: Final = 4.0
_POLL_SECONDS: Final = 1.0
_GRACE_SECONDS: Final = 2.0
_FILE_NAME: Final = "experiment.yaml"

_log = structlog.get_logger("experiments.server")


class ExperimentServicer(experiments_pb2_grpc.ExperimentServiceServicer):
    """Translate messages, and nothing else.

    Args:
        administration: What is asked.
        poll_seconds: How often an experiment that is watched is looked at.
    """

    def __init__(self, administration: Administration, poll_seconds: float) -> None:
        self._administration = administration
        self._poll_seconds = poll_seconds

    def ValidateExperiment(
        self,
        request: experiments_pb2.ValidateExperimentRequest,
        context: grpc.ServicerContext,
    ) -> experiments_pb2.ValidateExperimentResponse:
        """Find the mistakes of a file."""
        del context
        found = self._administration.validate(request.file.text)
        return experiments_pb2.ValidateExperimentResponse(
            mistakes=[write_mistake(one) for one in found[:TOLD_MISTAKES]]
        )

    def SubmitExperiment(
        self, request: experiments_pb2.SubmitExperimentRequest, context: grpc.ServicerContext
    ) -> experiments_pb2.SubmitExperimentResponse:
        """Take an experiment in."""
        del context
        status = self._administration.submit(
            request.file.text, request.file.name or _FILE_NAME, request.owner
        )
        return experiments_pb2.SubmitExperimentResponse(experiment=write_status(status))

    def GetExperiment(
        self, request: experiments_pb2.GetExperimentRequest, context: grpc.ServicerContext
    ) -> experiments_pb2.GetExperimentResponse:
        """Describe an experiment."""
        del context
        status = self._administration.get(request.experiment_id)
        return experiments_pb2.GetExperimentResponse(experiment=write_status(status))

    def ListExperiments(
        self, request: experiments_pb2.ListExperimentsRequest, context: grpc.ServicerContext
    ) -> experiments_pb2.ListExperimentsResponse:
        """List experiments."""
        del context
        size = read_page_size(request.page_size)
        found = self._administration.list(
            read_states(request.states), after=request.page_token, most=size
        )
        return experiments_pb2.ListExperimentsResponse(
            experiments=[write_status(one) for one in found],
            next_page_token=found[-1].experiment_id if len(found) == size else "",
        )

    def WatchExperiment(
        self, request: experiments_pb2.WatchExperimentRequest, context: grpc.ServicerContext
    ) -> Iterator[experiments_pb2.WatchExperimentResponse]:
        """Tell an experiment, and its changes."""
        gone = threading.Event()
        if not context.add_callback(gone.set):
            return
        for status in self._administration.watch(
            request.experiment_id, lambda: gone.wait(self._poll_seconds)
        ):
            yield experiments_pb2.WatchExperimentResponse(experiment=write_status(status))

    def CancelExperiment(
        self, request: experiments_pb2.CancelExperimentRequest, context: grpc.ServicerContext
    ) -> experiments_pb2.CancelExperimentResponse:
        """Cancel an experiment."""
        del context
        status = self._administration.cancel(request.experiment_id)
        return experiments_pb2.CancelExperimentResponse(experiment=write_status(status))

    def PauseExperiment(
        self, request: experiments_pb2.PauseExperimentRequest, context: grpc.ServicerContext
    ) -> experiments_pb2.PauseExperimentResponse:
        """Pause an experiment."""
        del context
        status = self._administration.pause(request.experiment_id)
        return experiments_pb2.PauseExperimentResponse(experiment=write_status(status))

    def ResumeExperiment(
        self, request: experiments_pb2.ResumeExperimentRequest, context: grpc.ServicerContext
    ) -> experiments_pb2.ResumeExperimentResponse:
        """Let an experiment go on."""
        del context
        status = self._administration.resume(request.experiment_id)
        return experiments_pb2.ResumeExperimentResponse(experiment=write_status(status))

    def ExtendExperiment(
        self, request: experiments_pb2.ExtendExperimentRequest, context: grpc.ServicerContext
    ) -> experiments_pb2.ExtendExperimentResponse:
        """Give an experiment more variants."""
        del context
        status = self._administration.extend(
            request.experiment_id, request.file.text, request.file.name or _FILE_NAME
        )
        return experiments_pb2.ExtendExperimentResponse(experiment=write_status(status))

    def GetHistory(
        self, request: experiments_pb2.GetHistoryRequest, context: grpc.ServicerContext
    ) -> experiments_pb2.GetHistoryResponse:
        """Tell what was tried."""
        del context
        return write_history(self._administration.read_history(request.experiment_id))


def register_service(
    administration: Administration, *, poll_seconds: float = _POLL_SECONDS
) -> Registration:
    """Return the service as `start` takes it; it stands outside every stack."""
    servicer = ExperimentServicer(administration, poll_seconds)
    return Registration(
        SERVICE,
        lambda server: experiments_pb2_grpc.add_ExperimentServiceServicer_to_server(
            servicer, server
        ),
        needs_context=False,
    )


def serve_doors(
    administration: Administration,
    register: ExperimentRegister,
    address: str,
    asked_to_stop: threading.Event,
) -> None:
    """Serve until asked to stop, and let the register hear of this process meanwhile.

    Raises:
        AddressInUse: Somebody already listens there.
        InvalidInput: The address is not of this machine.
    """
    running = start(
        [register_service(administration)], ServingOptions(address=address, workers=WORKERS)
    )
    _log.info("serving", address=running.address, metrics_address=running.metrics_address)
    try:
        while True:
            try:
                register.hear(name_process(), DOORS, f"serving {running.address}")
            except StoreUnavailable as error:  # the database restarts, say
                _log.warning("database_unavailable", reason=error.problem)
            if asked_to_stop.wait(_HEAR_SECONDS):
                return
    finally:
        running.stop(_GRACE_SECONDS)
