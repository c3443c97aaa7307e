"""Snippets in documents are what they say: Python runs, and files are taken by their loaders.

Shell commands are checked in `test_documents.py`, the files of docs/ingest.md in
`test_documented.py` of ingest.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc

from experiments.ingest.mapping.entries import KINDS
from experiments.ingest.mapping.mapping import load_mapping
from experiments.spec.loading import load_spec
from experiments.spec.overlays import find_overlay_mistakes
from mesh.serving import Registration, RunningServer, ServingOptions, start
from services.page.configuration import parse_configuration
from services.page.production import production_documents
from tests.support.facts.ingest_service import NOW
from timetravel.database import migrate
from timetravel.facts.model import EntityKind
from timetravel.ingest.stream.server import SERVICE, add_ingest
from timetravel.store import Store

if TYPE_CHECKING:
    from types import CodeType

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^( *)```([^\n`]*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"^pagesim ingest (\S+) .*--kind (\w+) --mapping (\S+)$", re.MULTILINE)
PYTHON, YAML, JSON, OTHERS = "python", "yaml", "json", {"sh", "text", "csv", ""}


@dataclass(frozen=True, slots=True)
class Snippet:
    """A fenced block of a document."""

    document: Path
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"


def snippets(document: Path) -> list[Snippet]:
    text = document.read_text()
    return [
        Snippet(
            document,
            text.count("\n", 0, found.start()) + 1,
            found[2].strip(),
            re.sub(rf"^{found[1]}", "", found[3], flags=re.MULTILINE),
        )
        for found in FENCE.finditer(text)
    ]


SNIPPETS = [snippet for document in DOCUMENTS for snippet in snippets(document)]


def of(*languages: str) -> list[Any]:
    return [pytest.param(one, id=one.name) for one in SNIPPETS if one.language in languages]


def only(document: str, *, containing: str) -> Snippet:
    (found,) = (
        one
        for one in SNIPPETS
        if one.language == PYTHON and one.document == ROOT / document and containing in one.text
    )
    return found


def test_every_snippet_is_in_a_language_that_is_checked() -> None:
    for one in SNIPPETS:
        assert one.language in {PYTHON, YAML, JSON, *OTHERS}, one.name
    fences = sum(
        len(re.findall(r"^ *(?:```|~~~)", document.read_text(), re.MULTILINE))
        for document in DOCUMENTS
    )
    assert fences == 2 * len(SNIPPETS)


@pytest.mark.parametrize("snippet", of("text", ""))
def test_what_is_shown_as_output_is_no_program(snippet: Snippet) -> None:
    with pytest.raises(SyntaxError):
        ast.parse(snippet.text)


def test_python_snippets_satisfy_the_type_checker(tmp_path: Path) -> None:
    found = [one for one in SNIPPETS if one.language == PYTHON]
    assert found
    for number, one in enumerate(found):
        (tmp_path / f"snippet_{number}.py").write_text(one.text)
    checked = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml")),
            *(str(path) for path in sorted(tmp_path.glob("*.py"))),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    names = ", ".join(f"{number}: {one.name}" for number, one in enumerate(found))
    assert checked.returncode == 0, f"{names}\n{checked.stdout}{checked.stderr}"


def compiled(statements: list[ast.stmt], snippet: Snippet) -> CodeType:
    return compile(ast.Module(statements, []), snippet.name, "exec")


def test_the_stack_with_a_program_of_ones_own_is_one_that_a_mesh_can_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snippet = only("docs/own-services.md", containing="start_mesh")
    monkeypatch.chdir(tmp_path)
    Path("model.bin").write_bytes(b"weights")
    *before, with_mesh = ast.parse(snippet.text).body
    assert isinstance(with_mesh, ast.With)
    names: dict[str, Any] = {}
    exec(compiled(before, snippet), names)  # noqa: S102 - what a reader would do
    (own,) = names["stack"].overrides
    assert own.files["model"].path == str(tmp_path / "model.bin")
    assert own.files["model"].sha256 == hashlib.sha256(b"weights").hexdigest()


def test_the_service_in_python_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    snippet = only("docs/own-services.md", containing="serve(")
    monkeypatch.setattr(sys, "argv", ["own", "--mesh-address", "127.0.0.1:1"])
    *before, last = ast.parse(snippet.text).body
    assert isinstance(last, ast.Expr)
    assert isinstance(last.value, ast.Call)
    names: dict[str, Any] = {"__name__": "own_ranking"}
    exec(compiled(before, snippet), names)  # noqa: S102 - what a reader would do
    # serve() is start(), and then waits for a signal.
    assert ast.unparse(last.value.func) == "serve"
    last.value.func = ast.copy_location(ast.Name("start", ast.Load()), last.value.func)
    code = compile(ast.Expression(last.value), snippet.name, "eval")
    running = eval(code, names | {"start": start})  # noqa: S307 - what a reader would do
    assert isinstance(running, RunningServer)
    try:
        with grpc.insecure_channel(running.address) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            answer = stub.Check(
                health_pb2.HealthCheckRequest(service="pagesim.ranking.v1.RankingService")
            )
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    finally:
        running.stop(0)
        names["channel"].close()


def test_the_program_that_ingests_brings_its_facts_into_the_store(tmp_path: Path) -> None:
    snippet = only("docs/ingest.md", containing="IngestClient")
    url = f"sqlite:///{tmp_path / 'store.db'}"
    migrate.upgrade(url)
    with Store.open(url) as store:
        add = partial(add_ingest, store=store, now_micros=lambda: NOW)
        server = start([Registration(SERVICE, add, needs_context=False)], ServingOptions())
        text = snippet.text.replace("127.0.0.1:50051", server.address)
        assert text != snippet.text
        names: dict[str, Any] = {}
        try:
            exec(compile(text, snippet.name, "exec"), names)  # noqa: S102 - what a reader would do
        finally:
            server.stop(0)
        (fact,) = names["facts"]
        answer = store.as_of().attributes(
            EntityKind.PROFILE, [fact.entity_id], fact.known_at, [fact.name]
        )
    assert answer.columns == {fact.name: [fact.value]}


def mapping_kinds() -> dict[str, str]:
    """Return the kind of facts that each mapping in docs/ingest.md is for."""
    text = (ROOT / "docs" / "ingest.md").read_text()
    return {mapping: kind for _, kind, mapping in COMMAND.findall(text)}


@pytest.mark.parametrize("snippet", of(YAML))
def test_yaml_is_an_experiment_or_a_mapping(
    snippet: Snippet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("snippet.yaml").write_text(snippet.text)
    if snippet.document == ROOT / "docs" / "ingest.md":
        before = snippet.document.read_text().splitlines()[: snippet.line - 1]
        name = re.fullmatch(r"`(\S+)`:", "\n".join(before).split("\n")[-2])
        assert name is not None
        kind = mapping_kinds()[name[1]]
        assert kind in KINDS
        load_mapping(Path("snippet.yaml"), kind)
        return
    spec = load_spec(Path("snippet.yaml"))
    production = production_documents()[0].body
    for variant in spec.variants:
        assert not [*find_overlay_mistakes(variant.configuration, production)]


@pytest.mark.parametrize("snippet", of(JSON))
def test_json_can_be_read(snippet: Snippet) -> None:
    try:
        value = json.loads(snippet.text)
    except json.JSONDecodeError:  # JSON Lines
        assert all(isinstance(json.loads(line), dict) for line in snippet.text.splitlines())
        return
    if "row_selection" in value:
        parse_configuration(value)


def test_every_experiment_of_the_examples_is_accepted_by_the_loader() -> None:
    examples = sorted((ROOT / "examples").glob("*.yaml"))
    assert examples
    for path in examples:
        assert yaml.safe_load(path.read_text())["experiment"] == load_spec(path).name
