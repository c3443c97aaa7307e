"""Clients that know nothing of pagesim: buf, one that learns by reflection, a scraper."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Mapping

    import grpc
    from google.protobuf.message import Message
    from prometheus_client.samples import Sample

ROOT = Path(__file__).parents[3]
BUF = Path(sys.executable).with_name("buf")


@dataclass(frozen=True)
class Answer:
    """What a command said, and how it ended."""

    exit_code: int
    text: str

    @property
    def document(self) -> dict[str, Any]:
        """The answer, or the error."""
        document: dict[str, Any] = json.loads(self.text)
        return document


def run_shell(command: str) -> Answer:
    """Run a command as a person would paste it, at the root of the repository."""
    done = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, check=False, cwd=ROOT
    )
    return Answer(done.returncode, done.stdout or done.stderr)


def curl(address: str, path: str, *flags: str, data: object = None) -> Answer:
    """Call a method, or ask something else of an address, with `buf curl`."""
    sent = () if data is None else ("--data", json.dumps(data))
    done = subprocess.run(
        [
            *(BUF, "curl", "--protocol", "grpc", "--http2-prior-knowledge"),
            *(*flags, *sent, f"http://{address}{path}"),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    return Answer(done.returncode, done.stdout or done.stderr)


def read_text(url: str) -> str:
    """Return what a page on loopback holds."""
    with urllib.request.urlopen(url) as page:  # noqa: S310 - loopback
        return str(page.read().decode())


def read_samples(url: str, beginning: str) -> list[Sample]:
    """Return the samples of a metrics endpoint whose names begin so."""
    families = text_string_to_metric_families(read_text(url))
    samples = (sample for family in families for sample in family.samples)
    return [sample for sample in samples if sample.name.startswith(beginning)]


class ReflectingClient:
    """Call a service after asking the server what it is.

    Args:
        channel: Leads to the server.
        service: Full gRPC name.
        headers: Sent with every call, and with the questions.
    """

    def __init__(
        self, channel: grpc.Channel, service: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self._channel = channel
        self._metadata = tuple((headers or {}).items())
        question = reflection_pb2.ServerReflectionRequest(file_containing_symbol=service)
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        ask: grpc.StreamStreamMultiCallable[
            reflection_pb2.ServerReflectionRequest, reflection_pb2.ServerReflectionResponse
        ] = stub.ServerReflectionInfo  # type: ignore[assignment]  # the stubs lag behind
        (answer,) = ask(iter([question]), metadata=self._metadata)
        pool = DescriptorPool()
        waiting = [
            FileDescriptorProto.FromString(file)
            for file in answer.file_descriptor_response.file_descriptor_proto
        ]
        added: set[str] = set()
        while waiting:
            ready = [file for file in waiting if added.issuperset(file.dependency)]
            assert ready, f"no file without {waiting[0].dependency}"
            for file in ready:
                pool.Add(file)
                added.add(file.name)
            waiting = [file for file in waiting if file.name not in added]
        self._service = pool.FindServiceByName(service)

    @property
    def methods(self) -> list[str]:
        """What the service can be asked."""
        return sorted(self._service.methods_by_name)

    def call(self, method: str, **request: object) -> dict[str, Any]:
        """Call a method with a request in JSON form; return the answer in it."""
        found = self._service.methods_by_name[method]
        invoke: grpc.UnaryUnaryMultiCallable[Message, Message] = self._channel.unary_unary(
            f"/{self._service.full_name}/{method}",
            lambda message: message.SerializeToString(),
            GetMessageClass(found.output_type).FromString,
        )
        message = ParseDict(request, GetMessageClass(found.input_type)())
        return dict(MessageToDict(invoke(message, metadata=self._metadata)))
