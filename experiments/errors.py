"""Errors of experiments, under the root and the kinds of `core.errors`.

::

    PagesimError
    └── ExperimentError                        everything this package raises
        ├── SpecNotFound       (NotFound)
        ├── InvalidSpec        (InvalidInput)  every mistake of an experiment file
        ├── InvalidMapping     (InvalidInput)  every mistake of a mapping file
        ├── ChannelNotGiven    (NotFound)      owners that cannot be told
        ├── DataNotFound       (NotFound)      a data file or mapping that is not there
        ├── UnreadableData     (InvalidInput)  a data file that is not of its format
        ├── NoLoggedPages      (NotFound)      the scope holds no page
        ├── UnknownSnapshot    (NotFound)      an append position that the store has not reached
        ├── TooFewProfiles     (WrongState)    strata that cannot be filled
        ├── OutputExists       (AlreadyExists) a directory that holds something
        ├── RunUnderWay        (WrongState)    a run that another process makes
        ├── RunNotFound        (NotFound)      no finished run where one was named
        ├── PageNotFound       (NotFound)
        ├── FieldNotFound      (NotFound)      of an entity whose history is shown
        ├── LowPageYield       (WrongState)    too many pages could not be made
        ├── LeakedPages        (WrongState)    pages that used what was not yet known
        ├── ExperimentNotFound (NotFound)      no experiment of that id on the server
        ├── ExperimentExists   (AlreadyExists) an id that another experiment has
        ├── WrongExperimentState (WrongState)  what the state of an experiment does not allow
        ├── ExperimentFailed   (WrongState)    an experiment that was watched made no report
        ├── InvalidRequest     (InvalidInput)  a call to a server with a value out of bounds
        ├── ServerUnreachable  (Unavailable)   no server where one was looked for
        ├── LeaseLost          (WrongState)    a chunk that another worker has taken over
        └── StackFailed        (Unavailable)   a stack stopped answering
"""

from __future__ import annotations

from core.errors import (
    AlreadyExists,
    InvalidInput,
    NotFound,
    PagesimError,
    Unavailable,
    WrongState,
)


class ExperimentError(PagesimError):
    """Root of what experiments raise."""


class SpecNotFound(ExperimentError, NotFound):
    """Refuse an experiment file that is not there."""


class InvalidSpec(ExperimentError, InvalidInput):
    """Refuse an experiment file, naming every mistake in it."""


class InvalidMapping(ExperimentError, InvalidInput):
    """Refuse a mapping file, naming every mistake in it."""


class ChannelNotGiven(ExperimentError, NotFound):
    """Refuse to tell owners over channels whose addresses the environment does not give."""


class DataNotFound(ExperimentError, NotFound):
    """Refuse to read a data file or a mapping that is not there."""


class UnreadableData(ExperimentError, InvalidInput):
    """Refuse a data file that is not of its format, or lacks a column."""


class NoLoggedPages(ExperimentError, NotFound):
    """Refuse a scope in which nothing was logged."""


class UnknownSnapshot(ExperimentError, NotFound):
    """Refuse to read up to an append position that is not there."""


class TooFewProfiles(ExperimentError, WrongState):
    """Refuse a scope that asks for more profiles than there are."""


class OutputExists(ExperimentError, AlreadyExists):
    """Refuse to write a run over something else."""


class RunUnderWay(ExperimentError, WrongState):
    """Refuse to go on with a run that another process makes."""


class RunNotFound(ExperimentError, NotFound):
    """Refuse a directory that holds no run."""


class PageNotFound(ExperimentError, NotFound):
    """Refuse to show a page that is not there."""


class FieldNotFound(ExperimentError, NotFound):
    """Refuse to show a field that an entity does not have."""


class LowPageYield(ExperimentError, WrongState):
    """Fail a run of which too many pages could not be made."""


class LeakedPages(ExperimentError, WrongState):
    """Refuse pages that used facts before they were known."""


class ExperimentNotFound(ExperimentError, NotFound):
    """Refuse an id that no experiment of the server has."""


class ExperimentExists(ExperimentError, AlreadyExists):
    """Refuse to submit an experiment under the id of another one."""


class WrongExperimentState(ExperimentError, WrongState):
    """Refuse what the state of an experiment does not allow."""


class ExperimentFailed(ExperimentError, WrongState):
    """Report that an experiment ended without a report."""


class InvalidRequest(ExperimentError, InvalidInput):
    """Refuse a call to a server with a value that is out of bounds."""


class ServerUnreachable(ExperimentError, Unavailable):
    """Report that no server of experiments answers where one was looked for."""


class LeaseLost(ExperimentError, WrongState):
    """Refuse the work of whoever held a chunk that another worker has taken over."""


class StackFailed(ExperimentError, Unavailable):
    """Report that a stack does not answer."""
