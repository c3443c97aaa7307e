"""Certificates: made private, refused with the file and what to do, renewed in place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from cryptography import x509

from experiments.cli.__main__ import cli
from mesh.errors import CertificatesExist, InvalidCertificate
from mesh.security.certificates import Role, check_certificates
from mesh.security.development_ca import (
    LIFETIME,
    certificate_files,
    make_certificates,
    renew_certificates,
)

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
ROLES = tuple(Role)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A directory of fresh certificates."""
    directory = tmp_path / "tls"
    make_certificates(directory, now=NOW)
    return directory


def contents(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.iterdir()}


def test_made_certificates_pass_every_check_from_now_to_their_end(made: Path) -> None:
    check_certificates(made, ROLES, now=NOW)
    check_certificates(made, ROLES, now=NOW + LIFETIME - timedelta(seconds=1))


def test_only_the_owner_can_read_them(made: Path) -> None:
    assert {file.name for file in made.iterdir()} == set(certificate_files())
    assert {file.stat().st_mode & 0o777 for file in made.iterdir()} == {0o600}
    assert made.stat().st_mode & 0o777 == 0o700


def test_making_refuses_to_overwrite_unless_forced(made: Path) -> None:
    before = contents(made)
    with pytest.raises(CertificatesExist, match="--force"):
        make_certificates(made, now=NOW)
    assert contents(made) == before
    make_certificates(made, now=NOW, force=True)
    after = contents(made)
    assert all(after[name] != before[name] for name in before)


def test_renewed_certificates_have_new_keys_of_the_same_authority(made: Path) -> None:
    before = contents(made)
    later = NOW + LIFETIME + timedelta(days=1)
    with pytest.raises(InvalidCertificate, match=r"expired at 2026-05-31T12:00:00Z.*renew"):
        check_certificates(made, ROLES, now=later)
    renew_certificates(made, now=later)
    check_certificates(made, ROLES, now=later)
    after = contents(made)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {role.file_name for role in Role}


def test_a_certificate_does_not_outlive_its_authority(made: Path) -> None:
    late = NOW + timedelta(days=360)
    renew_certificates(made, now=late)
    certificate = x509.load_pem_x509_certificate((made / "client.pem").read_bytes())
    assert certificate.not_valid_after_utc == NOW + timedelta(days=365)
    with pytest.raises(InvalidCertificate, match=r"ca\.pem cannot be used.*expired"):
        renew_certificates(made, now=NOW + timedelta(days=366))


@pytest.mark.parametrize("name", ["ca.pem", "service.pem"])
def test_a_missing_file_is_named_with_how_to_make_one(made: Path, name: str) -> None:
    (made / name).unlink()
    with pytest.raises(InvalidCertificate, match=f"{name} cannot be used.*certificates make"):
        check_certificates(made, ROLES, now=NOW)


def test_a_file_without_a_certificate_is_named(made: Path) -> None:
    (made / "mesh.pem").write_text("nothing of the kind")
    with pytest.raises(InvalidCertificate, match=r"mesh\.pem cannot be used.*no certificate"):
        check_certificates(made, ROLES, now=NOW)


def test_a_key_that_others_can_read_is_refused(made: Path) -> None:
    (made / "client.pem").chmod(0o640)
    with pytest.raises(InvalidCertificate, match=r"mode 640.*chmod 600"):
        check_certificates(made, ROLES, now=NOW)


def test_the_key_of_another_certificate_is_refused(made: Path) -> None:
    certificate = (made / "mesh.pem").read_bytes().partition(b"-----BEGIN PRIVATE")[0]
    key = (made / "service.pem").read_bytes().partition(b"-----BEGIN PRIVATE")[2]
    (made / "mesh.pem").write_bytes(certificate + b"-----BEGIN PRIVATE" + key)
    with pytest.raises(InvalidCertificate, match="belongs to another certificate"):
        check_certificates(made, ROLES, now=NOW)


def test_a_certificate_of_another_role_or_authority_is_refused(
    made: Path, tmp_path: Path
) -> None:
    own = (made / "mesh.pem").read_bytes()
    (made / "mesh.pem").write_bytes((made / "client.pem").read_bytes())
    with pytest.raises(InvalidCertificate, match="not for URI spiffe://pagesim/mesh"):
        check_certificates(made, ROLES, now=NOW)
    (made / "mesh.pem").write_bytes(own)
    make_certificates(tmp_path / "foreign", now=NOW)
    (made / "ca.pem").write_bytes((tmp_path / "foreign" / "ca.pem").read_bytes())
    with pytest.raises(InvalidCertificate, match=r"no authority in ca\.pem"):
        check_certificates(made, ROLES, now=NOW)


def test_the_commands_make_and_renew_and_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "tls"
    command = ["mesh", "certificates", "make", str(directory)]
    assert CliRunner().invoke(cli, [*command, "--dry-run"]).exit_code == 0
    assert not directory.exists()
    assert CliRunner().invoke(cli, command).exit_code == 0
    before = contents(directory)
    refused = CliRunner().invoke(cli, [*command, "--dry-run"])
    assert isinstance(refused.exception, CertificatesExist)
    renewing = ["mesh", "certificates", "renew", str(directory)]
    assert CliRunner().invoke(cli, [*renewing, "--dry-run"]).exit_code == 0
    assert contents(directory) == before
    assert CliRunner().invoke(cli, renewing).exit_code == 0
    assert contents(directory) != before
    check_certificates(directory, ROLES, now=datetime.now(UTC))
