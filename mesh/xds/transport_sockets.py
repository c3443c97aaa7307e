"""Mutual TLS of Envoy: transport sockets, and the secrets that they wait for.

Secrets are files that Envoy watches, so that renewed certificates are taken at once and no
private key goes through discovery.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from mesh.security.certificates import AUTHORITY, Role

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mesh.xds.kinds import Json, JsonMessage

_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
_CERTIFICATE, _AUTHORITIES = "certificate", "authorities"


@lru_cache(maxsize=1)
def render_downstream() -> Json:
    """Return the socket that lets in whoever has a certificate of the mesh's authorities."""
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{_TLS}.DownstreamTlsContext",
            "require_client_certificate": True,
            # A resumed session would outlive the certificate that opened it.
            "disable_stateless_session_resumption": True,
            "disable_stateful_session_resumption": True,
            "common_tls_context": _render_context([role.identity for role in Role]),
        },
    }


@lru_cache(maxsize=1)
def render_upstream() -> Json:
    """Return the socket that calls nobody but a service process."""
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{_TLS}.UpstreamTlsContext",
            "sni": Role.SERVICE.host_name,
            "max_session_keys": 0,
            "common_tls_context": _render_context([Role.SERVICE.identity]),
        },
    }


def render_secrets(directory: Path) -> Mapping[str, JsonMessage]:
    """Return the secrets as files of Envoy's directory, by name.

    Args:
        directory: Holds the certificates; an absolute path.
    """
    watched: Json = {"path": str(directory)}
    own: Json = {"filename": str(directory / Role.MESH.file_name)}
    authority: Json = {"filename": str(directory / AUTHORITY)}
    secrets: Mapping[str, Mapping[str, Json]] = {
        _CERTIFICATE: {
            "tls_certificate": {
                "certificate_chain": own,
                "private_key": own,
                "watched_directory": watched,
            }
        },
        _AUTHORITIES: {
            "validation_context": {"trusted_ca": authority, "watched_directory": watched}
        },
    }
    return {
        _file_name(name): {"resources": [{"@type": f"{_TLS}.Secret", "name": name, **secret}]}
        for name, secret in secrets.items()
    }


def _render_context(identities: list[str]) -> Json:
    return {
        "alpn_protocols": ["h2"],
        "tls_params": {
            "tls_minimum_protocol_version": "TLSv1_3",
            "tls_maximum_protocol_version": "TLSv1_3",
        },
        "tls_certificate_sds_secret_configs": [_refer(_CERTIFICATE)],
        "combined_validation_context": {
            "default_validation_context": {
                "match_typed_subject_alt_names": [
                    {"san_type": "URI", "matcher": {"exact": identity}}
                    for identity in identities
                ]
            },
            "validation_context_sds_secret_config": _refer(_AUTHORITIES),
        },
    }


def _refer(name: str) -> Json:
    return {
        "name": name,
        "sds_config": {
            "path_config_source": {"path": f"./{_file_name(name)}"},
            "resource_api_version": "V3",
        },
    }


def _file_name(name: str) -> str:
    return f"secret-{name}.json"
