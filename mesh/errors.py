"""Errors of the mesh, under the root and the kinds of `core.errors`.

::

    PagesimError
    └── MeshError                                     everything this package raises
        ├── MissingContext           (WrongState)         a call without stack or as-of
        ├── ContradictingAsOf        (InvalidInput)       a moment later than the stack's
        ├── InvalidStack             (InvalidInput)
        ├── InvalidCertificate       (InvalidInput)       a file of --tls is unfit
        ├── UnknownStack             (NotFound)
        ├── MeshNotFound             (NotFound)           no mesh where one was looked for
        ├── MissingToken             (NotFound)           no token to read
        ├── StackExists              (AlreadyExists)
        ├── CertificatesExist        (AlreadyExists)
        ├── UnknownProcess           (NotFound)
        ├── ProcessExists            (AlreadyExists)
        ├── UnknownSecret            (InvalidInput)
        ├── UnprovedCall             (Unauthenticated)    nothing proves that the mesh sent it
        ├── ForeignCaller            (Forbidden)          a certificate that is not the mesh's
        ├── WrongFile                (WrongState)         a file holds something else
        ├── AddressInUse             (WrongState)
        ├── ProcessFailed            (Unavailable)        a launched process died
        └── ConfigurationRejected    (WrongState)         Envoy refused what it was sent
"""

from __future__ import annotations

from core.errors import (
    AlreadyExists,
    Forbidden,
    InvalidInput,
    NotFound,
    PagesimError,
    Unauthenticated,
    Unavailable,
    WrongState,
)


class MeshError(PagesimError):
    """Root of what the mesh raises."""


class MissingContext(MeshError, WrongState):
    """Refuse a call that carries no stack or no as-of."""


class ContradictingAsOf(MeshError, InvalidInput):
    """Refuse a moment later than the one stamped on the call."""


class InvalidStack(MeshError, InvalidInput):
    """Refuse a stack that cannot be run."""


class InvalidCertificate(MeshError, InvalidInput):
    """Refuse a certificate or key that the mesh cannot be run with."""


class UnknownStack(MeshError, NotFound):
    """Refuse to use a stack that does not exist."""


class MeshNotFound(MeshError, NotFound):
    """Report that no mesh runs where one was looked for."""


class MissingToken(MeshError, NotFound):
    """Report that the token of a mesh cannot be read."""


class StackExists(MeshError, AlreadyExists):
    """Refuse a second, different stack under one id."""


class CertificatesExist(MeshError, AlreadyExists):
    """Refuse to overwrite certificates that nobody asked to replace."""


class UnknownProcess(MeshError, NotFound):
    """Refuse to use a process that a host does not run."""


class ProcessExists(MeshError, AlreadyExists):
    """Refuse a second, different program under one key."""


class UnknownSecret(MeshError, InvalidInput):
    """Refuse a program that asks for a secret that the mesh was not given."""


class UnprovedCall(MeshError, Unauthenticated):
    """Refuse a call to a service that does not prove to come through the mesh."""


class ForeignCaller(MeshError, Forbidden):
    """Refuse a call to a service by somebody other than the mesh."""


class WrongFile(MeshError, WrongState):
    """Refuse to start a process whose file is not there, or not what it should be."""


class AddressInUse(MeshError, WrongState):
    """Refuse to listen where somebody already does."""


class ProcessFailed(MeshError, Unavailable):
    """Report that a launched process died or never got ready."""


class ConfigurationRejected(MeshError, WrongState):
    """Report that Envoy refused a configuration, with its own reason."""
