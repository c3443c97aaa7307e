"""The snapshot that a run reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.errors import UnknownSnapshot

if TYPE_CHECKING:
    from timetravel.store import Store


def pin_snapshot(store: Store, wanted: int | None) -> int:
    """Return the append position to read up to: the wanted one, or the newest.

    Raises:
        UnknownSnapshot: The store has not reached it.
    """
    newest = store.snapshot()
    if wanted is not None and not 1 <= wanted <= newest:
        raise UnknownSnapshot(
            f"There is no snapshot {wanted}; the store has 1 to {newest}.",
            remedy="Name that of a run on this store: its run.json has it.",
            field="--snapshot",
        )
    return newest if wanted is None else wanted
