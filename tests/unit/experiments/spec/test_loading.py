"""What experiment files say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from experiments.documents.yaml_source import read_source, resolve
from experiments.errors import InvalidSpec
from experiments.spec import (
    ExperimentSpec,
    Limits,
    Scope,
    ScopeSource,
    Variant,
    Window,
)
from experiments.spec.entries import (
    ExperimentEntry,
    LimitsEntry,
    NotificationsEntry,
    OwnerEntry,
    ScopeEntry,
    TemplateEntry,
    TemplatesEntry,
    VariantEntry,
    WindowEntry,
)
from experiments.spec.loading import load_spec
from experiments.spec.reference import describe_file
from experiments.spec.schema import experiment_schema
from experiments.spec.validation import find_configuration_mistakes, read_document
from services.page.production import production_documents
from tests.support.strategies import experiment_specs

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY = Path(__file__).parents[4]
EXAMPLES = sorted((REPOSITORY / "examples").glob("*.yaml"))

SCHEMA = Draft202012Validator(experiment_schema())
PRODUCTION = production_documents()[0].body

SHORTEST = """\
experiment: demo
seed: 7
scope: {profiles: 5}
variants: [{name: control}, {name: popular-first}]
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "experiment.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_a_file_leaves_out_has_its_default(tmp_path: Path) -> None:
    assert load_spec(write(tmp_path, SHORTEST)) == ExperimentSpec(
        name="demo",
        description="",
        seed=7,
        scope=Scope(ScopeSource.LOGGED_PAGES, None, 5, 1, ()),
        slices=1,
        variants=(Variant("control"), Variant("popular-first")),
        limits=Limits(),
        known_by_micros=None,
    )


def test_dates_mean_midnight_in_utc(tmp_path: Path) -> None:
    window = "scope: {window: {since: 1970-01-01, until: 1970-01-02T01:00:00+01:00}, "
    spec = load_spec(write(tmp_path, SHORTEST.replace("scope: {", window)))
    assert spec.scope.window == Window(0, 86_400_000_000)


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    assert load_spec(write(tmp_path, "\ufeff" + SHORTEST)).name == "demo"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("yes", "yes"),
        ("2018-05-01", "2018-05-01"),
        ("12:30:00", "12:30:00"),
        ("1_000", "1_000"),
        ("010", 10),
        ("+3", 3),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1e999", "1e999"),
        (".inf", ".inf"),
        ("~", None),
        ("True", True),
    ],
)
def test_plain_words_mean_what_yaml_1_2_says(text: str, value: object) -> None:
    resolved = resolve(text)
    assert (type(resolved), resolved) == (type(value), value)


class Quoting(yaml.SafeDumper):
    """Quotes texts, for it knows YAML 1.1 alone, in which e.g. 1e100 is a text already."""


Quoting.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


@given(experiment_specs())
def test_a_spec_survives_its_own_file(spec: ExperimentSpec) -> None:
    text = yaml.dump(spec.to_document(), Dumper=Quoting, sort_keys=False)
    source = read_source(text.encode())
    assert not source.mistakes
    assert read_document(source.value) == spec


@given(experiment_specs())
def test_all_that_a_file_may_say_is_in_the_document_of_a_run(spec: ExperimentSpec) -> None:
    # What is accepted and documented, and read by nothing, would be missing here.
    document: Any = spec.to_document()
    scope = document["scope"]
    notifications = document["notifications"]
    for entry, found in (
        (ExperimentEntry, document),
        (ScopeEntry, scope),
        (WindowEntry, scope["window"]),
        (LimitsEntry, document["limits"]),
        (VariantEntry, document["variants"][0]),
        (OwnerEntry, next(iter(document["owners"]), None)),
        (NotificationsEntry, notifications),
        (TemplatesEntry, notifications["templates"]),
        (TemplateEntry, notifications["templates"]["end"]),
    ):
        assert found is None or found.keys() == entry.model_fields.keys()


