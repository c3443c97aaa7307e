"""What happens to an experiment that its owners want to know."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping


class Occasion(StrEnum):
    """Say on which occasion owners are told; a file names its templates so."""

    START = "start"
    TROUBLE = "trouble"
    END = "end"


class Tone(StrEnum):
    """Say how good the news is, in the words of Apprise: chats show it by a colour."""

    INFO = "info"
    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Event(ABC):
    """Say what happened to an experiment.

    Args:
        experiment: Its name.
        run: Where its files are: a directory or an address.
        pages: How many are to be made, of all variants.
        failures: How many of them could not be made so far.
    """

    occasion: ClassVar[Occasion]

    experiment: str
    run: str
    pages: int
    failures: int = 0

    @property
    @abstractmethod
    def state(self) -> str:
        """How the experiment is, in a word or two."""

    @property
    @abstractmethod
    def tone(self) -> Tone:
        """How good the news is."""

    def to_fields(self) -> Mapping[str, str]:
        """Return what templates may name; a field that has no value yet is empty."""
        return {
            "experiment": self.experiment,
            "state": self.state,
            "pages": f"{self.pages:,}",
            "failures": f"{self.failures:,}",
            "run": self.run,
        }


@dataclass(frozen=True, slots=True)
class Started(Event):
    """Say that pages are being made."""

    occasion: ClassVar[Occasion] = Occasion.START

    @property
    def state(self) -> str:
        """How the experiment is."""
        return "running"

    @property
    def tone(self) -> Tone:
        """How good the news is."""
        return Tone.INFO


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubled(Event):
    """Say that a partition failed and is tried again.

    Args:
        reason: Why, as a sentence.
    """

    occasion: ClassVar[Occasion] = Occasion.TROUBLE

    reason: str

    @property
    def state(self) -> str:
        """How the experiment is."""
        return "in trouble"

    @property
    def tone(self) -> Tone:
        """How good the news is."""
        return Tone.WARNING

    def to_fields(self) -> Mapping[str, str]:
        """Return what templates may name."""
        return {**Event.to_fields(self), "reason": self.reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(Event):
    """Say that nothing more will be made.

    Args:
        failed: Whether it ended without a result.
        reason: Why it failed, as a sentence; empty otherwise.
        report: Where the report is: a path or an address; empty if there is none.
        figures: The main figures, a line for each.
    """

    occasion: ClassVar[Occasion] = Occasion.END

    failed: bool = False
    reason: str = ""
    report: str = ""
    figures: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """How the experiment is."""
        return "failed" if self.failed else "finished"

    @property
    def tone(self) -> Tone:
        """How good the news is."""
        return Tone.FAILURE if self.failed else Tone.SUCCESS

    def to_fields(self) -> Mapping[str, str]:
        """Return what templates may name."""
        return {
            **Event.to_fields(self),
            "reason": self.reason,
            "report": self.report,
            "figures": "\n".join(self.figures),
        }
