"""Made-up titles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np

_QUALITIES: Final = (
    *("Amber", "Borrowed", "Crooked", "Distant", "Electric", "Forgotten", "Gentle", "Hidden"),
    *("Iron", "Jaded", "Kind", "Last", "Midnight", "Northern", "Open", "Paper", "Quiet"),
    *("Restless", "Silver", "Tender", "Uneasy", "Velvet", "Winter", "Yellow"),
)
_THINGS: Final = (
    *("Anchor", "Bridge", "Comet", "Debt", "Engine", "Frontier", "Garden", "Harbour"),
    *("Island", "Journey", "Kitchen", "Lantern", "Mirror", "Neighbour", "Orchard", "Promise"),
    *("Quarry", "River", "Station", "Tower", "Umbrella", "Voyage", "Window", "Year"),
)


def make_titles(stream: np.random.Generator, count: int) -> tuple[str, ...]:
    """Return so many titles, no two alike."""
    pairs = len(_QUALITIES) * len(_THINGS)
    order = stream.permutation(pairs).tolist()
    titles = []
    for number in range(count):
        quality, thing = divmod(order[number % pairs], len(_THINGS))
        part = number // pairs
        title = f"The {_QUALITIES[quality]} {_THINGS[thing]}"
        titles.append(f"{title} {part + 1}" if part else title)
    return tuple(titles)
