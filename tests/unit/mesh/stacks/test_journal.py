"""What a control plane wrote is what the next one reads, and nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from mesh.stacks.journal import Entry, Journal
from mesh.topology.service_process import ServiceProcess
from mesh.topology.stack import Stack, StackState

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

BASELINE = (ServiceProcess("a.v1.A", "services.a", secrets=("PASSWORD",)),)


def stack_called(stack_id: str) -> Stack:
    return Stack(stack_id, 5, 6, 7, (ServiceProcess("b.v1.B", "services.b", ("-x",)),), "v")


DEEDS = st.lists(
    st.tuples(
        st.sampled_from(["one", "two", "three"]),
        st.one_of(st.none(), st.sampled_from([StackState.CREATING, StackState.READY])),
        st.one_of(st.none(), st.floats(1, 1e5)),
    ),
    max_size=20,
)


@given(deeds=DEEDS)
def test_the_last_word_on_each_stack_is_read_again(
    deeds: list[tuple[str, StackState | None, float | None]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal.db"
    journal = Journal(path, host_id="here", baseline=BASELINE)
    expected: dict[str, Entry] = {}
    for stack_id, state, lease_seconds in deeds:
        if state is None:
            journal.forget(stack_id)
            expected.pop(stack_id, None)
        else:
            journal.record(stack_called(stack_id), state, lease_seconds=lease_seconds)
            expected[stack_id] = Entry(stack_called(stack_id), state, lease_seconds)
    # A second reader, as after SIGKILL: nobody closed the first.
    after = Journal(path, host_id="here", baseline=())
    assert after.entries() == tuple(one for _, one in sorted(expected.items()))
    assert after.baseline == BASELINE
    after.close()
    journal.close()


def test_what_another_host_left_is_thrown_away(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db", host_id="former", baseline=BASELINE)
    journal.record(stack_called("one"), StackState.READY)
    journal.close()
    journal = Journal(tmp_path / "journal.db", host_id="present", baseline=())
    assert journal.entries() == ()
    assert journal.baseline == ()
    journal.close()
