"""Names that only the store can know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.errors import InvalidSpec
from experiments.scope.known_names import check_names, read_known_names
from experiments.spec import KnownNames, load_spec
from experiments.spec.names import find_unknown_names
from tests.support.pages.page_worlds import END, make_world
from timetravel.database.migrate import upgrade
from timetravel.facts.external_ids import IdForm, hash_id
from timetravel.facts.model import EntityKind
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from timetravel.facts.model import JsonValue

KNOWN: Final = KnownNames(("country", "devices", "plan"), ("personal", "popularity"))

TEXT: Final = """\
experiment: demo
seed: 7
scope:
  profiles: 5
  strata: [contry, device]
variants:
  - name: control
  - name: popular-first
    configuration:
      ranking: {model: populrity}
  - name: no-dedup
    configuration:
      dedup: {policy: non}
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "experiment.yaml"
    path.write_text(text)
    return path


def test_every_unknown_name_is_told_with_its_line_what_there_is_and_what_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, TEXT).relative_to(tmp_path)
    with pytest.raises(InvalidSpec) as caught:
        load_spec(path, names=KNOWN)
    contry, populrity, non = str(caught.value).splitlines()[1:]
    assert contry == (
        "  experiment.yaml:5: scope.strata[0]: 'contry' is none of the strata in the store: "
        "country, device, devices, plan. Did you mean 'country'?"
    )
    assert populrity == (
        "  experiment.yaml:10: variants[1].configuration.ranking.model: 'populrity' is none of "
        "the models in the store: personal, popularity. Did you mean 'popularity'?"
    )
    assert non == (
        "  experiment.yaml:13: variants[2].configuration.dedup.policy: 'non' is none of none, "
        "row, viewport, page. Did you mean 'none'?"
    )


def test_names_that_the_store_has_are_no_mistake(tmp_path: Path) -> None:
    fixed = TEXT.replace("contry", "country").replace("populrity", "popularity")
    spec = load_spec(write(tmp_path, fixed.replace("non}", "none}")), names=KNOWN)
    assert spec.scope.strata == ("country", "device")


def test_without_a_store_names_are_taken_as_they_are(tmp_path: Path) -> None:
    spec = load_spec(write(tmp_path, TEXT.replace("non}", "none}")))
    assert spec.scope.strata == ("contry", "device")


def test_a_name_wrong_for_another_reason_is_told_once(tmp_path: Path) -> None:
    text = TEXT.replace("contry", "Country").replace("populrity", "3").replace("non}", "none}")
    with pytest.raises(InvalidSpec) as caught:
        load_spec(write(tmp_path, text), names=KNOWN)
    assert str(caught.value).count("Country'") == 1
    assert str(caught.value).count("ranking.model") == 1


def test_a_store_without_models_has_none_to_offer() -> None:
    variant: JsonValue = {"configuration": {"ranking": {"model": "personal"}}}
    (mistake,) = find_unknown_names({"variants": [variant]}, KnownNames((), ()))
    assert mistake.problem == "'personal' is not in the store, which has no models."


def test_of_many_names_only_the_first_are_listed() -> None:
    names = KnownNames(tuple(f"attribute_{number:02}" for number in range(40)), ())
    (mistake,) = find_unknown_names({"scope": {"strata": ["city"]}}, names)
    assert mistake.problem.endswith("attribute_10, attribute_11 and others.")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    (
                        *("scope", "strata", "variants", "configuration"),
                        *("ranking", "model", "rows", "videos"),
                    )
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_a_document_of_any_shape_can_be_looked_through(document: JsonValue) -> None:
    for mistake in find_unknown_names(document, KNOWN):
        assert mistake.remedy


def test_names_come_from_the_store(store: Store) -> None:
    names = read_known_names(store, store.snapshot())
    assert names == KnownNames(
        ("country", "maturity_limit"), ("personal", "popularity"), IdForm.NUMBERS
    )


