"""Names in documents and docstrings are names of something: modules, classes, calls, files."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from experiments.metrics.definitions.registry import METRICS
from services.page.configuration import SECTION_OWNERS
from timetravel.database import migrate
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PACKAGES = ("core", "experiments", "mesh", "migrations", "services", "timetravel", "worlds")
MODULES = sorted(
    path
    for folder in (*PACKAGES, "benchmarks", "tests")
    for path in (ROOT / folder).rglob("*.py")
)
LAYERS = "Imports run one way"

DOTTED = re.compile(r"`([a-z_]\w*(?:\.\w+)+)(?:\(\))?`")
CLASS = re.compile(r"`([A-Z][A-Za-z]*[a-z][A-Za-z]*)(?:\.read|\(\))?`")
CALL = re.compile(r"`([a-z]\w*)\([^`]*\)`")
OF_STORE = re.compile(r"`(store(?:\.\w+(?:\(\))?)+)`((?:[:,] `\w+`(?=[ ,|]))*)")
FILE = re.compile(r"(?<![\w/.:-])((?:docs|tests|examples|scripts|protos)/[\w./-]*\w)")
OPTION = re.compile(r"`(--[a-z-]+)[^`]*`")
FIELD = re.compile(r"`([a-z]+(?:_[a-z0-9]+)+)`")
FOREIGN = ("envoy_", "pg_")
RUN = re.compile(r"python -m ([\w.]+)")
METHOD_OR_SERVICE = re.compile(r"^\s*(?:rpc|service|message) (\w+)", re.MULTILINE)
ROUTE = re.compile(r"pagesim\.\w+\.v1\.[A-Z]\w+")

FILE_ENDINGS = (".binpb", ".pem")
NOT_OURS = {"NaN", "max"}
"""Words in documents that look like classes and calls of ours."""


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def docstrings(path: Path) -> Iterator[str]:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, kinds):
            yield ast.get_docstring(node) or ""


@cache
def is_there(name: str) -> bool:
    """Return whether a dotted name is a module, or can be reached from one."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            if find_spec(".".join(parts[:cut])) is None:
                continue
        except ModuleNotFoundError:
            continue
        if cut == len(parts):
            return True
        found: object = import_module(".".join(parts[:cut]))
        for part in parts[cut:]:
            fields = getattr(found, "__dataclass_fields__", {})
            if not hasattr(found, part) and part not in fields:
                return False
            found = getattr(found, part, None)
        return True
    return False


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_module_that_a_document_names_is_there(document: Path) -> None:
    for name in DOTTED.findall(document.read_text()):
        if name.split(".")[0] in PACKAGES and not name.endswith(FILE_ENDINGS):
            assert is_there(name), name


@pytest.mark.parametrize("package", [*PACKAGES, "benchmarks", "tests"])
def test_every_module_that_a_docstring_names_is_there(package: str) -> None:
    for path in MODULES:
        if path.relative_to(ROOT).parts[0] != package:
            continue
        above = [".".join(one.parts) for one in path.relative_to(ROOT).parents][:-1]
        for text in docstrings(path):
            for name in DOTTED.findall(text):
                first = name.split(".")[0]
                # `queries.visibility` is said within timetravel; `filtering.seen` is a key.
                bases = [
                    f"{base}."
                    for base in above
                    if first not in SECTION_OWNERS
                    and not name.endswith(FILE_ENDINGS)
                    and (ROOT / base.replace(".", "/") / first / "__init__.py").exists()
                ]
                bases += [""] if first in PACKAGES else []
                found = [base for base in bases if is_there(f"{base}{name}")]
                assert found or not bases, f"{named(path)}: {name}"


@cache
def defined() -> frozenset[str]:
    """Return the names of all classes and functions, and of all that protos declare."""
    names = {
        node.name
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
    }
    for path in (ROOT / "protos").rglob("*.proto"):
        names |= {*METHOD_OR_SERVICE.findall(path.read_text())}
    return frozenset(names)


