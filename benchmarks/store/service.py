"""Starts what is measured over gRPC in processes of their own, and stops it again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ECHO = "/benchmark.Echo/Echo"


@contextmanager
def serve_store(store: str, *arguments: str) -> Iterator[str]:
    """Serve a store with `python -m timetravel`, and yield its address."""
    with _run(["-m", "timetravel", "--store", store, *arguments]) as address:
        yield address


@contextmanager
def serve_echo() -> Iterator[str]:
    """Serve an RPC that gives back a message of the size it is asked for."""
    with _run(["-m", "benchmarks.store.service"]) as address:
        yield address


@contextmanager
def _run(arguments: Sequence[str]) -> Iterator[str]:
    reader, writer = os.pipe()
    command = [sys.executable, *arguments, "--ready-fd", str(writer)]
    command += ["--address", "127.0.0.1:0", "--metrics-address", "127.0.0.1:0"]
    with subprocess.Popen(command, pass_fds=[writer]) as process:
        os.close(writer)
        try:
            with os.fdopen(reader) as ready:
                yield str(json.loads(ready.readline())["address"])
        finally:
            process.terminate()


def _echo() -> None:
    descriptor = int(sys.argv[sys.argv.index("--ready-fd") + 1])

    def answer(request: bytes, _context: grpc.ServicerContext) -> bytes:
        return bytes(int(request))

    handler = grpc.method_handlers_generic_handler(
        "benchmark.Echo", {"Echo": grpc.unary_unary_rpc_method_handler(answer)}
    )
    server = grpc.server(ThreadPoolExecutor(4), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with os.fdopen(descriptor, "w") as ready:
        ready.write(json.dumps({"address": f"127.0.0.1:{port}"}) + "\n")
    server.wait_for_termination()


if __name__ == "__main__":
    _echo()
