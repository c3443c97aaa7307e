"""Documents say what is there: their links lead somewhere, their commands exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from experiments.cli.__main__ import cli

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
GENERATED = {"docs/commands.md"}

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)
INLINE = re.compile(r"`pagesim\s([^`]*)`")
TARGET = re.compile(r"`make ([a-z-]+)`|^(?: {4})?make ([a-z-]+)$", re.MULTILINE)
PLACE = re.compile(r"`([\w.-]+/[\w./-]*)`")

IGNORED = set((ROOT / ".gitignore").read_text().replace("/", "").split())
OURS = {path.name for path in ROOT.iterdir() if path.is_dir()} - IGNORED


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(path: Path) -> set[str]:
    """Return the anchors of a document's headings, as repository sites make them."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in HEADING.findall(FENCED.sub("", path.read_text()))
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in LINK.findall(document.read_text()):
        place, _, anchor = link.partition("#")
        if "://" in place:
            continue
        target = (document.parent / place).resolve() if place else document
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def commands(document: Path) -> list[list[str]]:
    """Return the pagesim commands in a document's shell examples."""
    found = []
    for block in SHELL.findall(document.read_text()):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            for place, word in enumerate(words):
                if word.rsplit("/", 1)[-1] == "pagesim":
                    found.append(words[place + 1 :])
                    break
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(words, id=f"{named(document)}: {' '.join(words)}")
        for document in DOCUMENTS
        if named(document) not in GENERATED
        for words in commands(document)
    ],
)
def test_every_command_in_an_example_is_one_that_pagesim_takes(arguments: list[str]) -> None:
    command: click.Command = cli
    context = click.Context(cli, info_name="pagesim")
    rest = arguments
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        child = command.get_command(context, rest[0])
        assert child is not None, rest[0]
        command, rest = child, rest[1:]
        context = click.Context(command, parent=context)
    stops = {"|", ">", "&", "&&", ";"}
    cut = next((place for place, word in enumerate(rest) if word in stops), len(rest))
    # Values may name files that are not here; options and their number of values may not lie.
    command.make_parser(context).parse_args(list(rest[:cut]))


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_command_that_is_mentioned_is_one_of_pagesim(document: Path) -> None:
    for mentioned in INLINE.findall(document.read_text()):
        command: click.Command = cli
        for word in mentioned.split():
            if not isinstance(command, click.Group) or not word.islower() or word[0] == "-":
                break
            child = command.get_command(click.Context(command), word)
            assert child is not None, mentioned
            command = child
        taken = {name for one in command.params for name in one.opts} | {"--help"}
        assert taken.issuperset(re.findall(r"(?<!\S)--[a-z-]+", mentioned)), mentioned


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_file_of_ours_that_is_mentioned_is_there(document: Path) -> None:
    text = document.read_text()
    examples = re.findall(r"\bexamples/[\w-]+\.\w+", text)
    for place in (*PLACE.findall(text), *examples):
        if place.split("/")[0] in OURS:
            assert (ROOT / place).exists(), place


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_target_that_is_named_can_be_made(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for found in TARGET.findall(document.read_text()):
        assert {*found} - {""} <= targets


def test_every_decision_is_listed() -> None:
    listed = set(LINK.findall((ROOT / "docs" / "adr" / "README.md").read_text()))
    written = {path.name for path in (ROOT / "docs" / "adr").glob("0*.md")}
    assert listed == written


def test_examples_are_found_at_all() -> None:
    texts = [document.read_text() for document in DOCUMENTS]
    assert len([words for document in DOCUMENTS for words in commands(document)]) >= 7
    for pattern, least in ((LINK, 10), (INLINE, 5), (TARGET, 8), (PLACE, 15)):
        assert len([found for text in texts for found in pattern.findall(text)]) >= least
