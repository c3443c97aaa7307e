"""pagesim mesh certificates: a development authority, and certificates that it issues."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from experiments.cli.db.options import dry_run_option
from mesh.security.certificates import Role
from mesh.security.development_ca import (
    AUTHORITY_LIFETIME,
    LIFETIME,
    certificate_files,
    check_nothing_there,
    make_certificates,
    read_authority,
    renew_certificates,
)

_directory = click.argument(
    "directory", type=click.Path(path_type=Path, file_okay=False), metavar="DIRECTORY"
)


@click.group()
def certificates() -> None:
    """Make and renew certificates for `--tls DIRECTORY`.

    For development. In production put the files of the same names there; see
    docs/mesh-security.md.
    """


@certificates.command()
@_directory
@dry_run_option
@click.option("--force", is_flag=True, help="Replace the certificates that are there.")
def make(directory: Path, *, dry_run: bool, force: bool) -> None:
    """Make an authority, and a certificate for mesh, services and clients.

    Refuses to overwrite. With --force all processes that trust the old authority must be
    restarted.
    """
    if dry_run:
        check_nothing_there(directory, force=force)
    else:
        make_certificates(directory, now=datetime.now(UTC), force=force)
    _report("Would write" if dry_run else "Wrote", directory, certificate_files())
    click.echo(
        f"Certificates are valid for {LIFETIME.days} days, the authority for "
        f"{AUTHORITY_LIFETIME.days}.",
        err=True,
    )


@certificates.command()
@_directory
@dry_run_option
def renew(directory: Path, *, dry_run: bool) -> None:
    """Issue all certificates again, with new keys, by the authority that is there.

    A running mesh takes them without a restart.
    """
    now = datetime.now(UTC)
    if dry_run:
        read_authority(directory, now=now)
    else:
        renew_certificates(directory, now=now)
    _report(
        "Would replace" if dry_run else "Replaced",
        directory,
        tuple(role.file_name for role in Role),
    )


def _report(what: str, directory: Path, names: tuple[str, ...]) -> None:
    for name in names:
        click.echo(f"{what} {directory / name}", err=True)
