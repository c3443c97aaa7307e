"""What is said of wrong experiment files, word for word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from experiments.documents.yaml_source import MAXIMUM_BYTES
from experiments.errors import SpecNotFound
from experiments.spec import load_spec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VALID: Final = """\
experiment: demo
seed: 7
scope:
  profiles: 5
variants:
  - name: control
  - name: popular-first
"""

EVERY_MISTAKE: Final = """\
experiment: Rank or Select
descripton: typed in haste
seed: -1
scope:
  source: loged_pages
  window: {since: 2018-01-01T10:00:00, until: 2018}
  profiles: 0
  pages_per_profile: 99999999999999999999
  strata: [Country, device, device, ""]
slices: 1.5
variants:
  - name: control
    configuration:
  - name: control
    description: 7
    configuration:
      rankings: {model: popularity}
      ranking: {modle: null, candidate_depth: 0}
  - configuration:
      row_selection: {policy: gredy, pins: {popular: -1}}
      filtering: {finished_share: 0, seen: [exclude]}
      rows:
        popular: {type: [popular], title: ""}
        kids: {title: 3}
  - name: no-popular
    configuration:
      rows: {popular: null}
      dedup: page
  - name: removed
    configuration: {ranking: null, geometry: {default_device: fridge}}
  - control
limits: {page_yield: 2, concurrent_stack: 3, batch_pages: *pages, requests_in_flight: true}
known_by: as_of
slices: 2
"""

MISSHAPEN: Final[dict[str, bytes | str]] = {
    "an-empty-file": "",
    "only-comments": "# nothing yet\n\n",
    "a-list": "- experiment: demo\n",
    "a-word": "experiment\n",
    "not-yaml": "experiment: demo\nscope: {profiles: 5\nvariants: []\n",
    "a-colon-too-many": "experiment: demo\ndescription: one: two\n",
    "tabs": "scope:\n\tprofiles: 5\n",
    "not-utf-8": b"experiment: demo\ndescription: caf\xe9\n",
    "a-control-character": "experiment: demo\ndescription: \x07\n",
    "half-a-surrogate-pair": VALID + 'description: "\\ud800"\n',
    "too-large": "#" * (MAXIMUM_BYTES + 1),
    "too-deep": "seed: " + "[" * 1000,
    "two-documents": VALID + "---\n" + VALID,
    "a-key-that-is-a-list": VALID + "? [a, b]\n: {c: [d]}\n",
    "a-tag": VALID + "description: !!python/object/apply:os.system [ls]\n",
    "an-alias-bomb": "description: &a [x, x]\nseed: &b [*a, *a]\nslices: [*b, *b]\n" + VALID,
    "a-repeated-key-with-a-list": VALID + "seed: [1, [2, {a: b}]]\n",
    "a-key-missing": VALID.replace("  profiles: 5\n", "  strata: [country]\n"),
    "no-scope": VALID.replace("scope:\n  profiles: 5\n", ""),
    "no-variants": VALID.partition("variants")[0] + "variants: []\n",
    "no-variants-key": VALID.partition("variants")[0],
    "one-variant": VALID.replace("  - name: popular-first\n", ""),
    "too-many-variants": VALID + "".join(f"  - name: v{one}\n" for one in range(100)),
    "until-before-since": VALID.replace(
        "  profiles", "  window: {since: 2018-02-01, until: 2018-01-01}\n  profiles"
    ),
    "until-is-since": VALID.replace(
        "  profiles", "  window: {since: 2018-02-01, until: 2018-02-01T01:00+01:00}\n  profiles"
    ),
    "no-such-day": VALID + "known_by: 2018-02-30\n",
    "a-moment-too-early": VALID + "known_by: 0001-01-01T00:00+05:00\n",
    "a-seed-too-large": VALID.replace("seed: 7", "seed: 9223372036854775808"),
    "a-number-without-end": VALID.replace("seed: 7", "seed: " + "9" * 5000),
    "a-text-without-end": VALID + "known_by: " + "x" * 5000,
    "a-control-sequence": VALID + '"\\e[2J": "\\e[2J"\n',
}


def test_every_mistake_of_a_file_is_told_at_once(
    refusal: Callable[[bytes | str], str], golden: Callable[[str, str], None]
) -> None:
    golden("experiments/spec/every-mistake.txt", refusal(EVERY_MISTAKE) + "\n")


def test_misshapen_files_are_told_what_they_are(
    refusal: Callable[[bytes | str], str], golden: Callable[[str, str], None]
) -> None:
    told = [f"# {name}\n{refusal(text)}\n" for name, text in MISSHAPEN.items()]
    golden("experiments/spec/misshapen.txt", "\n".join(told))


def test_no_more_mistakes_are_told_than_anybody_reads(
    refusal: Callable[[bytes | str], str],
) -> None:
    message = refusal("".join(f"key-{one}: 1\n" for one in range(1000)))
    assert message.startswith("experiment.yaml: There are 1004 mistakes.")
    assert message.endswith("  ... and 954 more.")


def test_a_wrong_overlay_is_told_however_wrong_the_rest_is(
    refusal: Callable[[bytes | str], str],
) -> None:
    message = refusal("variants:\n  - configuration:\n      ranking: {modle: x}\n")
    assert "experiment.yaml:3: variants[0].configuration.ranking.modle: " in message


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpecNotFound, match=r"nowhere\.yaml is not there\. Name an experiment"):
        load_spec(tmp_path / "nowhere.yaml")


def test_a_folder_is_no_experiment_file(tmp_path: Path) -> None:
    with pytest.raises(SpecNotFound, match="cannot be read: Is a directory"):
        load_spec(tmp_path)
