"""Servers on loopback that messages are sent to: for mail, and for webhooks."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast

from aiosmtpd.controller import Controller

if TYPE_CHECKING:
    from asyncio import Server
    from collections.abc import Iterator
    from email.message import EmailMessage

    from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass(slots=True)
class Mailbox:
    """Hold the mail that came.

    Attributes:
        address: Of the server, HOST:PORT.
        mails: By recipient, in order.
    """

    address: str = ""
    mails: dict[str, list[EmailMessage]] = field(default_factory=dict)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        """Take a mail."""
        del server, session
        mail = message_from_bytes(cast("bytes", envelope.content), policy=policy.default)
        for recipient in envelope.rcpt_tos:
            self.mails.setdefault(recipient, []).append(mail)
        return "250 OK"


class _AnyPort(Controller):
    """Listens on a port that was free."""

    def _trigger_server(self) -> None:
        self.port = cast("Server", self.server).sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@contextmanager
def mail_server() -> Iterator[Mailbox]:
    """Run a mail server, and give its mailbox."""
    mailbox = Mailbox()
    controller = _AnyPort(mailbox, hostname="127.0.0.1", port=0)
    controller.start()
    try:
        mailbox.address = f"127.0.0.1:{controller.port}"
        yield mailbox
    finally:
        controller.stop()


@dataclass(slots=True)
class Webhook:
    """Hold what was posted, and refuse the first requests.

    Attributes:
        failures: How many are refused yet.
        address: HOST:PORT.
        refused: How many were.
        posted: What was taken.
    """

    failures: int = 0
    address: str = ""
    refused: int = 0
    posted: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def webhook_server(failures: int = 0) -> Iterator[Webhook]:
    """Run a server that takes webhooks once it has refused so many."""
    webhook = Webhook(failures)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if webhook.refused < webhook.failures:
                webhook.refused += 1
                self.send_response(503)
            else:
                webhook.posted.append(json.loads(body))
                self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            webhook.address = f"127.0.0.1:{server.server_port}"
            yield webhook
        finally:
            server.shutdown()
            thread.join()
