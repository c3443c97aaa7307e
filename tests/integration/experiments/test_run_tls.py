"""pagesim run --tls: the same pages, over calls that are proved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.commands import check_pagesim

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration


def test_a_run_over_tls_makes_the_same_pages_as_one_without(
    lived_store: str, tmp_path: Path
) -> None:
    experiment = tmp_path / "experiment.yaml"
    experiment.write_text("""
experiment: proved
seed: 11
scope: {source: logged_pages, profiles: 5, pages_per_profile: 2}
variants:
  - name: control
  - name: no-dedup
    configuration: {dedup: {policy: none}}
""")
    certificates = tmp_path / "tls"
    check_pagesim("mesh", "certificates", "make", certificates)
    pages = []
    for name, options in (("plain", ()), ("proved", ("--tls", certificates))):
        output = tmp_path / name
        check_pagesim("run", experiment, "--store", lived_store, "--output", output, *options)
        files = sorted((output / "pages").rglob("*.parquet"))
        pages.append({str(one.relative_to(output)): one.read_bytes() for one in files})
    assert pages[0]
    assert pages[0] == pages[1]
