"""Chooses the running mesh that a command is about."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.errors import Unavailable
from mesh.client.announcement import announcement_folder, find_announcements
from mesh.client.mesh_process import MeshClient
from mesh.errors import MeshNotFound, UnknownStack
from mesh.security.authorisation import read_token
from mesh.security.certificates import Role
from mesh.security.tls import Tls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mesh.client.announcement import Announcement
    from mesh.topology.stack import StackStatus

_PATIENCE_SECONDS = 5.0
"""Time that a control plane has to come back; somebody waits."""

_HOW_TO_START = (
    "Start one with `pagesim serve --as-of MOMENT`; `pagesim run` has one while it runs."
)

mesh_option = click.option(
    "--mesh",
    "mesh",
    envvar="PAGESIM_MESH",
    show_envvar=True,
    metavar="ADDRESS",
    help="host:port of the mesh, as clients call it or of its MeshService, or its directory; "
    "needed only if several run here.",
)


@dataclass(frozen=True, slots=True)
class ChosenMesh:
    """A mesh that answers.

    Attributes:
        control_address: host:port of MeshService.
        announcement: What it says of itself on this machine; None if it runs elsewhere.
        client: Calls it.
    """

    control_address: str
    announcement: Announcement | None
    client: MeshClient

    def get_stack(self, stack_id: str) -> StackStatus:
        """Return a stack.

        Raises:
            UnknownStack: There is none of that id; the message lists those that are.
        """
        stacks = {status.stack.stack_id: status for status in self.client.list_stacks()}
        if stack_id not in stacks:
            raise UnknownStack(
                f"There is no stack {stack_id!r}.",
                remedy=f"Live ones are: {', '.join(stacks)}." if stacks else "None is live.",
                field="STACK",
            )
        return stacks[stack_id]


@contextmanager
def open_mesh(named: str | None) -> Iterator[ChosenMesh]:
    """Find the mesh and connect to it.

    Args:
        named: What --mesh says; None means the one that runs here.

    Raises:
        MeshNotFound: There is none, or several, or it does not answer.
    """
    announcement = choose_announcement(
        named, find_announcements(announcement_folder(os.environ))
    )
    control_address = announcement.control_address if announcement else named or ""
    client = _connect(control_address, announcement)
    try:
        yield ChosenMesh(control_address, announcement, client)
    except Unavailable as error:
        raise MeshNotFound(
            f"No mesh answers at {control_address}: {error.problem}", remedy=_HOW_TO_START
        ) from error
    finally:
        client.close()


def _connect(control_address: str, announcement: Announcement | None) -> MeshClient:
    """Prove who we are with what the mesh of this machine says that we have."""
    tls, token = None, None
    if announcement is not None and announcement.tls is not None:
        tls = Tls(announcement.tls, Role.CLIENT)
    elif announcement is not None:
        token = read_token(announcement.directory)
    return MeshClient(control_address, patience_seconds=_PATIENCE_SECONDS, tls=tls, token=token)


def choose_announcement(
    named: str | None, announcements: tuple[Announcement, ...]
) -> Announcement | None:
    """Return the announcement of the mesh that is meant; None for an address elsewhere.

    Raises:
        MeshNotFound: Nothing was named and not exactly one mesh runs, or no mesh uses the
            directory that was named.
    """
    if named is None:
        if len(announcements) == 1:
            return announcements[0]
        raise _not_one(announcements)
    for announcement in announcements:
        if named in (announcement.address, announcement.control_address) or _is_same(
            named, announcement.directory
        ):
            return announcement
    if os.sep in named or Path(named).is_dir():
        raise MeshNotFound(f"No mesh uses {named}.", remedy=_HOW_TO_START, field="--mesh")
    return None


def _is_same(named: str, directory: Path) -> bool:
    return Path(named).resolve() == directory.resolve()


def _not_one(announcements: tuple[Announcement, ...]) -> MeshNotFound:
    if not announcements:
        return MeshNotFound("No mesh runs here.", remedy=_HOW_TO_START)
    listed = "".join(
        f"\n    {announcement.address}  {announcement.directory}"
        for announcement in announcements
    )
    return MeshNotFound(
        f"{len(announcements)} meshes run here:{listed}\n",
        remedy="Name one with --mesh or in PAGESIM_MESH.",
        field="--mesh",
    )
