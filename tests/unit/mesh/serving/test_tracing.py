"""OpenTelemetry's variables say whether there are traces; without them they cost nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from core.errors import InvalidInput
from mesh.call.tracing import is_tracing_configured

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317"}
SERVE = """
import sys
from mesh.call.context import CallContext
from mesh.serving import Registration, ServingOptions, connect_without_mesh, start
from tests.support.mesh.probe import Probe, ProbeClient, Question
name = "test.probe.v1.ProbeService"
server = start([Probe(name).registration], ServingOptions())
with connect_without_mesh(server.address, CallContext("trial", 0)) as channel:
    assert ProbeClient(channel, name).ask(Question()).name == name
server.stop(0)
print(*(module for module in sys.modules if module.startswith("opentelemetry")))
"""


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4317"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, False),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "true"}, False),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, True),
    ],
)
def test_the_standard_variables_decide(
    environment: dict[str, str],
    expected: bool,  # noqa: FBT001 - a pytest parameter
) -> None:
    assert is_tracing_configured(environment) is expected


@pytest.mark.parametrize(
    "wish",
    [{"OTEL_TRACES_EXPORTER": "zipkin"}, {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}],
)
def test_what_cannot_be_done_is_refused_by_its_variable(wish: dict[str, str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        is_tracing_configured(ENDPOINT | wish)
    assert {caught.value.field} == wish.keys()


@pytest.mark.integration
def test_without_an_exporter_nothing_of_opentelemetry_is_loaded() -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", SERVE], capture_output=True, text=True, check=True, env=kept
    )
    assert done.stdout == "\n"


@pytest.mark.integration
def test_a_missing_package_is_said_with_what_to_install() -> None:
    script = (
        "import sys\n"
        "sys.modules['opentelemetry.exporter'] = None\n"
        "from mesh.serving import connect\n"
        "connect('127.0.0.1:1')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **ENDPOINT},
    )
    assert done.returncode != 0
    assert "Install pagesim[tracing], or set OTEL_TRACES_EXPORTER=none" in done.stderr
