"""pagesim services, as far as no process is started."""

from __future__ import annotations

import importlib.util

from click.testing import CliRunner

from experiments.cli.services import SERVICES, services


def test_every_service_is_a_module_that_can_be_run() -> None:
    for service in SERVICES.values():
        assert importlib.util.find_spec(f"{service.module}.__main__") is not None


def test_the_list_names_every_service_and_its_module() -> None:
    result = CliRunner().invoke(services, ["--list"])
    assert result.exit_code == 0
    for name, service in SERVICES.items():
        assert any(
            name in line and f"python -m {service.module} " in line
            for line in result.output.splitlines()
        )


def test_a_name_that_is_no_service_is_a_usage_error() -> None:
    result = CliRunner().invoke(services, ["rankings"])
    assert result.exit_code == 2
    assert "'rankings' is not a service; use one of time-travel" in result.output


def test_without_a_name_the_help_is_shown() -> None:
    assert CliRunner().invoke(services, []).exit_code == 2
    assert "pagesim services NAME --help" in CliRunner().invoke(services, ["--help"]).output
