"""When a dead replica is started again, against a plain account of its deaths."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mesh.stacks.restarts import Health, RestartPolicy

POLICY = RestartPolicy(
    first_pause_seconds=1, longest_pause_seconds=8, steady_seconds=5, attempts=4
)


@given(st.lists(st.floats(0, 20), max_size=12), st.booleans())
def test_pauses_double_from_the_last_steady_life(lives: list[float], spare: bool) -> None:  # noqa: FBT001 - drawn
    health = Health(POLICY)
    now, in_a_row = 0.0, 0
    for life in lives:
        health.serve(now)
        died = now + life
        health.die(died, "exit code 1", spare=spare)
        in_a_row = 1 if died - now >= 5 else in_a_row + 1
        if in_a_row > 4 and not spare:
            assert health.start_at is None
            assert f"died {in_a_row} times in a row" in health.given_up
            return
        now = died + min(2 ** (in_a_row - 1), 8)
        assert health.start_at == now
        health.start()
    assert health.restarts == len(lives)
    assert not health.given_up
