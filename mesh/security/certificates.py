"""Certificates of the mesh: which files there are, and whether they are valid.

A directory of certificates holds PEM files:

    ca.pem          certificates of the authorities that are trusted
    mesh.pem        certificate chain and private key of Envoy and the control plane
    service.pem     the same of every service process
    client.pem      the same of people and commands
    ca-key.pem      private key of a development authority; not there in production

Certificate and key are in one file, so that one rename replaces both.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

from mesh.errors import InvalidCertificate

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

AUTHORITY = "ca.pem"
AUTHORITY_KEY = "ca-key.pem"

_OTHERS = 0o077


class Role(StrEnum):
    """Who a certificate is for."""

    MESH = "mesh"
    SERVICE = "service"
    CLIENT = "client"

    @property
    def file_name(self) -> str:
        """Name of the file with certificate and key."""
        return f"{self.value}.pem"

    @property
    def identity(self) -> str:
        """The URI among the certificate's alternative names."""
        return f"spiffe://pagesim/{self.value}"

    @property
    def host_name(self) -> str:
        """The DNS name among them, which clients check; nothing resolves it."""
        return f"{self.value}.pagesim.internal"


def check_certificates(directory: Path, roles: tuple[Role, ...], *, now: datetime) -> None:
    """Check that the files are there, private, fresh, and belong together.

    Raises:
        InvalidCertificate: One is not; the message names the file and what to do.
    """
    authorities = read_certificates(directory / AUTHORITY)
    for role in roles:
        file = directory / role.file_name
        certificate = read_certificates(file)[0]
        _check_private(file)
        key = read_key(file)
        if key.public_key() != certificate.public_key():
            raise invalid_certificate(
                file,
                "its private key belongs to another certificate",
                "Put the certificate and its own key there.",
            )
        check_fresh(file, certificate, now)
        _check_identity(file, certificate, role)
        if not any(_is_issued_by(certificate, authority) for authority in authorities):
            raise invalid_certificate(
                file,
                f"no authority in {AUTHORITY} has issued its certificate",
                f"Put its authority into {directory / AUTHORITY}, or have it issued again.",
            )


def read_pem(file: Path) -> bytes:
    """Return what is in the file.

    Raises:
        InvalidCertificate: It cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise invalid_certificate(
            file,
            f"it cannot be read ({error.strerror})",
            "Give a directory with the mesh's certificates, or make one: "
            "pagesim mesh certificates make DIRECTORY.",
        ) from error


def read_certificates(file: Path) -> list[x509.Certificate]:
    """Return the certificates in the file.

    Raises:
        InvalidCertificate: There is none.
    """
    body = read_pem(file)
    try:
        return x509.load_pem_x509_certificates(body)
    except ValueError as error:
        raise invalid_certificate(
            file, "it holds no certificate in PEM form", "Put the certificate there."
        ) from error


def read_key(file: Path) -> PrivateKeyTypes:
    """Return the private key in the file.

    Raises:
        InvalidCertificate: There is none.
    """
    body = read_pem(file)
    start = body.find(b"-----BEGIN PRIVATE KEY-----")
    try:
        return serialization.load_pem_private_key(body[max(start, 0) :], password=None)
    except (ValueError, TypeError) as error:
        raise invalid_certificate(
            file,
            "it holds no private key in PEM form (PKCS 8, without a password)",
            "Append the key to the file.",
        ) from error


def _check_private(file: Path) -> None:
    mode = file.stat().st_mode & 0o777
    if mode & _OTHERS:
        raise invalid_certificate(
            file,
            f"it holds a private key and its mode {mode:o} lets others at it",
            f"Make it private: chmod 600 {file}.",
        )


def check_fresh(file: Path, certificate: x509.Certificate, now: datetime) -> None:
    """Check that the file's certificate is valid now.

    Raises:
        InvalidCertificate: It is not yet, or no longer.
    """
    if now >= certificate.not_valid_after_utc:
        raise invalid_certificate(
            file,
            f"its certificate expired at {certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
            "Renew it: pagesim mesh certificates renew DIRECTORY (make --force if it is the "
            "authority).",
        )
    if now < certificate.not_valid_before_utc:
        raise invalid_certificate(
            file,
            "its certificate is valid only from "
            f"{certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
            "Check this machine's clock.",
        )


def _check_identity(file: Path, certificate: x509.Certificate, role: Role) -> None:
    try:
        names = certificate.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        ).value
    except x509.ExtensionNotFound:
        uris, hosts = [], []
    else:
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        hosts = names.get_values_for_type(x509.DNSName)
    if role.identity not in uris or role.host_name not in hosts:
        raise invalid_certificate(
            file,
            f"its certificate is not for URI {role.identity} and DNS name {role.host_name}",
            "Have it issued with both as subject alternative names.",
        )


def _is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def invalid_certificate(file: Path, problem: str, remedy: str) -> InvalidCertificate:
    """Return an error that names the file, its fault, and what to do."""
    return InvalidCertificate(
        f"{file} cannot be used: {problem}.", remedy=remedy, field="--tls"
    )
