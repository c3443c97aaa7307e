"""Where nothing may be skipped, a skip is a failure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import environment
from tests.support.skips import NO_SKIPS

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
WAYS_TO_SKIP = {
    "in a test": "import pytest\ndef test_it(): pytest.skip('no data')\n",
    "in a fixture": (
        "import pytest\n@pytest.fixture\ndef data(): pytest.skip('no data')\n"
        "def test_it(data): pass\n"
    ),
    "by a mark": "import pytest\n@pytest.mark.skip('no data')\ndef test_it(): pass\n",
}
EXPECTED_FAILURE = "import pytest\n@pytest.mark.xfail\ndef test_it(): assert False\n"


def run_tests(text: str, folder: Path, no_skips: str) -> subprocess.CompletedProcess[str]:
    path = folder / "test_skipping.py"
    path.write_text(text, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.support.skips", "-c", "/dev/null", path],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=environment({NO_SKIPS: no_skips}),
    )


@pytest.mark.parametrize("way", WAYS_TO_SKIP)
def test_a_skip_is_a_failure_that_says_why_where_nothing_may_be_skipped(
    tmp_path: Path, way: str
) -> None:
    done = run_tests(WAYS_TO_SKIP[way], tmp_path, "1")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    assert f"may not be skipped where {NO_SKIPS} is 1" in done.stdout
    assert "no data" in done.stdout


def test_a_skip_is_a_skip_elsewhere(tmp_path: Path) -> None:
    done = run_tests(WAYS_TO_SKIP["in a test"], tmp_path, "")
    assert done.returncode == 0, done.stdout
    assert "1 skipped" in done.stdout


def test_an_expected_failure_is_not_a_skip(tmp_path: Path) -> None:
    done = run_tests(EXPECTED_FAILURE, tmp_path, "1")
    assert done.returncode == 0, done.stdout
    assert "1 xfailed" in done.stdout