@cache
def options() -> frozenset[str]:
    """Return the options that commands and processes define."""
    return frozenset(
        found
        for path in MODULES
        if path.relative_to(ROOT).parts[0] != "tests"
        for found in re.findall(r'"(--[a-z-]+)[/"]', path.read_text())
    )


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_class_call_and_rpc_that_a_document_names_is_defined(document: Path) -> None:
    text = document.read_text()
    for name in (*CLASS.findall(text), *CALL.findall(text)):
        assert name in {*defined(), *NOT_OURS}, name


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_option_that_a_document_names_is_one_of_ours(document: Path) -> None:
    for option in OPTION.findall(document.read_text()):
        assert option in options() | {"--format", "--require-hashes"}, option


@cache
def source() -> str:
    """Return the text of all packages and scripts, and of what tests share."""
    tests = ROOT / "tests"
    shared = (tests / "support", tests / "oracle")
    paths = [
        path
        for path in MODULES
        if not path.is_relative_to(tests) or any(map(path.is_relative_to, shared))
    ]
    scripts = [path for path in (ROOT / "scripts").iterdir() if path.is_file()]
    return "\n".join(path.read_text() for path in (*paths, *scripts, ROOT / "Makefile"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_header_and_variable_that_a_document_names_is_read(document: Path) -> None:
    text = document.read_text()
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    for header in re.findall(r"x-pagesim-[a-z-]*[a-z]", text):
        assert f'"{header}"' in source(), header
    for variable in re.findall(r"PAGESIM_[A-Z_]*[A-Z]", text):
        read = variable in source() or variable in tests
        assert read or variable.startswith("PAGESIM_FILE_"), variable


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_field_or_table_that_a_document_names_is_in_the_code(document: Path) -> None:
    protos = "\n".join(path.read_text() for path in (ROOT / "protos").rglob("*.proto"))
    for name in FIELD.findall(document.read_text()):
        if not name.startswith(FOREIGN):
            word = rf"\b{name.removesuffix('_total')}\b"
            assert re.search(word, source() + protos, re.IGNORECASE), name


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_module_that_a_document_runs_is_there(document: Path) -> None:
    for module in RUN.findall(document.read_text()):
        if module != "MODULE":
            found = (ROOT / module.replace(".", "/")).with_suffix(".py")
            package = ROOT / module.replace(".", "/") / "__main__.py"
            assert found.exists() or package.exists(), module


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_grpc_service_that_a_document_names_is_declared(document: Path) -> None:
    for name in ROUTE.findall(document.read_text()):
        area = name.split(".")[1]
        protos = (ROOT / "protos" / "pagesim" / area / "v1").glob("*.proto")
        declared = {
            found for path in protos for found in METHOD_OR_SERVICE.findall(path.read_text())
        }
        assert name.rsplit(".", 1)[-1] in declared, name


def test_every_question_in_the_document_about_time_can_be_asked_of_a_store(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    migrate.upgrade(url)
    asked = 0
    with Store.open(url) as store:
        for name, more in OF_STORE.findall((ROOT / "docs" / "time.md").read_text()):
            found: object = store
            for part in name.split(".")[1:]:
                found = getattr(found, part.removesuffix("()"))
                found = found() if part.endswith("()") and callable(found) else found
            for method in re.findall(r"`(\w+)`", more):
                base = found if name.endswith("()") else store.ledger()
                assert hasattr(base, method), method
            asked += 1
    assert asked


@pytest.mark.parametrize("package", [*PACKAGES, "benchmarks", "tests"])
def test_every_file_that_a_docstring_names_is_there(package: str) -> None:
    for path in MODULES:
        if path.relative_to(ROOT).parts[0] == package:
            for text in docstrings(path):
                for file in FILE.findall(text):
                    exists = (ROOT / file).exists() or (ROOT / file).parent.is_dir()
                    assert exists, f"{named(path)}: {file}"


def test_the_layers_are_those_that_the_linter_holds() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = (one["layers"] for one in contracts["contracts"] if one["name"] == LAYERS)
    assert f"    {' > '.join(layers)}\n" in (ROOT / "CONTRIBUTING.md").read_text()


def test_every_metric_of_an_experiment_is_described_by_its_title() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text()
    rows = re.findall(r"^\| ([^|`]+) \| `(\w+)` \|", text, re.MULTILINE)
    assert [(title.strip(), name) for title, name in rows] == [
        (metric.title, metric.name)
        for metric in METRICS
        if not metric.name.startswith("row_share_")
    ]
