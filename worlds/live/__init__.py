"""The live system: lives a world forward in a store, and logs the pages that it shows.

It reads the store as it is, never as of a moment: what is not yet known is not yet there.
"""

from worlds.live.life import LifeReport, live_forward, read_report

__all__ = ["LifeReport", "live_forward", "read_report"]
