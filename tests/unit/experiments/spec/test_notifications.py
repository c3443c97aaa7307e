"""What experiment files say of owners, and what is said of mistakes in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from experiments.notifications.events import Occasion
from experiments.notifications.messages import Notifications, Owner
from experiments.notifications.templates import Template
from experiments.spec import load_spec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VALID: Final = """\
experiment: demo
seed: 7
scope: {profiles: 5}
variants: [{name: control}, {name: popular-first}]
"""

TOLD: Final = """\
owners:
  - name: Growth
    channels: [growth@example.com, team-chat]
    fields: {team: homepage}
  - name: Search
    channels: [team-chat]
notifications:
  templates:
    end:
      subject: "{experiment} of {team}"
      text: |
        {figures}
        {report}
  defaults: {team: your team}
"""

EVERY_MISTAKE: Final = """\
owners:
  - name: Growth
    channels: [https://hooks.example.com/T0/s3cret, growth@, Team Chat, team-chat, team-chat]
    fields: {team: growth, report: mine, Desk: 7, floor: ""}
  - name: Growth
    channels: []
  - name: ""
    channels: slack://s3cret
  - channels: [search:s3cret@example.com]
  - mailto://search:s3cret@example.com
notifications:
  templates:
    start:
      subject: "{experimnt}"
      html: "<style>p { color: red }</style> {team}"
    end: {text: "{team} {", subjekt: x}
    finish: {text: x}
  defaults: {taem: us}
"""


def test_a_file_names_owners_and_their_messages(tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(VALID + TOLD)
    assert load_spec(path).notifications == Notifications(
        owners=(
            Owner("Growth", ("growth@example.com", "team-chat"), {"team": "homepage"}),
            Owner("Search", ("team-chat",)),
        ),
        templates={
            Occasion.END: Template("{figures}\n{report}\n", "{experiment} of {team}"),
        },
        defaults={"team": "your team"},
    )


def test_every_mistake_about_owners_is_told_with_its_line(
    refusal: Callable[[str], str], golden: Callable[[str, str], None]
) -> None:
    golden("experiments/spec/owner_mistakes.txt", refusal(VALID + EVERY_MISTAKE) + "\n")


def test_no_message_shows_an_address_that_stands_in_a_file(
    refusal: Callable[[str], str],
) -> None:
    assert "s3cret" not in refusal(VALID + EVERY_MISTAKE)


@pytest.mark.parametrize("owner", ["Growth", "[growth@example.com]", "{name: Growth}", "~"])
def test_an_owner_needs_a_name_and_a_channel(owner: str, refusal: Callable[[str], str]) -> None:
    assert "owners[0]" in refusal(f"{VALID}owners: [{owner}]\n")