def test_an_empty_store_has_no_names_that_could_be_meant(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    upgrade(url)
    with Store.open(url) as empty:
        assert read_known_names(empty, empty.snapshot()) is None


def test_an_experiment_that_came_from_no_file_is_checked_all_the_same(
    tmp_path: Path, store: Store
) -> None:
    spec = load_spec(write(tmp_path, TEXT.replace("non}", "none}")))
    with pytest.raises(InvalidSpec) as caught:
        check_names(spec, store, store.snapshot())
    assert "experiment: scope.strata[0]: 'contry'" in str(caught.value)
    assert "experiment: variants[1].configuration.ranking.model: " in str(caught.value)


PICKED: Final = """\
experiment: demo
seed: 7
scope: {profiles: 5}
variants:
  - name: control
  - name: hand-picked
    configuration:
      rows:
        picked:
          type: editorial
          title: Picked by us
          videos: [film 1, Film 8]
"""
PICKED_PLACE: Final = "variants[1].configuration.rows.picked.videos"


@pytest.fixture(scope="module")
def store_of_texts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store whose videos are `film 1`, `film 8` and so on."""
    url = f"sqlite:///{tmp_path_factory.mktemp('texts') / 'store.db'}"
    upgrade(url)
    world = make_world(3, videos=5, profiles=2).named_by_texts()
    with Store.open(url) as store:
        with store.begin(END) as writer:
            for group in world.groups:
                writer.register(group)
            writer.append(
                world.facts, source="test", synthetic=True, external_ids=world.external_ids
            )
        yield store


def test_a_hand_picked_video_that_the_store_lacks_is_told_by_its_text_with_its_line(
    tmp_path: Path, store_of_texts: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = read_known_names(store_of_texts, store_of_texts.snapshot())
    path = write(tmp_path, PICKED).relative_to(tmp_path)
    with pytest.raises(InvalidSpec) as caught:
        load_spec(path, names=names)
    assert str(caught.value) == (
        f"experiment.yaml:12: {PICKED_PLACE}[1]: The store has no video 'Film 8'. "
        "Write it as it was loaded: spaces, case and Unicode forms tell ids apart."
    )
    load_spec(write(tmp_path, PICKED.replace("Film 8", "film 8")), names=names)


@pytest.mark.parametrize(
    ("form", "videos", "problem"),
    [
        (IdForm.TEXTS, "[7, 8]", "7 is a whole number, and videos have texts in this store."),
        (IdForm.NUMBERS, "[a, b]", "'a' is a text, and videos have whole numbers in"),
        (None, "[a]", "The store has no video 'a'."),
        (IdForm.TEXTS, "[a, 7]", "7 is a whole number, 'a' a text."),
        (IdForm.TEXTS, "['']", "An id is empty."),
        (IdForm.TEXTS, f"[{'x' * 513}]", "has 513 bytes."),
    ],
)
def test_hand_picked_videos_that_the_store_names_otherwise_are_told_once(
    tmp_path: Path, form: IdForm | None, videos: str, problem: str
) -> None:
    text = PICKED.replace("[film 1, Film 8]", videos)
    with pytest.raises(InvalidSpec) as caught:
        load_spec(write(tmp_path, text), names=KnownNames((), (), form))
    assert problem in str(caught.value)
    assert str(caught.value).count(PICKED_PLACE) == 1


@pytest.mark.parametrize("form", [IdForm.NUMBERS, None])
def test_numbers_of_hand_picked_videos_need_not_be_in_the_store(
    tmp_path: Path, form: IdForm | None
) -> None:
    text = PICKED.replace("[film 1, Film 8]", "[1, 2]")
    load_spec(write(tmp_path, text), names=KnownNames((), (), form))


def test_a_hand_picked_video_is_known_by_its_text_and_not_by_its_hash_alone() -> None:
    document: JsonValue = {
        "variants": [{"configuration": {"rows": {"picked": {"videos": ["a"]}}}}]
    }
    other = {hash_id(EntityKind.VIDEO, "a"): "b"}
    names = KnownNames((), (), IdForm.TEXTS, lambda _: other)
    (mistake,) = find_unknown_names(document, names)
    assert mistake.problem == "The store has no video 'a'."
