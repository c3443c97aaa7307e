"""Options and fixtures of all tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.support.effort import LONG, QUICK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GOLDEN = Path(__file__).parent / "golden"

pytest_plugins = ["tests.support.skips"]

# No test has a time limit, and no example of one either. --hypothesis-profile=long loads the
# other profile, and tests that count for themselves go by it too: tests/support/effort.py.
settings.register_profile(
    QUICK, parent=settings(), deadline=None, max_examples=15, derandomize=True
)
settings.register_profile(LONG, parent=settings(), deadline=None)
settings.load_profile(QUICK)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that rewrites the golden files."""
    parser.addoption(
        "--golden-update", action="store_true", help="rewrite the files in tests/golden"
    )


@pytest.fixture(scope="session", autouse=True)
def own_segments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the user's cache out of the tests, and the tests out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAGESIM_SEGMENTS", str(tmp_path_factory.mktemp("segments")))
        yield


@pytest.fixture(scope="session", autouse=True)
def own_announcements(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the meshes of the tests apart from those of the user."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare text with a file in tests/golden, or write it with --golden-update."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--golden-update"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path} is not there; make it with --golden-update"
        assert path.read_text(encoding="utf-8") == text

    return check
