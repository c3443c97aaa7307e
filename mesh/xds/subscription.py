"""One Envoy's subscription to one kind of resource: the delta protocol as a state machine.

Source: https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol (incremental xDS).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Version: TypeAlias = str
_ABSENT: Version = ""  # no content has this version
_UNCERTAIN = None  # Envoy may have any version, or none


@dataclass(frozen=True, slots=True)
class Request:
    """What Envoy says about one kind of resource.

    Attributes:
        subscribe: Names it asks for from now on; "*" or, at first, none means all.
        unsubscribe: Names it no longer asks for.
        initial_versions: What it has from a former stream, by name; at first only.
        nonce: Which response it answers; empty when none.
        refusal: Why it refused that response; empty when it did not.
    """

    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    initial_versions: Mapping[str, Version] = field(default_factory=dict)
    nonce: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """What to tell Envoy about one kind of resource.

    Attributes:
        nonce: Names the response.
        changed: Version by name of what is new or different.
        removed: Names of what is no longer there.
        revision: The publication that it brings Envoy to.
    """

    nonce: str
    changed: Mapping[str, Version]
    removed: tuple[str, ...]
    revision: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Envoy's reason for not taking a response."""

    revision: int
    reason: str


class Subscription:
    """Follow what Envoy has, and say what it still needs.

    One response is under way at a time. What Envoy refused is not sent again until it
    changes; what a refused response touched is uncertain, and so is said again when the
    wanted state differs from the refused one.
    """

    def __init__(self, first: Request) -> None:
        self._everything = not first.subscribe or "*" in first.subscribe
        self._names: set[str] = set(first.subscribe) - {"*"}
        self._known: dict[str, Version | None] = dict(first.initial_versions)
        for name in self._names - set(first.initial_versions):
            self._known[name] = _UNCERTAIN
        self._refused: dict[str, Version] = {}
        self._under_way: Response | None = None
        self._greeted = False
        self.settled_revision = 0
        self.refusal: Refusal | None = None

    def follows(self, names: Iterable[str]) -> bool:
        """Return whether Envoy has asked for all of the names."""
        return self._everything or self._names.issuperset(names)

    def receive(self, request: Request) -> Refusal | None:
        """Take a request in; return the refusal that it brings, if it does."""
        if "*" in request.subscribe:
            self._everything = True
        if "*" in request.unsubscribe:
            self._everything = False
        names = set(request.subscribe) - {"*"}
        self._names |= names
        for name in names:  # asking is a wish to be told, whatever was told before
            self._known[name] = _UNCERTAIN
            self._refused.pop(name, None)
        for name in request.unsubscribe:
            self._names.discard(name)
            self._known.pop(name, None)
        return self._close(request) if request.nonce else None

    def _close(self, request: Request) -> Refusal | None:
        response = self._under_way
        if response is None or request.nonce != response.nonce:
            return None  # about a response of another stream
        self._under_way = None
        touched = {**response.changed, **dict.fromkeys(response.removed, _ABSENT)}
        if request.refusal:
            for name, version in touched.items():
                self._known[name] = _UNCERTAIN
                self._refused[name] = version
            self.refusal = Refusal(response.revision, request.refusal)
            return self.refusal
        for name, version in touched.items():
            self._refused.pop(name, None)
            if version == _ABSENT:
                self._known.pop(name, None)
            else:
                self._known[name] = version
        self.settled_revision = max(self.settled_revision, response.revision)
        return None

    def respond(
        self, versions: Mapping[str, Version], revision: int, nonce: str
    ) -> Response | None:
        """Return what Envoy has to be told to follow the versions; None if nothing.

        Args:
            versions: Version by name of everything that is published.
            revision: Which publication that is.
            nonce: A name for the response, used only once.
        """
        if self._under_way is not None:
            return None
        wanted = {
            name: version
            for name, version in versions.items()
            if self._everything or name in self._names
        }
        changed = {
            name: version
            for name, version in wanted.items()
            if version not in (self._known.get(name), self._refused.get(name))
        }
        removed = tuple(
            name
            for name in self._known
            if name not in wanted and self._refused.get(name) != _ABSENT
        )
        if not changed and not removed and (self._greeted or not self._everything):
            self.settled_revision = max(self.settled_revision, revision)
            return None
        self._greeted = True
        self._under_way = Response(nonce, changed, removed, revision)
        return self._under_way
