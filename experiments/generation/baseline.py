"""The processes of the baseline: which program serves which service."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from experiments.generation.outages import OUTAGE_SECONDS
from experiments.notifications import forget_addresses
from mesh.client.mesh_process import MeshProcess
from mesh.topology.service_process import ServiceProcess
from services.page.arguments import OVERLAY_ARGUMENT
from services.page.configuration import (
    ASSEMBLER_SERVICE,
    DEDUP_SERVICE,
    FILTERING_SERVICE,
    RANKING_SERVICE,
    overlay_owners,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from timetravel.facts.model import JsonValue

TIME_TRAVEL_SERVICE = "pagesim.timetravel.v1.TimeTravelService"
STORE_VARIABLE = "PAGESIM_STORE"

PAGE_MODULES: Mapping[str, str] = {
    FILTERING_SERVICE: "services.filtering",
    RANKING_SERVICE: "services.ranking",
    DEDUP_SERVICE: "services.dedup",
    ASSEMBLER_SERVICE: "services.assembler",
}
"""The module that serves each page service."""


def start_mesh(
    store_url: str,
    segments: Path,
    directory: Path,
    *,
    arguments: Sequence[str] = (),
    tls: Path | None = None,
) -> MeshProcess:
    """Start a mesh with the processes that serve every stack.

    Args:
        store_url: The store that holds the facts; as it may have a password, it travels in
            the environment of the one process that opens it.
        segments: Folder in which snapshots may be laid out.
        directory: Gets logs.
        arguments: Further arguments of the mesh.
        tls: Directory of certificates with which all prove who they are.

    Raises:
        ProcessFailed: A process did not start; the message holds the end of its log.
    """
    forget_addresses(os.environ)  # its processes inherit our environment
    return MeshProcess.start(
        baseline_processes(segments),
        directory,
        # A stack may be created while a replica of the baseline is restarted.
        arguments=("--probe-timeout-seconds", f"{OUTAGE_SECONDS:g}", *arguments),
        secrets={STORE_VARIABLE: store_url},
        tls=tls,
    )


def baseline_processes(segments: Path) -> tuple[ServiceProcess, ...]:
    """Return the processes that serve every stack: facts first, then the page.

    Args:
        segments: Folder in which snapshots may be laid out.
    """
    facts = ServiceProcess(
        TIME_TRAVEL_SERVICE,
        "timetravel",
        ("--segments", str(segments.absolute())),
        secrets=(STORE_VARIABLE,),
    )
    pages = (ServiceProcess(service, module) for service, module in PAGE_MODULES.items())
    return (facts, *pages)


def override_processes(
    overlay: Mapping[str, JsonValue], overlay_file: Path
) -> tuple[ServiceProcess, ...]:
    """Return the processes that a configuration overlay needs of its own.

    Only services that own a section of the overlay are replaced; the baseline serves the
    rest.

    Args:
        overlay: What the variant lays over the configuration, by section.
        overlay_file: Holds the overlay, for the processes to read.

    Raises:
        InvalidConfiguration: The overlay names a section that does not exist.
    """
    return tuple(
        ServiceProcess(
            service, PAGE_MODULES[service], (OVERLAY_ARGUMENT, str(overlay_file.absolute()))
        )
        for service in sorted(overlay_owners(overlay))
    )
