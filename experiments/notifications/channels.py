"""Channels over which owners are told, through Apprise.

The addresses hold secrets, so that they come from the environment and are shown nowhere:
neither in messages of errors nor in logs nor in the representation of a channel.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Protocol

from experiments.errors import ChannelNotGiven
from experiments.notifications.messages import is_email

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping

    from apprise import AppriseAsset, NotifyBase

    from experiments.notifications.messages import Message, Owner

MAIL_VARIABLE: Final = "PAGESIM_MAIL"
CHANNEL_VARIABLE: Final = "PAGESIM_CHANNEL_"

_MAIL_SCHEMAS: Final = ("mailto", "mailtos")
_LOGGERS_WITH_ADDRESSES: Final = ("apprise", "urllib3")
"""Libraries whose logs may hold parts of addresses."""


class Channel(Protocol):
    """Carry messages to one address."""

    def send(self, message: Message) -> bool:
        """Send a message, and return whether it was taken; may raise anything."""


class AppriseChannel:
    """Carry messages over a service of Apprise."""

    def __init__(self, service: NotifyBase) -> None:
        self._service = service

    def send(self, message: Message) -> bool:
        """Send a message in the form that suits the service: HTML where it is usual."""
        form = self._service.resolve_format()
        # Services for e-mail send a plain text along, which they make from the HTML.
        body = message.html if form.value == "html" else message.text
        return self._service.notify(
            body=body,
            title=message.subject,
            notify_type=message.tone.value,
            body_format="html" if form.value == "html" else "text",
        )


def open_channels(
    owners: Iterable[Owner], environment: Mapping[str, str]
) -> dict[str, Channel]:
    """Return the channels of owners, by their names in the file; nothing is sent.

    Args:
        owners: Of an experiment.
        environment: Variables that give the addresses.

    Raises:
        ChannelNotGiven: Addresses are missing, or are none; every one is named.
    """
    wanted = {channel: owner for owner in owners for channel in owner.channels}
    if not wanted:
        return {}
    # Apprise takes a tenth of a second to load, and most experiments have no owners.
    from apprise import AppriseAsset  # noqa: PLC0415

    for name in _LOGGERS_WITH_ADDRESSES:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    asset = AppriseAsset(
        app_id="pagesim", app_desc="pagesim", app_url="", image_url_mask="", image_url_logo=""
    )
    opened: dict[str, Channel] = {}
    faults: dict[str, str] = {}
    for channel, owner in wanted.items():
        variable = find_variable(channel)
        address = environment.get(variable, "")
        service = _open_service(channel, address, asset) if address else None
        if service is not None:
            opened[channel] = AppriseChannel(service)
        else:
            what = "holds no address that can be used" if address else "is not set"
            faults.setdefault(variable, f"{variable} {what} ({channel!r} of {owner.name})")
    if faults:
        raise ChannelNotGiven(
            f"{'; '.join(faults.values())}.",
            remedy=_describe_remedy(faults),
            field="owners",
        )
    return opened


def forget_addresses(environment: MutableMapping[str, str]) -> None:
    """Remove all addresses, so that processes started from now on do not inherit them."""
    for name in [*environment]:
        if name == MAIL_VARIABLE or name.startswith(CHANNEL_VARIABLE):
            del environment[name]


def find_variable(channel: str) -> str:
    """Return the environment variable that gives the address of a channel."""
    if is_email(channel):
        return MAIL_VARIABLE
    return CHANNEL_VARIABLE + channel.upper().replace("-", "_")


def _describe_remedy(variables: Iterable[str]) -> str:
    told = []
    if MAIL_VARIABLE in variables:
        told.append(
            f"Set {MAIL_VARIABLE} to the mail server, as an Apprise URL: "
            "mailtos://USER:PASSWORD@smtp.example.com?from=pagesim@example.com."
        )
    if set(variables) - {MAIL_VARIABLE}:
        told.append(
            "Set each channel's variable to its Apprise URL, e.g. slack://...; "
            "docs/notifications.md has examples."
        )
    return " ".join([*told, "Or take the channels out of the file."])


def _open_service(channel: str, address: str, asset: AppriseAsset) -> NotifyBase | None:
    """Return the service of an address, None if Apprise cannot use it."""
    from apprise import Apprise, plugins  # noqa: PLC0415 - as above

    parsed = plugins.url_to_dict(address, secure_logging=True)  # type: ignore[no-untyped-call]
    if not parsed:
        return None
    if is_email(channel):
        if parsed["schema"] not in _MAIL_SCHEMAS:
            return None
        parsed["targets"] = [channel]
    service = Apprise.instantiate(parsed, asset=asset)
    if service is not None and is_email(channel):
        # Apprise would leave seconds between mails, which a closing run does not have; a
        # run sends few.
        service.request_rate_per_sec = 0.0
    return service
