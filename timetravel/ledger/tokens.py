"""Resume tokens: the position in a result, of which query, on which snapshot."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from timetravel.errors import InvalidQuestion

if TYPE_CHECKING:
    from timetravel.ledger.questions import Changes
    from timetravel.ledger.versions import FactVersion, VersionPosition

_LARGEST: Final = 2**63


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the order of changes: the time asked about, then the place of a version."""

    instant: int
    place: VersionPosition


@dataclass(frozen=True, slots=True)
class FactChange:
    """A version that became true or known, as an answer to a question on a snapshot."""

    version: FactVersion
    changes: Changes
    snapshot: int

    @property
    def resume_token(self) -> str:
        """What resumes the answer after this version."""
        return encode_mark(self.changes, self.version, self.snapshot)


def encode_mark(changes: Changes, version: FactVersion, snapshot: int) -> str:
    """Return the token that resumes after a version."""
    ended = [changes.instant(version), *version.place]
    text = json.dumps([*_asked(changes), snapshot, *ended], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode()


def decode_snapshot(token: str) -> int:
    """Return the snapshot on which an answer was begun.

    Raises:
        InvalidQuestion: The text is not a token.
    """
    return _decode(token)[0]


def decode_mark(changes: Changes, token: str, snapshot: int) -> Mark | None:
    """Return where to go on, None for an empty token.

    Raises:
        InvalidQuestion: The token is malformed, or of another question or snapshot.
    """
    if not token:
        return None
    begun_on, asked, mark = _decode(token)
    if begun_on != snapshot or asked != _asked(changes):
        raise InvalidQuestion(
            f"The token is of another question, or of snapshot {begun_on} and not {snapshot}.",
            remedy="Ask as before, or begin anew without a token.",
            field="resume_token",
        )
    return mark


def _asked(changes: Changes) -> list[int]:
    return [changes.axis.value, changes.since, changes.until]


def _decode(token: str) -> tuple[int, list[int], Mark]:
    try:
        fields = json.loads(base64.urlsafe_b64decode(token.encode()))
        axis, since, until, snapshot, instant, kind, entity_kind, entity_id, *texts = fields
        collection, name, valid_from, known_at, tx_id = texts
    except (ValueError, TypeError, binascii.Error):
        raise _no_token(token) from None
    numbers = [*fields[:8], *fields[10:]]
    if not all(type(number) is int and -_LARGEST <= number < _LARGEST for number in numbers):
        raise _no_token(token)
    if not all(isinstance(text, str) and "\0" not in text for text in (collection, name)):
        raise _no_token(token)
    place = (kind, entity_kind, entity_id, collection, name, valid_from, known_at, tx_id)
    return snapshot, [axis, since, until], Mark(instant, place)


def _no_token(token: str) -> InvalidQuestion:
    return InvalidQuestion(
        f"{token!r} is not a token.",
        remedy="Give one that came with an answer.",
        field="resume_token",
    )
