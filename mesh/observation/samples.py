"""Reads samples in the Prometheus text format."""

from __future__ import annotations

import http.client
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prometheus_client.samples import Sample

    from mesh.call.addresses import Address

_AT_ONCE = 16
_TIMEOUT_SECONDS = 5.0


def read_samples(
    address: Address, path: str = "/metrics", query: Mapping[str, str] | None = None
) -> tuple[Sample, ...] | None:
    """Return the samples of an endpoint; None if nobody answers there."""
    connection = http.client.HTTPConnection(
        address.host, address.port, timeout=_TIMEOUT_SECONDS
    )
    try:
        connection.request("GET", f"{path}?{urlencode(query)}" if query else path)
        response = connection.getresponse()
        text = response.read().decode()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        return None
    families = text_string_to_metric_families(text)
    return tuple(sample for family in families for sample in family.samples)


def read_endpoints(addresses: Sequence[Address]) -> dict[Address, tuple[Sample, ...] | None]:
    """Return the samples of every address's endpoint /metrics; None where nobody answers."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="endpoint") as executor:
        return dict(zip(addresses, executor.map(read_samples, addresses), strict=True))
