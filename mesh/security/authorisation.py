"""Who may change the mesh: holders of its token, or certificates of permitted identities."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from core.atomic_files import atomic_file
from core.errors import Forbidden, Unauthenticated
from mesh.errors import MissingToken
from mesh.security.call_origin import proved_identities, proves, sent_values

if TYPE_CHECKING:
    from pathlib import Path

    import grpc

TOKEN = "token"  # noqa: S105 - the file's name
AUTHORISATION_HEADER = "authorization"

_SCHEME = "Bearer "
_TOKEN_BYTES = 32


class Authorisation(Protocol):
    """Decides who may change the mesh."""

    def check(self, call: grpc.ServicerContext) -> None:
        """Return if the caller may.

        Raises:
            Unauthenticated: Nobody knows who the caller is.
            Forbidden: The caller is known, and may not.
        """


@dataclass(frozen=True, slots=True, repr=False)
class TokenHolders:
    """Let in whoever can read the token's file.

    Attributes:
        token: What they send, as `authorization: Bearer TOKEN`.
        file: Where it is, for messages.
    """

    token: str
    file: Path

    def check(self, call: grpc.ServicerContext) -> None:
        """Return if the call carries the token.

        Raises:
            Unauthenticated: It does not.
        """
        given = sent_values(call, AUTHORISATION_HEADER)
        if not proves(given, f"{_SCHEME}{self.token}"):
            raise Unauthenticated(
                "The call does not carry the token of this mesh.",
                remedy=f"Send what is in {self.file} as `authorization: Bearer TOKEN`.",
                field=AUTHORISATION_HEADER,
            )


@dataclass(frozen=True, slots=True)
class PermittedIdentities:
    """Let in certificates of some identities.

    Attributes:
        identities: URIs, e.g. "spiffe://pagesim/client".
    """

    identities: frozenset[str]

    def check(self, call: grpc.ServicerContext) -> None:
        """Return if the caller's certificate is of a permitted identity.

        Raises:
            Forbidden: It is of another.
        """
        found = proved_identities(call)
        if not found & self.identities:
            raise Forbidden(
                f"{', '.join(sorted(found)) or 'Who has no URI'} may not change the mesh.",
                remedy=f"Call as {' or '.join(sorted(self.identities))}, or start the mesh "
                "with a further --permit.",
            )


def make_token(directory: Path) -> TokenHolders:
    """Write a new token that only this user can read, and return who is let in by it."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    file = directory / TOKEN
    with atomic_file(file, private=True) as unfinished:
        unfinished.write_text(token, encoding="utf-8")
    return TokenHolders(token, file)


def read_token(directory: Path) -> str:
    """Return the token of the mesh of that directory.

    Raises:
        MissingToken: The file cannot be read.
    """
    file = directory / TOKEN
    try:
        return file.read_text().strip()
    except OSError as error:
        raise MissingToken(
            f"The mesh's token {file} cannot be read ({error.strerror}).",
            remedy="Give the directory of a running mesh that you started yourself.",
        ) from error


def carry(token: str) -> tuple[tuple[str, str], ...]:
    """Return the headers that carry the token."""
    return ((AUTHORISATION_HEADER, f"{_SCHEME}{token}"),)
