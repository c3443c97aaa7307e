"""Reads texts as experiment files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from experiments.errors import InvalidSpec
from experiments.spec import load_spec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes | str], str]:
    """Return the message that a text is refused with, as the file experiment.yaml."""
    monkeypatch.chdir(tmp_path)

    def refuse(text: bytes | str) -> str:
        path = tmp_path / "experiment.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(InvalidSpec) as caught:
            load_spec(path.relative_to(tmp_path))
        return str(caught.value)

    return refuse
