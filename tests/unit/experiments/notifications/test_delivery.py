"""Messages on their way: to real servers, and over channels that fail."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from core.errors import InvalidInput
from experiments.errors import ChannelNotGiven
from experiments.notifications import (
    Ended,
    Notifications,
    Notifier,
    Persistence,
    Started,
    Troubled,
    forget_addresses,
    open_channels,
)
from experiments.notifications.events import Occasion
from experiments.notifications.messages import Owner
from experiments.notifications.templates import Template
from tests.support.listeners import mail_server, webhook_server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.notifications.channels import Channel
    from experiments.notifications.messages import Message

HASTY = Persistence(attempts=4, first_pause_seconds=0.01, closing_seconds=20)
STARTED = Started("demo", "runs/demo", 3000)
ENDED = Ended("demo", "runs/demo", 3000, 7, report="runs/demo/report.html")
GROWTH = Owner("Growth", ("growth@example.com",), {"team": "homepage"})
SEARCH = Owner("Search", ("search+x@example.com", "team-chat"))
TOLD = Notifications(
    (GROWTH, SEARCH),
    {
        Occasion.END: Template(
            "{owner} of {team}: {report}", "{state}", "<b>{owner} of {team}</b>"
        )
    },
    {"team": "your <team>"},
)


def notifier(
    told: Notifications, channels: Mapping[str, Channel], persistence: Persistence = HASTY
) -> Notifier:
    return Notifier(
        told, channels, persistence, clock=time.monotonic, wait=threading.Event.wait
    )


def troubled(reason: str) -> Troubled:
    return Troubled("demo", "", 1, reason=reason)


@dataclass(slots=True)
class Line:
    """A channel that fails as often as it is told, or hangs."""

    failures: float = 0
    taken: list[str] = field(default_factory=list)
    tries: int = 0
    free: threading.Event | None = None

    def send(self, message: Message) -> bool:
        self.tries += 1
        if self.free is not None:
            self.free.wait()
        if self.tries <= self.failures:
            raise ConnectionError("https://hooks.example.com/s3cret")
        self.taken.append(message.subject)
        return True


def test_owners_are_told_by_mail_and_webhook_each_in_their_own_words() -> None:
    with mail_server() as mailbox, webhook_server() as webhook:
        channels = open_channels(
            TOLD.owners,
            {
                "PAGESIM_MAIL": f"mailto://{mailbox.address}?from=pagesim@example.com",
                "PAGESIM_CHANNEL_TEAM_CHAT": f"json://{webhook.address}/hook",
            },
        )
        with capture_logs() as logs, notifier(TOLD, channels) as telling:
            telling.tell(ENDED)
    assert not logs
    bodies = {}
    for owner, (mail,) in mailbox.mails.items():
        assert (mail["subject"], mail["to"]) == ("finished", owner)
        bodies[owner] = [
            part.get_content().strip() for part in mail.walk() if not part.is_multipart()
        ]
    assert bodies == {
        "growth@example.com": ["Growth of homepage", "<b>Growth of homepage</b>"],
        "search+x@example.com": ["Search of your <team>", "<b>Search of your &lt;team&gt;</b>"],
    }
    (posted,) = webhook.posted
    assert posted["title"] == "finished"
    assert posted["message"] == "Search of your <team>: runs/demo/report.html"
    assert posted["type"] == "success"


def test_a_channel_that_fails_twice_and_then_works_is_delivered_to_once() -> None:
    told = Notifications((Owner("Growth", ("team-chat",)),))
    with webhook_server(failures=2) as webhook:
        given_ = {"PAGESIM_CHANNEL_TEAM_CHAT": f"json://{webhook.address}"}
        channels = open_channels(told.owners, given_)
        with capture_logs() as logs, notifier(told, channels) as telling:
            telling.tell(STARTED)
    assert (webhook.refused, len(webhook.posted)) == (2, 1)
    assert not logs


def test_a_channel_that_never_works_is_given_up_and_logged_and_fails_nothing(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    told = Notifications((Owner("Growth", ("growth@example.com", "team-chat", "gone")),))
    caplog.set_level(1)
    with mail_server() as mailbox, webhook_server(failures=100) as webhook:
        channels = open_channels(
            told.owners,
            {
                # The server takes no passwords.
                "PAGESIM_MAIL": f"mailto://growth:s3cret@{mailbox.address}?from=a@example.com",
                "PAGESIM_CHANNEL_TEAM_CHAT": f"json://u:s3cret@{webhook.address}/s3cret",
                "PAGESIM_CHANNEL_GONE": "json://127.0.0.1:1/s3cret",
            },
        )
        with capture_logs() as logs, notifier(told, channels) as telling:
            telling.tell(STARTED)
    assert sorted(log.pop("channel") for log in logs) == [
        "gone",
        "growth@example.com",
        "team-chat",
    ]
    for log in logs:
        assert log == {
            "event": "notification_given_up",
            "log_level": "warning",
            "owner": "Growth",
            "occasion": "start",
            "attempts": 4,
            "reason": "refused or not reached",
        }
    assert (webhook.refused, mailbox.mails) == (4, {})
    seen = f"{caplog.text}{capfd.readouterr()}{[*channels.values()]}"
    assert "s3cret" not in seen


def test_what_a_channel_raises_is_logged_by_its_kind_alone() -> None:
    line = Line(failures=100)
    told = Notifications((Owner("Growth", ("a",)),))
    with capture_logs() as logs, notifier(told, {"a": line}) as telling:
        telling.tell(STARTED)
    assert [(log["event"], log["reason"]) for log in logs] == [
        ("notification_given_up", "ConnectionError")
    ]


def test_messages_of_a_channel_keep_the_order_of_the_events() -> None:
    line = Line(failures=2)
    told = Notifications((Owner("Growth", ("a",)),))
    with notifier(told, {"a": line}) as telling:
        for event in (STARTED, troubled("Why."), ENDED):
            telling.tell(event)
    assert line.taken == ["demo has started", "demo is in trouble", "demo has finished"]


def test_a_channel_that_hangs_holds_up_neither_the_run_nor_other_channels() -> None:
    free = threading.Event()
    hanging, working = Line(free=free), Line()
    told = Notifications((Owner("Growth", ("a", "b")),))
    with capture_logs() as logs:
        telling = notifier(told, {"a": hanging, "b": working}, Persistence(closing_seconds=0.2))
        with telling:
            telling.tell(STARTED)
            telling.tell(ENDED)
    free.set()
    assert working.taken == ["demo has started", "demo has finished"]
    assert [(log["event"], log["channel"], log["occasion"]) for log in logs] == [
        ("notification_not_sent", "a", "start"),
        ("notification_not_sent", "a", "end"),
    ]


def test_the_end_of_a_run_cuts_a_long_pause_short() -> None:
    line = Line(failures=1)
    told = Notifications((Owner("Growth", ("a",)),))
    patient = Persistence(attempts=400, first_pause_seconds=60, closing_seconds=20)
    with capture_logs() as logs, notifier(told, {"a": line}, patient) as telling:
        telling.tell(STARTED)
    assert line.taken == ["demo has started"]
    assert not logs


def test_pauses_and_tries_end_after_so_long() -> None:
    moments = iter(range(0, 1000, 100))
    pauses: list[float] = []

    def wait(event: threading.Event, seconds: float) -> bool:
        pauses.append(seconds)
        return event.wait(0 if event.is_set() else 0.01)

    line = Line(failures=100)
    told = Notifications((Owner("Growth", ("a",)),))
    telling = Notifier(told, {"a": line}, Persistence(), clock=lambda: next(moments), wait=wait)
    with capture_logs() as logs:
        telling.tell(STARTED)
        while not logs:
            time.sleep(0.001)
    # At 0 it begins; failures are seen at 100, 200 and 300, which with the pause is too late.
    assert (logs[0]["attempts"], pauses) == (3, [1.0, 2.0])
    telling.close()


def test_trouble_is_told_so_often_and_the_end_all_the_same() -> None:
    line = Line()
    told = Notifications((Owner("Growth", ("a",)),))
    with capture_logs() as logs, notifier(told, {"a": line}) as telling:
        for number in range(12):
            telling.tell(troubled(str(number)))
        telling.tell(ENDED)
    assert line.taken == ["demo is in trouble"] * 10 + ["demo has finished"]
    assert [log["event"] for log in logs] == ["notification_withheld"] * 2


def test_after_the_end_nothing_is_told() -> None:
    line = Line()
    telling = notifier(Notifications((Owner("Growth", ("a",)),)), {"a": line})
    telling.close()
    telling.close()
    with capture_logs() as logs:
        telling.tell(ENDED)
    assert [log["event"] for log in logs] == ["notification_withheld"]
    assert not line.taken


def test_without_owners_nothing_happens() -> None:
    assert open_channels((), {}) == {}
    with capture_logs() as logs, notifier(Notifications(), {}) as telling:
        telling.tell(ENDED)
    assert not logs


def test_every_channel_that_is_not_given_is_refused_with_its_variable() -> None:
    given_ = {
        "PAGESIM_MAIL": "json://growth:s3cret@example.com",
        "PAGESIM_CHANNEL_B": "no-such-service://s3cret",
        "PAGESIM_CHANNEL_C": "json://127.0.0.1/s3cret",
    }
    owner = Owner("Growth", ("growth@example.com", "team-chat", "b", "c"))
    with pytest.raises(ChannelNotGiven) as caught:
        open_channels([owner], given_)
    assert str(caught.value) == (
        "owners: PAGESIM_MAIL holds no address that can be used "
        "('growth@example.com' of Growth); "
        "PAGESIM_CHANNEL_TEAM_CHAT is not set ('team-chat' of Growth); "
        "PAGESIM_CHANNEL_B holds no address that can be used ('b' of Growth). "
        "Set PAGESIM_MAIL to the mail server, as an Apprise URL: "
        "mailtos://USER:PASSWORD@smtp.example.com?from=pagesim@example.com. "
        "Set each channel's variable to its Apprise URL, e.g. slack://...; "
        "docs/notifications.md has examples. Or take the channels out of the file."
    )


@given(st.integers(1, 30), st.floats(0, 10), st.floats(1, 8), st.floats(10, 100))
def test_pauses_grow_up_to_the_longest(
    attempts: int, first: float, growth: float, longest: float
) -> None:
    pauses = list(Persistence(attempts, first, growth, longest).pauses())
    assert len(pauses) == attempts - 1
    assert pauses == sorted(pauses)
    assert all(first <= pause <= longest for pause in pauses)


def test_a_persistence_without_an_attempt_cannot_be_built() -> None:
    with pytest.raises(InvalidInput):
        Persistence(attempts=0)


def test_a_notifier_needs_the_channels_of_all_owners() -> None:
    with pytest.raises(InvalidInput, match="'team-chat'"):
        notifier(TOLD, {"growth@example.com": Line()})


def test_addresses_can_be_kept_from_processes_started_later() -> None:
    environment = {"PAGESIM_MAIL": "a", "PAGESIM_CHANNEL_TEAM_CHAT": "b", "PAGESIM_STORE": "c"}
    forget_addresses(environment)
    assert environment == {"PAGESIM_STORE": "c"}
