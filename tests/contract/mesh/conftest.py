"""One Ray cluster for the contract of launchers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.ray_cluster import start_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A cluster of a head and one node."""
    with start_cluster(1):
        yield
