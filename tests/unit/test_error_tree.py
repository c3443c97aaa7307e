"""Errors: every one says what to do and maps to a gRPC status."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
import re

import grpc
import pytest

import core
import experiments
import mesh
import services
import timetravel
import worlds
from core.errors import PagesimError
from mesh.errors import MissingContext

PACKAGES = [core, mesh, timetravel, services, worlds, experiments]
ERROR_MODULES = [
    importlib.import_module(module.name)
    for package in PACKAGES
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if module.name.endswith(".errors")
]


def errors_of(module: object) -> list[type[PagesimError]]:
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, PagesimError)
        and value.__module__ == getattr(module, "__name__", "")
    ]


@pytest.mark.parametrize("module", ERROR_MODULES, ids=lambda module: module.__name__)
def test_every_error_of_a_package_is_drawn_in_its_tree(module: object) -> None:
    drawing = module.__doc__ or ""
    drawn = set(re.findall(r"\b[A-Z][A-Za-z]+\b", drawing))
    assert {error.__name__ for error in errors_of(module)} <= drawn


@pytest.mark.parametrize("module", ERROR_MODULES, ids=lambda module: module.__name__)
def test_only_roots_leave_the_status_unknown(module: object) -> None:
    for error in errors_of(module):
        is_root = error is PagesimError or PagesimError in error.__bases__
        assert is_root or error.status is not grpc.StatusCode.UNKNOWN, error


def test_a_message_names_the_field_the_problem_and_the_remedy() -> None:
    error = MissingContext("There is no as-of.", remedy="Send one.", field="x-pagesim-as-of")
    assert str(error) == "x-pagesim-as-of: There is no as-of. Send one."


def test_an_error_survives_the_way_home_from_a_worker_process() -> None:
    error = MissingContext("There is no as-of.", remedy="Send one.", field="as_of")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(copy) is MissingContext
    assert str(copy) == str(error)
