"""The whole way from a world to a report, where members and videos are named by texts.

Inside, a text is known by a number. Who gave texts does not know that number, so nothing that a
command says or writes for people may hold it. Columns of whole numbers in Parquet files may.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import yaml

from tests.support.commands import check_invoked, invoke_pagesim
from timetravel.facts.model import EntityKind
from timetravel.store import Store
from worlds.directory import open_world
from worlds.external_ids import text_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.long]

EXPERIMENT: Final = {
    "experiment": "texts",
    "seed": 7,
    "scope": {
        "source": "logged_pages",
        "profiles": 8,
        "pages_per_profile": 2,
        "strata": ["country"],
    },
    "slices": 1,
    "variants": [
        {"name": "control"},
        {"name": "popular-first", "configuration": {"ranking": {"model": "popularity"}}},
    ],
}
SIZES: Final = ("--profiles", 20, "--videos", 120, "--days", 12, "--seed", 3)
BELOW_THRESHOLD: Final = 3

NUMBER: Final = re.compile(r"[0-9]{10,}")
"""Of the numbers of texts one in a billion has fewer digits."""


class Way(NamedTuple):
    """What was said and written on the way, by command and file; and who was erased."""

    directory: Path
    told: dict[str, str]
    erased: str


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> Way:
    """The way of `make demo`, small and by texts; then a member of the run is erased."""
    directory = tmp_path_factory.mktemp("texts")
    told: dict[str, str] = {}

    def tell(name: str, *command: object, exit_code: int = 0) -> None:
        outcome = invoke_pagesim(*command)
        assert outcome.exit_code == exit_code, outcome.messages
        told[name] = outcome.output + outcome.messages

    world, store = ("--world", directory / "world"), ("--store", url_of(directory))
    tell("world generate", "world", "generate", *world, *SIZES, "--ids", "texts")
    check_invoked("db", "upgrade", *store)
    tell("world live", "world", "live", *world, *store)
    tell("world show", "world", "show", *world, *store)
    tell("world show --json", "world", "show", *world, *store, "--json")

    few = ("validate", *store, "--profiles", 4, "--output")
    tell("validate", *few, directory / "equal")
    early = (*few, directory / "early", "--known-by", "2024-01-03", "--json")
    tell("validate --known-by", *early, exit_code=BELOW_THRESHOLD)
    experiment = directory / "experiment.yaml"
    experiment.write_text(yaml.safe_dump(EXPERIMENT))
    tell("run", "run", experiment, *store, "--output", directory / "run")
    for folder in ("equal", "early", "run"):
        told |= written_below(directory, folder)

    of_run = (*store, "--run", directory / "run")
    sampled, stranger = draw_members(directory)
    page = ("page", "show", sampled)
    tell("page show", *page, *of_run, "--variant", "control", "--variant", "popular-first")
    tell("page show --json", *page, *of_run, "--json")
    tell("page show --run, refused", "page", "show", stranger, *of_run, exit_code=1)
    tell("page show --at, refused", *page, *store, "--at", "1990-01-01", exit_code=1)

    profile, video = f"profile/{sampled}", f"video/{text_of(EntityKind.VIDEO, 1)}"
    tell("history", "history", profile, *store, "--limit", 0)
    tell("history --json", "history", profile, *store, "--json")
    tell("history --field", "history", profile, *store, "--field", "events")
    tell("history of a video", "history", video, *store, "--limit", 0)

    erase = ("db", "erase", sampled, *store, "--reason", "asked for")
    tell("db erase --dry-run --json", *erase, "--dry-run", "--json")
    tell("db erase", *erase)
    tell("history, refused", "history", profile, *store, exit_code=1)
    return Way(directory, told, sampled)


def url_of(directory: Path) -> str:
    return f"sqlite:///{directory / 'store.db'}"


def draw_members(directory: Path) -> tuple[str, str]:
    """Return the text of a member whose pages a run has, and of one whose it has not."""
    pages = ds.dataset(directory / "run/pages", partitioning="hive").to_table()
    texts = open_world(directory / "world").external_ids().texts[EntityKind.PROFILE]
    sampled = {texts[number] for number in pages["profile_id"].to_pylist()}
    return min(sampled), min(set(texts.values()) - sampled)


def written_below(directory: Path, folder: str) -> dict[str, str]:
    """Return what files say to people."""
    return {
        path.relative_to(directory).as_posix(): text_in(path)
        for path in sorted((directory / folder).rglob("*"))
        if path.is_file()
    }


def text_in(path: Path) -> str:
    """Return what a file says to people; of a Parquet file, its columns of texts."""
    if path.suffix != ".parquet":
        return path.read_bytes().decode(errors="replace")
    table = pq.read_table(path, partitioning=None)
    columns = (column.to_pylist() for column in table.columns if is_text(column.type))
    return "\n".join(str(cell) for column in columns for cell in column)


def is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def test_what_was_lived_by_texts_is_simulated_to_the_last_bit(way: Way) -> None:
    assert "The simulation is the live system" in way.told["validate"]
    assert "first differ" not in way.told["validate"]
    assert "(100%)" in way.told["validate"]


def test_reports_pages_and_histories_speak_texts(way: Way) -> None:
    texts = open_world(way.directory / "world").external_ids().texts
    members, videos = (set(texts[kind].values()) for kind in EntityKind)
    assert any(member in way.told["run/report.html"] for member in members)
    assert "named by texts" in way.told["world show"]
    assert '"ids": "texts"' in way.told["world show --json"]
    for name in ("page show", "page show --json", "history", "history --json"):
        assert way.erased in way.told[name]
    for name in ("page show --json", "history --json"):
        assert any(video in way.told[name] for video in videos)


def test_an_erased_member_is_gone_from_the_store_by_text_and_number(way: Way) -> None:
    assert f"no profile {way.erased!r}" in way.told["history, refused"]
    texts = open_world(way.directory / "world").external_ids().texts[EntityKind.PROFILE]
    with Store.open(url_of(way.directory)) as store:
        kept = store.name_entities(EntityKind.PROFILE, sorted(texts))
    assert set(texts.values()) - set(kept) == {way.erased}
    assert way.erased.encode() not in (way.directory / "store.db").read_bytes()
    assert not any(way.erased in text for text in written_below(way.directory, "run").values())


def test_nothing_shows_the_number_of_a_text(way: Way) -> None:
    texts = open_world(way.directory / "world").external_ids().texts
    inner = {str(number) for kind in EntityKind for number in texts[kind]}
    showing = {
        name: found
        for name, text in way.told.items()
        if (found := inner.intersection(NUMBER.findall(text + text.replace(",", ""))))
    }
    assert showing == {}
