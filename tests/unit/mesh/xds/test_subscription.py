"""The delta protocol: whatever Envoy asks, takes or refuses, it ends up with what is wanted."""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from hypothesis import assume, given
from hypothesis import strategies as st

from mesh.xds.subscription import Request, Response, Subscription

if TYPE_CHECKING:
    from collections.abc import Mapping

EMPTY: Mapping[str, str] = {}
NAMES = ("a", "b", "c")
versions = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["1", "2", "3"]))


class ModelEnvoy:
    """Holds what an Envoy would hold, and answers as one would."""

    def __init__(self, subscribe: tuple[str, ...] = (), has: Mapping[str, str] = EMPTY) -> None:
        self.everything = not subscribe or "*" in subscribe
        self.names = set(subscribe) - {"*"}
        self.has = {name: has[name] for name in has if self.everything or name in self.names}
        self.subscription = Subscription(Request(subscribe, initial_versions=self.has))
        self.published: dict[str, str] = {}
        self.refused_removals: set[str] = set()
        self.revision = 0
        self._nonces = count(1)
        self._under_way: Response | None = None

    def publish(self, published: Mapping[str, str]) -> None:
        self.published = dict(published)
        self.revision += 1

    def send(self) -> bool:
        nonce = next(self._nonces)
        response = self.subscription.respond(self.published, self.revision, str(nonce))
        self._under_way = response or self._under_way
        return response is not None

    def acknowledge(self) -> None:
        if self._under_way is not None:
            self._take(self._under_way)
            self.subscription.receive(Request(nonce=self._under_way.nonce))
            self._under_way = None

    def refuse(self, *, after_taking_it: bool) -> None:
        if self._under_way is not None:
            if after_taking_it:
                self._take(self._under_way)
            self.refused_removals.update(self._under_way.removed)
            self.subscription.receive(Request(nonce=self._under_way.nonce, refusal="no"))
            self._under_way = None

    def ask(self, name: str) -> None:
        if not self.everything:
            self.names.add(name)
            self.subscription.receive(Request(subscribe=(name,)))

    def leave(self, name: str) -> None:
        if not self.everything:
            self.names.discard(name)
            self.has.pop(name, None)
            self.subscription.receive(Request(unsubscribe=(name,)))

    def drain(self) -> int:
        """Acknowledge until nothing more comes; return how much came."""
        came = 0
        while self.send():
            self.acknowledge()
            came += 1
        return came

    def wanted(self) -> dict[str, str]:
        return {
            name: version
            for name, version in self.published.items()
            if self.everything or name in self.names
        }

    def _take(self, response: Response) -> None:
        followed = {
            name: version
            for name, version in response.changed.items()
            if self.everything or name in self.names
        }
        self.has.update(followed)
        for name in response.removed:
            self.has.pop(name, None)


names = st.sampled_from(NAMES)
steps = st.one_of(
    st.tuples(st.just(ModelEnvoy.publish), st.tuples(versions)),
    st.tuples(st.just(ModelEnvoy.send), st.just(())),
    st.tuples(st.just(ModelEnvoy.acknowledge), st.just(())),
    st.tuples(st.just(ModelEnvoy.ask), st.tuples(names)),
    st.tuples(st.just(ModelEnvoy.leave), st.tuples(names)),
    st.tuples(
        st.sampled_from(
            [
                partial(ModelEnvoy.refuse, after_taking_it=True),
                partial(ModelEnvoy.refuse, after_taking_it=False),
            ]
        ),
        st.just(()),
    ),
)


@st.composite
def conversations(draw: st.DrawFn) -> ModelEnvoy:
    """An Envoy after any conversation, its last answer given."""
    subscribe = draw(st.sampled_from([(), ("*",), ("a",), ("a", "b")]))
    envoy = ModelEnvoy(subscribe, draw(versions))
    for act, arguments in draw(st.lists(steps, max_size=30)):
        act(envoy, *arguments)
    envoy.acknowledge()
    return envoy


@given(conversations(), st.dictionaries(names, st.just("4")))
def test_after_any_conversation_envoy_can_be_brought_to_the_next_publication(
    envoy: ModelEnvoy, published: dict[str, str]
) -> None:
    # Version 4 was never refused, but a removal may have been; it is not sent twice.
    assume(envoy.refused_removals <= set(published))
    envoy.publish(published)
    envoy.drain()
    assert envoy.has == envoy.wanted()
    assert envoy.subscription.settled_revision == envoy.revision


@given(conversations(), versions)
def test_whoever_is_settled_is_told_nothing_more(
    envoy: ModelEnvoy, published: dict[str, str]
) -> None:
    envoy.publish(published)
    envoy.drain()
    envoy.publish(published)
    assert envoy.drain() == 0
    assert envoy.subscription.settled_revision == envoy.revision


def test_only_what_changed_is_sent() -> None:
    envoy = ModelEnvoy()
    envoy.publish({"a": "1", "b": "1"})
    envoy.drain()
    response = envoy.subscription.respond({"a": "1", "b": "2", "c": "1"}, 2, "next")
    assert response is not None
    assert response.changed == {"b": "2", "c": "1"}
    assert response.removed == ()


def test_an_envoy_that_comes_back_is_sent_nothing_that_it_has() -> None:
    envoy = ModelEnvoy(("*",), {"a": "1", "gone": "1"})
    response = envoy.subscription.respond({"a": "1"}, 1, "first")
    assert response is not None
    assert (response.changed, response.removed) == ({}, ("gone",))


def test_one_response_is_under_way_at_a_time() -> None:
    subscription = Subscription(Request())
    assert subscription.respond({"a": "1"}, 1, "one") is not None
    assert subscription.respond({"a": "2"}, 2, "two") is None
    assert subscription.settled_revision == 0


def test_what_was_refused_is_not_sent_again_until_it_changes() -> None:
    subscription = Subscription(Request())
    subscription.respond({"a": "good"}, 1, "one")
    subscription.receive(Request(nonce="one"))
    subscription.respond({"a": "bad"}, 2, "two")
    refusal = subscription.receive(Request(nonce="two", refusal="no such field"))
    assert refusal is not None
    assert (refusal.revision, refusal.reason) == (2, "no such field")
    assert subscription.respond({"a": "bad"}, 3, "three") is None
    back = subscription.respond({"a": "good"}, 4, "four")
    assert back is not None
    assert back.changed == {"a": "good"}  # Envoy may have taken a part of what it refused


def test_what_was_new_in_a_refused_response_is_removed_again() -> None:
    subscription = Subscription(Request())
    subscription.respond({"a": "1"}, 1, "one")
    subscription.receive(Request(nonce="one"))
    subscription.respond({"a": "1", "new": "1"}, 2, "two")
    subscription.receive(Request(nonce="two", refusal="no"))
    back = subscription.respond({"a": "1"}, 3, "three")
    assert back is not None
    assert (back.changed, back.removed) == ({}, ("new",))


def test_envoy_is_told_when_a_name_that_it_asks_for_is_not_there() -> None:
    subscription = Subscription(Request(subscribe=("absent",)))
    response = subscription.respond({}, 1, "one")
    assert response is not None
    assert response.removed == ("absent",)


def test_an_envoy_that_wants_everything_is_greeted_even_with_nothing() -> None:
    subscription = Subscription(Request())
    assert subscription.respond({}, 1, "one") is not None