@given(experiment_specs())
def test_what_the_services_accept_is_refused_neither_by_the_schema_nor_by_the_checks(
    spec: ExperimentSpec,
) -> None:
    document = spec.to_document()
    SCHEMA.validate(document)
    assert not list(find_configuration_mistakes(document, PRODUCTION))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_experiments(path: Path) -> None:
    spec = load_spec(path)
    assert spec.control.configuration == {}
    assert read_document(spec.to_document()) == spec
    SCHEMA.validate(spec.to_document())


def test_there_are_examples() -> None:
    assert {path.stem for path in EXAMPLES} >= {"demo", "movielens"}


def test_overlays_are_held_against_the_production_they_change(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        SHORTEST.replace(
            "popular-first", "kids-first, configuration: {row_selection: {pins: {kids: 3}}}"
        ),
    )
    with pytest.raises(InvalidSpec, match="names 'kids', which is not among rows"):
        load_spec(path)
    own = dict(PRODUCTION)
    own["rows"] = {**own["rows"], "kids": {"type": "popular", "title": "Kids"}}  # type: ignore[dict-item]
    assert load_spec(path, production=own).variants[1].name == "kids-first"


def test_the_schema_is_a_schema_and_refuses_misspelt_keys() -> None:
    Draft202012Validator.check_schema(experiment_schema())
    document = read_source(SHORTEST.replace("profiles", "profles").encode()).value
    assert not SCHEMA.is_valid(document)
    overlay = SHORTEST.replace("control", "control, configuration: {ranking: {modle: x}}")
    assert not SCHEMA.is_valid(read_source(overlay.encode()).value)


def test_the_reference_of_the_file_is_not_stale() -> None:
    written = (REPOSITORY / "docs" / "experiment-file.md").read_text(encoding="utf-8")
    assert written == describe_file(), "run 'make docs'"


def test_what_the_reference_shows_first_is_an_experiment(tmp_path: Path) -> None:
    shown = describe_file().partition("```yaml\n")[2].partition("```")[0]
    assert load_spec(write(tmp_path, shown)).name == "rank-or-select"


CONTROL = (Variant("control"), Variant("other"))
SCOPE = Scope(ScopeSource.LOGGED_PAGES, None, 1, 1, ())


@pytest.mark.parametrize(
    ("build", "problem"),
    [
        (lambda: Variant("Control"), "variants.name: 'Control' does not match"),
        (lambda: Variant("control\n"), "does not match"),
        (lambda: Window(1, 1), "is not after since"),
        (lambda: Window(-(2**62), 1), "scope.window.since: "),
        (lambda: Limits(page_yield=1.1), "limits.page_yield: 1.1 is not within 0 and 1"),
        (lambda: Limits(concurrent_stacks=0), "limits.concurrent_stacks: 0 is not within"),
        (lambda: Scope(ScopeSource.LOGGED_PAGES, None, 0, 1, ()), "scope.profiles: 0"),
        (lambda: Scope(ScopeSource.LOGGED_PAGES, None, 1, 1, ("a", "a")), "each once"),
        (lambda: ExperimentSpec("a", "", 1, SCOPE, 1, CONTROL[:1], Limits()), "1 variants"),
        (lambda: ExperimentSpec("a", "", 1, SCOPE, 1, CONTROL[:1] * 2, Limits()), "twice"),
        (lambda: ExperimentSpec("a", "", -1, SCOPE, 1, CONTROL, Limits()), "seed: -1"),
        (lambda: ExperimentSpec("a", "", 1, SCOPE, 0, CONTROL, Limits()), "slices: 0"),
    ],
)
def test_a_spec_that_cannot_run_cannot_be_built(
    build: Callable[[], object], problem: str
) -> None:
    with pytest.raises(InvalidSpec) as caught:
        build()
    assert problem in str(caught.value)
