"""Whether a call came through the mesh: by a secret that Envoy stamps, or by a certificate.

Each cluster has a secret of its own. A service that were told another's could call it past
the mesh, with any moment it likes.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

from core.errors import InvalidInput
from mesh.errors import ForeignCaller, UnprovedCall
from mesh.security.certificates import Role

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence

CALL_SECRET_HEADER = "x-pagesim-call-secret"  # noqa: S105 - the header's name
CALL_SECRET_VARIABLE = "PAGESIM_CALL_SECRET"  # noqa: S105 - the variable's name

_KEY_VARIABLE = "PAGESIM_MESH_KEY"
_KEY_BYTES = 32
_URIS_PROPERTY = "peer_uri"


class ServedCall(Protocol):
    """What a server of threads and one of asyncio both know of a call.

    The stubs of gRPC differ on the types.
    """

    def invocation_metadata(self) -> Any:  # noqa: ANN401 - pairs of name and value
        """Return its headers."""

    def auth_context(self) -> Mapping[str, Any]:
        """Return what the caller's certificate proves: lists of bytes."""


class CallOrigin(Protocol):
    """Decides whether a call came through the mesh."""

    def check(self, call: ServedCall) -> None:
        """Return if it did.

        Raises:
            UnprovedCall: Nothing proves it.
            ForeignCaller: The caller is known, and is not the mesh.
        """


@dataclass(frozen=True, slots=True, repr=False)
class CallKey:
    """Gives the secret of each cluster of a mesh, the same whenever it is asked.

    Attributes:
        key: 32 random bytes that only the host and the control plane have.
    """

    key: bytes

    @classmethod
    def make(cls) -> Self:
        """Return a key that nobody has seen."""
        return cls(secrets.token_bytes(_KEY_BYTES))

    @classmethod
    def take(cls, environment: MutableMapping[str, str]) -> Self:
        """Take the key out of an environment that has it from `variables`."""
        return cls(bytes.fromhex(environment.pop(_KEY_VARIABLE)))

    def variables(self) -> dict[str, str]:
        """Return the environment variables that hand the key to a child process."""
        return {_KEY_VARIABLE: self.key.hex()}

    def secret_of(self, cluster: str) -> str:
        """Return the secret of the cluster of that name."""
        return hmac.digest(self.key, cluster.encode(), "sha256").hex()


@dataclass(frozen=True, slots=True, repr=False)
class SecretHolder:
    """Let in calls with the secret that Envoy stamps for this service.

    Attributes:
        secret: What the call has to carry.
        mesh_address: host:port of the mesh, for messages.
    """

    secret: str
    mesh_address: str | None

    def check(self, call: ServedCall) -> None:
        """Return if the call carries the secret.

        Raises:
            UnprovedCall: It does not.
        """
        given = sent_values(call, CALL_SECRET_HEADER)
        if not proves(given, self.secret):
            fault = "carries another secret than the one" if given else "lacks the secret"
            raise UnprovedCall(
                f"The call {fault} that Envoy adds to calls to this service, so it did not "
                "come through the mesh.",
                remedy=_remedy(self.mesh_address),
                field=CALL_SECRET_HEADER,
            )


@dataclass(frozen=True, slots=True)
class MeshIdentity:
    """Let in calls of whoever has a certificate of the mesh's identity.

    Attributes:
        mesh_address: host:port of the mesh, for messages.
    """

    mesh_address: str | None

    def check(self, call: ServedCall) -> None:
        """Return if the caller's certificate is the mesh's.

        Raises:
            ForeignCaller: It is somebody else's.
        """
        found = proved_identities(call)
        if Role.MESH.identity not in found:
            raise ForeignCaller(
                f"{', '.join(sorted(found)) or 'Who has no URI'} may not call a service "
                f"directly; {Role.MESH.identity} may.",
                remedy=_remedy(self.mesh_address),
            )


def sent_values(call: ServedCall, header: str) -> list[bytes]:
    """Return every value that a call has under a header."""
    return [
        value.encode() if isinstance(value, str) else value
        for name, value in call.invocation_metadata()
        if name == header
    ]


def proves(given: Sequence[bytes], secret: str) -> bool:
    """Return whether the secret was sent, once; compared in constant time."""
    return len(given) == 1 and hmac.compare_digest(given[0], secret.encode())


def proved_identities(call: ServedCall) -> frozenset[str]:
    """Return the URIs in the certificate of the caller; none without a certificate."""
    return frozenset(
        uri.decode(errors="replace") for uri in call.auth_context().get(_URIS_PROPERTY, ())
    )


def take_call_secret(environment: MutableMapping[str, str]) -> str | None:
    """Take the secret that the mesh gives a service out of its environment; None without one.

    Raises:
        InvalidInput: It is empty.
    """
    secret = environment.pop(CALL_SECRET_VARIABLE, None)
    if secret is not None and not secret:
        raise InvalidInput(
            f"{CALL_SECRET_VARIABLE} is empty, which any call could carry.",
            remedy="Leave it to the mesh, or unset it to serve without a mesh.",
            field=CALL_SECRET_VARIABLE,
        )
    return secret


def _remedy(mesh_address: str | None) -> str:
    where = f" at {mesh_address}" if mesh_address else ""
    return f"Call through the mesh{where}, with x-pagesim-stack."
