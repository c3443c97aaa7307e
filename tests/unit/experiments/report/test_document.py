"""The report as a file: whole, safe, in order, and readable by all."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from core.screen_text import escape_controls
from experiments.generation.stored_pages import read_page_keys
from experiments.metrics.definitions.registry import METRICS
from experiments.metrics.options import MetricOptions
from experiments.report.description import VariantDescription
from experiments.report.document import render_report
from experiments.report.pages.sheets import Column, Sheet
from experiments.report.pages.strips import Strip, Tile
from services.page.model import RowType
from tests.unit.experiments.report.plain_html import Page

if TYPE_CHECKING:
    from experiments.report.description import RunDescription
    from experiments.report.findings import Findings

HOSTILE = "<script>alert('x')</script> & <img src=x onerror=alert(1)>"
_LOADING = {"src", "srcset", "href", "xlink:href", "action", "data", "poster", "background"}


@pytest.fixture(scope="module")
def page(report: str) -> Page:
    return Page(report)


def render(run: RunDescription, findings: Findings, *sheets: Sheet) -> str:
    pages = read_page_keys(run.measured.directory, run.measured.variants)
    return render_report(run, findings, pages, list(sheets), MetricOptions())


def hostile_sheet() -> Sheet:
    tile = Tile(HOSTILE, 3, "arrived", is_beyond=False, is_played=True)
    strip = Strip(1, HOSTILE, "arrived", HOSTILE, (tile,), HOSTILE, ends_viewport=True)
    column = Column(HOSTILE, HOSTILE, HOSTILE, (strip,), (HOSTILE,), (HOSTILE,))
    return Sheet(
        *("page-1", HOSTILE, 1, HOSTILE, HOSTILE, HOSTILE, HOSTILE, (HOSTILE,), (column,))
    )


def test_a_report_asks_the_network_for_nothing(page: Page) -> None:
    assert not page.all("link", "img", "iframe", "object", "embed", "video", "audio", "base")
    for element in page.elements:
        for name in _LOADING & element.attributes.keys():
            assert element.attributes[name].startswith("#"), (element.name, name)
    for element in page.all("style", "script"):
        assert not re.search(r"https?:|url\(|@import|fetch|XMLHttp|import\(", element.text)


def test_names_and_titles_are_shown_as_they_are_and_never_run(
    described_run: RunDescription, findings: Findings
) -> None:
    run = replace(
        described_run,
        name=HOSTILE,
        description=HOSTILE,
        version=HOSTILE,
        store=HOSTILE,
        experiment={"experiment": HOSTILE},
        variants=tuple(
            VariantDescription(one.name, HOSTILE, {HOSTILE: HOSTILE})
            for one in described_run.variants
        ),
    )
    text = render(run, findings, hostile_sheet())
    page = Page(text)
    assert len(page.all("script")) == 1  # our own
    assert not page.all("img")
    assert page.all("h1")[0].text == HOSTILE
    assert HOSTILE not in text
    assert [element.text for element in page.having("tile", "arrived", "played")] == [
        f"+ \N{BLACK STAR} {HOSTILE}"
    ]


def test_a_report_leads_with_the_answer_and_how_far_to_trust_it(
    report: str, page: Page
) -> None:
    (headline,) = page.having("headline")
    assert "at showing what members played next" in headline.text
    # Control of the last member was logged from another configuration.
    (fidelity,) = page.having("fidelity")
    assert "on 22 of 24 pages" in fidelity.text
    assert "high" not in fidelity.classes
    order = ("headline", 'class="fidelity', 'class="cards"', 'id="figures"', 'id="pages"')
    places = [report.index(one) for one in order]
    assert places == sorted(places)


def test_every_variant_is_shown_with_what_it_is_for(page: Page) -> None:
    cards = {element.text for element in page.all("article") if "card" in element.classes}
    for name in ("popularity", "diversity"):
        (card,) = (text for text in cards if text.startswith(name))
        assert f"What {name} is for." in card
        assert "of pages look different" not in card
    heads = [element.text for element in page.all("th") if element.attributes.get("scope")]
    for name in ("control", "popularity", "diversity"):
        assert heads.count(name) >= 3


def test_every_figure_says_of_how_many_pages_and_members_it_is(page: Page) -> None:
    captions = [element.text for element in page.all("caption")]
    for title in ("What members played next", "Likeness to control", "What is on the pages"):
        (caption,) = (text for text in captions if text.startswith(title))
        assert re.search(r"24 pages, 12 members", caption), caption
    figures = {element.text for element in page.all("th")}
    for metric in METRICS:
        if not metric.name.startswith("row_share_"):
            assert any(metric.title in text for text in figures), metric.name


def test_pages_stand_side_by_side_with_what_changed_marked(page: Page) -> None:
    sheets = page.having("sheet")
    assert len(sheets) >= 3
    mocks = page.having("mock")
    names = {element.attributes["aria-label"] for element in mocks}
    assert names >= {"popularity", "diversity"}
    assert names & {"logged = control", "logged"}
    assert page.having("tile", "arrived")
    assert page.having("badge")
    assert page.having("strip", "fold")


def test_drawings_have_words_for_those_who_do_not_see_them(page: Page) -> None:
    for element in page.all("svg"):
        is_told = element.attributes.get("aria-label", "").strip()
        assert is_told or element.attributes.get("aria-hidden") == "true"
    for element in page.having("sign"):
        assert element.attributes.get("aria-hidden") == "true"


def test_headings_skip_no_level_and_links_lead_somewhere(page: Page) -> None:
    levels = [int(element.name[1]) for element in page.all("h1", "h2", "h3", "h4", "h5")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    for element in page.all("a"):
        assert element.attributes["href"].removeprefix("#") in ids


def test_a_report_says_where_it_comes_from(page: Page, described_run: RunDescription) -> None:
    (text,) = (own.text for own in page.all("section") if own.attributes["id"] == "reading")
    for told in ("1.2.3", "2024-05-06T07:08:09Z", described_run.store, "seed: 5"):
        assert told in text
    assert "72 made of 72 asked for" in text


def test_lost_pages_and_later_knowledge_are_told_before_any_figure(
    described_run: RunDescription, findings: Findings, page: Page
) -> None:
    assert not page.having("warning")
    measured = replace(described_run.measured, known_by=2**62)
    text = render(replace(described_run, failures=3, measured=measured), findings)
    lost, later = (own.text for own in Page(text).having("warning"))
    assert "3 of 72 pages could not be made" in lost
    assert "may know more than the live system did" in later


def test_a_configuration_keeps_its_indentation(page: Page) -> None:
    assert any(
        '{\n  "ranking": {\n    "model": "popularity"\n  }\n}' in "".join(element.texts)
        for element in page.all("pre")
    )


def test_every_row_type_has_a_colour_of_its_own() -> None:
    css = files("experiments.report").joinpath("templates", "report.css").read_text()
    colours = dict(re.findall(r"\.mix-(\d+) { fill: (#\w+); }", css))
    assert sorted(map(int, colours)) == list(range(len(RowType)))
    assert len(set(colours.values())) == len(colours)


def test_control_characters_of_data_are_text_in_a_report(
    described_run: RunDescription, findings: Findings
) -> None:
    hostile = (
        "\x1b[2J\x1b]8;;x\x07 \x9b31m \x7f \x00 a\rb \u202ex \u2066 ad\u200bmin \u2028 \ud800"
    )
    tile = Tile(hostile, 3, "arrived", is_beyond=False, is_played=True)
    strip = Strip(1, hostile, "arrived", hostile, (tile,), hostile, ends_viewport=True)
    column = Column(hostile, hostile, hostile, (strip,), (hostile,), (hostile,))
    names = (hostile,) * 5
    run = replace(described_run, name=hostile, experiment={"experiment": hostile})
    text = render(run, findings, Sheet("page-1", names[0], 1, *names[1:], names, (column,)))
    assert escape_controls(text) == text
    text.encode()
    assert r"\u001b[2J" in text
