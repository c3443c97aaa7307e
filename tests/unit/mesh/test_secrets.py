"""Secrets reach the processes of the baseline that ask for them, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core.errors import InvalidInput
from mesh.errors import InvalidStack
from mesh.topology.baseline_file import read_baseline, take_secrets, write_baseline
from mesh.topology.service_process import ServiceProcess
from mesh.topology.stack import Stack

if TYPE_CHECKING:
    from pathlib import Path

ASKING = ServiceProcess("a.v1.A", "services.a", secrets=("PASSWORD",))
OTHER = ServiceProcess("b.v1.B", "services.b")


def test_a_baseline_file_names_secrets_and_does_not_hold_them(tmp_path: Path) -> None:
    write_baseline([ASKING, OTHER], tmp_path / "baseline.json")
    assert read_baseline(tmp_path / "baseline.json") == (ASKING, OTHER)


def test_secrets_are_taken_out_of_the_environment() -> None:
    environment = {"PASSWORD": "open sesame", "LEVEL": "2"}
    assert take_secrets([ASKING, OTHER], environment) == {"PASSWORD": "open sesame"}
    assert environment == {"LEVEL": "2"}
    assert take_secrets([OTHER], environment) == {}


def test_a_secret_that_is_not_there_is_named() -> None:
    with pytest.raises(InvalidInput, match="no PASSWORD, which the baseline asks for"):
        take_secrets([ASKING], {})


def test_a_stack_is_given_no_secrets() -> None:
    with pytest.raises(InvalidStack, match=r"a\.v1\.A of a stack asks for PASSWORD"):
        Stack("trial", 0, overrides=(ASKING,))


@pytest.mark.parametrize("secrets", ["PASSWORD", [1], [""], ["A=B"]])
def test_a_name_that_no_variable_can_have_is_refused(tmp_path: Path, secrets: object) -> None:
    entry = f'[{{"service": "a.A", "module": "a", "secrets": {secrets!r}}}]'
    (tmp_path / "baseline.json").write_text(entry.replace("'", '"'))
    with pytest.raises(InvalidInput) as caught:
        read_baseline(tmp_path / "baseline.json")
    assert caught.value.field in {"[0].secrets", "[0].environment"}
