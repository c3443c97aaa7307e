"""Mutual TLS for gRPC: credentials of channels and servers, from certificates in files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import grpc
import structlog

from mesh.errors import InvalidCertificate
from mesh.security.certificates import AUTHORITY, Role, check_certificates, read_pem

if TYPE_CHECKING:
    from pathlib import Path

_log = structlog.get_logger("mesh.security")


@dataclass(frozen=True, slots=True)
class Tls:
    """Who a process is to the others.

    Attributes:
        directory: Holds the certificates.
        role: Whose certificate and key to present.
    """

    directory: Path
    role: Role

    @property
    def authority(self) -> Path:
        """The authorities that are trusted."""
        return self.directory / AUTHORITY

    @property
    def certificate(self) -> Path:
        """Certificate chain and private key."""
        return self.directory / self.role.file_name


def channel_credentials(tls: Tls) -> grpc.ChannelCredentials:
    """Return credentials for a channel, of the files as they are now.

    Raises:
        InvalidCertificate: A file cannot be read.
    """
    own = read_pem(tls.certificate)
    return grpc.ssl_channel_credentials(read_pem(tls.authority), own, own)


def server_credentials(tls: Tls) -> grpc.ServerCredentials:
    """Return credentials for a server that takes renewed files without a restart.

    Clients must show a certificate of a trusted authority.

    Raises:
        InvalidCertificate: A file cannot be read.
    """
    renewal = _Renewal(tls)  # first, so that a change in between is seen
    return grpc.dynamic_ssl_server_credentials(
        _read_configuration(tls),
        renewal.take,  # type: ignore[arg-type]  # None means "no change"; the stubs lag behind
        require_client_authentication=True,
    )


class _Renewal:
    """What a server asks before each handshake."""

    def __init__(self, tls: Tls) -> None:
        self._tls = tls
        self._seen = self._fingerprint()

    def take(self) -> grpc.ServerCertificateConfiguration | None:
        """Return the configuration of changed files; None to go on with what there is."""
        found = self._fingerprint()
        if found == self._seen:
            return None
        self._seen = found
        try:
            check_certificates(self._tls.directory, (self._tls.role,), now=datetime.now(UTC))
            configuration = _read_configuration(self._tls)
        except InvalidCertificate as error:
            _log.error("certificates_not_taken", reason=str(error))
            return None
        _log.info("certificates_taken", directory=str(self._tls.directory))
        return configuration

    def _fingerprint(self) -> tuple[tuple[int, int] | None, ...]:
        return tuple(_identify(file) for file in (self._tls.authority, self._tls.certificate))


def _identify(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _read_configuration(tls: Tls) -> grpc.ServerCertificateConfiguration:
    own = read_pem(tls.certificate)
    return grpc.ssl_server_certificate_configuration([(own, own)], read_pem(tls.authority))
