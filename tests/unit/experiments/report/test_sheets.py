"""Pages beside each other: what is marked, and how it is told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from experiments.report.pages.choices import Choice
from experiments.report.pages.samples import Sample
from experiments.report.pages.sheets import make_column, make_sheet
from tests.unit.experiments.report.plain_pages import AFTER, BEFORE, page_of

if TYPE_CHECKING:
    from experiments.report.pages.sheets import Column
    from services.page.model import Page


def marks_of(column: Column) -> dict[str, list[str]]:
    return {strip.title: [tile.mark for tile in strip.tiles] for strip in column.strips}


def sample_of(logged: Page | None, **simulated: Page) -> Sample:
    choice = Choice("7@then", 7, "all", 0.5, "Changed most", ("new",))
    return Sample(choice, 7, logged, simulated, {20: "Film 20"})


def test_titles_are_marked_as_new_as_from_another_row_and_as_moved() -> None:
    column = make_column("new", AFTER, BEFORE, (), "control")
    assert marks_of(column) == {
        "Crime": ["", "moved", "came-in"],
        "Drama": ["moved", "moved", "arrived"],
        # A row that is new as a whole is marked once; what it took from others is not.
        "Horror": ["", "arrived"],
    }
    assert [strip.badge for strip in column.strips] == [
        "\N{UPWARDS ARROW}1",
        "\N{DOWNWARDS ARROW}1",
        "new row",
    ]


def test_what_is_gone_is_named() -> None:
    column = make_column("new", AFTER, BEFORE, (), "control")
    assert column.gone == ("Music",)
    # Film 3 and 6 were in view; 4 and 9 were not.
    assert column.left == ("Film 3", "Film 6")
    assert column.subtitle == (
        "Against control: 1 new row, 1 row gone, 2 rows moved, 2 new titles"
    )


def test_where_what_was_played_next_stands_is_counted() -> None:
    column = make_column("new", AFTER, BEFORE, {20, 8, 99}, "control")
    assert column.played.endswith("Of 3 titles played next, 1 in view, 2 on the page")
    played = [tile.title for strip in column.strips for tile in strip.tiles if tile.is_played]
    assert played == ["Film 20", "Film 8"]
    assert make_column("new", AFTER, None, ()).played == ""


def test_the_first_screen_ends_where_the_device_says() -> None:
    column = make_column("new", BEFORE, None, ())
    assert [strip.ends_viewport for strip in column.strips] == [False, True, False]
    assert [tile.is_beyond for tile in column.strips[0].tiles] == [False, False, False, True]
    assert all(tile.is_beyond for tile in column.strips[2].tiles)


def test_a_row_tells_how_many_titles_are_not_drawn() -> None:
    long = page_of({"drama": range(1, 9)})
    (strip,) = make_column("new", long, None, ()).strips
    assert (len(strip.tiles), strip.note) == (5, "+3 more")
    turned = page_of({"drama": [1, 2, 3, 4, 5, 8, 7, 6]})
    (strip,) = make_column("new", turned, long, ()).strips
    assert strip.note == "+3, 2 changed"


def test_one_column_stands_for_control_and_the_logged_page_where_they_are_the_same() -> None:
    same = make_sheet(sample_of(BEFORE, control=BEFORE, new=AFTER), "control")
    assert [column.title for column in same.columns] == ["logged = control", "new"]
    other = make_sheet(sample_of(AFTER, control=BEFORE, new=AFTER), "control")
    assert [column.title for column in other.columns] == ["logged", "control", "new"]
    assert other.columns[1].subtitle.startswith("Against logged: ")
    none = make_sheet(sample_of(None, control=BEFORE, new=BEFORE), "control")
    assert [column.title for column in none.columns] == ["control", "new"]
    assert none.columns[1].subtitle == "The same as control"


def test_scores_alone_are_no_difference_to_a_member() -> None:
    rescored = replace(BEFORE, rows=tuple(replace(row, score=9.0) for row in BEFORE.rows))
    column = make_column("new", rescored, BEFORE, (), "control")
    assert column.subtitle == "The same as control"


def test_a_page_that_could_not_be_made_says_so() -> None:
    sheet = make_sheet(sample_of(BEFORE, control=BEFORE), "control")
    assert sheet.columns[-1].title == "new"
    assert sheet.columns[-1].subtitle == "Could not be made."
