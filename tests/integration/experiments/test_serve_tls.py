"""pagesim serve --tls: the call that it prints works, and not without its certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.commands import check_invoked, invoke_pagesim, serve
from tests.support.mesh.generic_clients import run_shell
from tests.support.mesh.processes import descendants, wait_gone

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

AS_OF = "2024-01-15T00:00:00Z"


@pytest.mark.long
def test_the_printed_call_proves_who_calls_and_gets_a_page(
    lived_store: str, tmp_path: Path
) -> None:
    certificates = tmp_path / "tls"
    check_invoked("mesh", "certificates", "make", certificates)
    with serve(lived_store, AS_OF, tmp_path / "logs", "--tls", certificates) as (
        process,
        said,
    ):
        started = descendants(process.pid)
        call = said["call"]
        answered = run_shell(call)
        assert answered.exit_code == 0, answered
        assert answered.document["page"]
        own = certificates / "client.pem"
        without = call.replace(f"--cert {own} --key {own}", "")
        assert without != call
        assert run_shell(without).exit_code != 0
    assert process.returncode == 0
    assert wait_gone(started) == set()


def test_an_unfit_file_is_named_with_what_to_do(lived_store: str, tmp_path: Path) -> None:
    certificates = tmp_path / "tls"
    check_invoked("mesh", "certificates", "make", certificates)
    (certificates / "mesh.pem").chmod(0o644)
    refused = invoke_pagesim(
        "serve", "--store", lived_store, "--as-of", AS_OF, "--tls", certificates
    )
    assert refused.exit_code == 1
    assert "chmod 600" in refused.messages
