"""A development authority, and the certificates that it issues."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from core.atomic_files import atomic_file
from mesh.errors import CertificatesExist
from mesh.security.certificates import (
    AUTHORITY,
    AUTHORITY_KEY,
    Role,
    check_fresh,
    invalid_certificate,
    read_certificates,
    read_key,
)

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

AUTHORITY_LIFETIME = timedelta(days=365)
LIFETIME = timedelta(days=30)

_CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Issuer:
    """An authority that can issue certificates."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def certificate_files() -> tuple[str, ...]:
    """Return the names of the files that `make_certificates` writes."""
    return (AUTHORITY, AUTHORITY_KEY, *(role.file_name for role in Role))


def make_certificates(directory: Path, *, now: datetime, force: bool = False) -> None:
    """Make a development authority and a certificate for every role.

    Args:
        directory: Gets the files; made, for its owner only, if it is not there.
        now: When they begin to be valid, a few minutes earlier for clocks that are late.
        force: Replace what is there. Whoever trusts the old authority must be started anew.

    Raises:
        CertificatesExist: A file is there already, and `force` is not given.
    """
    check_nothing_there(directory, force=force)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    issuer = _make_authority(now)
    _replace(directory / AUTHORITY, _encode_certificate(issuer.certificate))
    _replace(directory / AUTHORITY_KEY, _encode_key(issuer.key))
    for role in Role:
        _replace(directory / role.file_name, _issue(role, issuer, now))


def check_nothing_there(directory: Path, *, force: bool) -> None:
    """Check that no file would be overwritten that should not be.

    Raises:
        CertificatesExist: One would.
    """
    present = [name for name in certificate_files() if (directory / name).exists()]
    if present and not force:
        raise CertificatesExist(
            f"{directory} holds {', '.join(present)} already.",
            remedy="Renew them, choose another directory, or replace them with --force.",
            field="DIRECTORY",
        )


def renew_certificates(directory: Path, *, now: datetime) -> None:
    """Issue every role's certificate again, with new keys, by the authority that is there.

    Running processes take the new files without a restart.

    Raises:
        InvalidCertificate: The authority is missing, expired, or not one of ours.
    """
    issuer = read_authority(directory, now=now)
    for role in Role:
        _replace(directory / role.file_name, _issue(role, issuer, now))


def read_authority(directory: Path, *, now: datetime) -> Issuer:
    """Return the development authority.

    Raises:
        InvalidCertificate: It is missing, expired, or its key is of another.
    """
    file = directory / AUTHORITY
    certificate = read_certificates(file)[0]
    check_fresh(file, certificate, now)
    key = read_key(directory / AUTHORITY_KEY)
    if (
        not isinstance(key, ec.EllipticCurvePrivateKey)
        or key.public_key() != certificate.public_key()
    ):
        raise invalid_certificate(
            directory / AUTHORITY_KEY,
            f"it is not the key of the first certificate in {AUTHORITY}",
            "Renew certificates of another authority where they were issued.",
        )
    return Issuer(certificate, key)


def _make_authority(now: datetime) -> Issuer:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pagesim development")])
    builder = (
        _begin(name, name, key.public_key(), now, now + AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        )
    )
    return Issuer(builder.sign(key, hashes.SHA256()), key)


def _issue(role: Role, issuer: Issuer, now: datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"pagesim {role}")])
    ends = min(now + LIFETIME, issuer.certificate.not_valid_after_utc)
    names = x509.SubjectAlternativeName(
        [
            x509.UniformResourceIdentifier(role.identity),
            x509.DNSName(role.host_name),
            x509.IPAddress(IPv4Address("127.0.0.1")),
        ]
    )
    # Every role but the client's serves and calls.
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    if role is not Role.CLIENT:
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
    authority_key = issuer.key.public_key()
    certificate = (
        _begin(name, issuer.certificate.subject, key.public_key(), now, ends)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key), critical=False
        )
        .sign(issuer.key, hashes.SHA256())
    )
    return _encode_certificate(certificate) + _encode_key(key)


def _begin(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    ends: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(ends)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _encode_certificate(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _encode_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _replace(file: Path, body: bytes) -> None:
    with atomic_file(file, private=True) as unfinished:
        unfinished.write_bytes(body)
