"""The call context: complete or an error, and the same in every thread that asks for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.errors import InvalidInput
from mesh.call.context import (
    AS_OF_HEADER,
    KNOWN_BY_HEADER,
    SNAPSHOT_HEADER,
    STACK_HEADER,
    VARIANT_HEADER,
    CallContext,
    ContextExecutor,
    context_headers,
    current_context,
    forwarded_headers,
    read_context,
    run_in_context,
    use_context,
)
from mesh.errors import MissingContext

CONTEXT = CallContext(
    stack="trial-1",
    as_of_micros=1_500_000_000_000_001,
    known_by_micros=1_600_000_000_000_000,
    snapshot=42,
    variant="control",
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
)

contexts = st.builds(
    CallContext,
    stack=st.from_regex(r"[a-z][a-z0-9-]{0,62}", fullmatch=True),
    as_of_micros=st.integers(0, 4_000_000_000_000_000),
    known_by_micros=st.none() | st.integers(0, 4_000_000_000_000_000),
    snapshot=st.none() | st.integers(0, 2**63 - 1),
    variant=st.just("") | st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True),
)


@given(contexts)
@example(replace(CONTEXT, snapshot=10**18, traceparent=""))
@example(replace(CONTEXT, snapshot=2**63 - 1, traceparent=""))
def test_a_context_survives_the_headers_exactly(context: CallContext) -> None:
    assert read_context(context_headers(context).items()) == context


@pytest.mark.parametrize("snapshot", [-1, 2**63])
def test_a_snapshot_that_no_store_reaches_is_refused(snapshot: int) -> None:
    headers = context_headers(CONTEXT) | {SNAPSHOT_HEADER: str(snapshot)}
    with pytest.raises(InvalidInput, match="is not an append position"):
        read_context(headers.items())
    with pytest.raises(InvalidInput, match="is not an append position"):
        replace(CONTEXT, snapshot=snapshot)


def test_a_service_forwards_stack_as_of_and_trace_and_leaves_the_rest_to_the_mesh() -> None:
    assert set(forwarded_headers(CONTEXT)) == {STACK_HEADER, AS_OF_HEADER, "traceparent"}


@pytest.mark.parametrize("missing", [STACK_HEADER, AS_OF_HEADER])
@pytest.mark.parametrize("empty", [True, False], ids=["empty", "absent"])
def test_a_call_without_stack_or_as_of_is_refused_by_the_name_of_the_header(
    missing: str,
    empty: bool,  # noqa: FBT001 - a pytest parameter
) -> None:
    headers = context_headers(CONTEXT)
    del headers[missing]
    if empty:
        headers[missing] = ""
    with pytest.raises(MissingContext, match=missing):
        read_context(headers.items())


@pytest.mark.parametrize("name", sorted(context_headers(CONTEXT)))
def test_a_header_that_comes_twice_is_refused(name: str) -> None:
    headers = [*context_headers(CONTEXT).items(), (name, "again")]
    with pytest.raises(InvalidInput, match=f"the {name} header 2 times"):
        read_context(headers)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (STACK_HEADER, "Trial"),
        (STACK_HEADER, "1trial"),
        (STACK_HEADER, "t" * 64),
        (AS_OF_HEADER, "now"),
        (AS_OF_HEADER, "2018-05-01T12:00:00"),
        (KNOWN_BY_HEADER, ""),
        (SNAPSHOT_HEADER, "-1"),
        (SNAPSHOT_HEADER, "1_000"),
        (VARIANT_HEADER, "a b"),
    ],
)
def test_a_header_of_the_wrong_kind_is_refused_by_its_name(name: str, value: str) -> None:
    headers = context_headers(CONTEXT) | {name: value}
    with pytest.raises(InvalidInput) as caught:
        read_context(headers.items())
    assert caught.value.field == name


@pytest.mark.parametrize(
    "sent", ["ü", "\x80", "\x1b[31m", "a b", "\n", b"00-ab\x7f", b"\xff\xfe"]
)
def test_a_trace_that_no_header_could_carry_on_is_dropped(sent: str | bytes) -> None:
    headers = [
        *context_headers(replace(CONTEXT, traceparent="")).items(),
        ("traceparent", sent),
    ]
    assert read_context(headers) == replace(CONTEXT, traceparent="")


def test_other_headers_do_not_matter() -> None:
    others: list[tuple[str, str | bytes]] = [("user-agent", "a"), ("user-agent", "b")]
    others += [("x-binary-bin", b"\xff")]
    assert read_context([*others, *context_headers(CONTEXT).items()]) == CONTEXT


def test_there_is_no_context_outside_a_call() -> None:
    with pytest.raises(MissingContext, match="use_context"):
        current_context()
    with use_context(CONTEXT):
        assert current_context() == CONTEXT
    with pytest.raises(MissingContext):
        current_context()


def test_a_plain_thread_does_not_inherit_the_context_by_accident() -> None:
    with use_context(CONTEXT), ThreadPoolExecutor(1) as executor:
        with pytest.raises(MissingContext):
            executor.submit(current_context).result()
        assert executor.submit(run_in_context(current_context)).result() == CONTEXT


def test_an_executor_runs_each_piece_of_work_in_the_context_of_its_submitter() -> None:
    stacks = [f"stack-{number}" for number in range(20)]
    with ContextExecutor(4) as executor:
        futures = []
        for stack in stacks:
            with use_context(CallContext(stack, 0)):
                futures.append(executor.submit(current_context))
    assert [future.result().stack for future in futures] == stacks


def test_one_bound_function_runs_in_many_threads_at_once() -> None:
    with use_context(CONTEXT):
        bound = run_in_context(lambda _: current_context().stack)
    with ThreadPoolExecutor(8) as executor:
        assert set(executor.map(bound, range(200))) == {CONTEXT.stack}
