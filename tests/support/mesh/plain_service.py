"""A service that knows nothing of pagesim: it forwards two headers, and takes part.

With `--forward` it forwards others, or none. Messages are those of tests/support/mesh/probe.py.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

Message = dict[str, Any]


def encode(message: Message) -> bytes:
    """Return the message as it travels."""
    return json.dumps(message).encode()


def decode(body: bytes) -> Message:
    """Return the message that has travelled."""
    message: Message = json.loads(body)
    return message


class EmptyPage(BaseHTTPRequestHandler):
    """Offer no metric."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's
        """Log nothing."""


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--service", help="full gRPC name")
    parser.add_argument("--forward", nargs="*", default=["x-pagesim-stack", "traceparent"])
    for name in ("--address", "--metrics-address", "--mesh-address", "--grace-seconds"):
        parser.add_argument(name, help="as the mesh says")
    parser.add_argument("--ready-fd", type=int, help="as the mesh says")
    options = parser.parse_args()
    mesh = grpc.insecure_channel(options.mesh_address)

    def ask(question: Message, call: grpc.ServicerContext) -> Message:
        received = {name: str(value) for name, value in call.invocation_metadata()}
        inner = None
        if question["path"]:
            service, *path = question["path"]
            onward = [(name, received[name]) for name in options.forward if name in received]
            peer: grpc.UnaryUnaryMultiCallable[Message, Message] = mesh.unary_unary(
                f"/{service}/Ask", encode, decode
            )
            try:
                inner = peer(question | {"path": path}, metadata=tuple(onward))
            except grpc.RpcError as error:
                call.abort(error.code(), error.details() or "")
        headers = {
            name: value
            for name, value in received.items()
            if name.startswith("x-pagesim") or name == "traceparent"
        }
        return {
            "name": options.service,
            "process_id": os.getpid(),
            "headers": headers,
            "as_received": {},
            "inner": inner,
        }

    server = grpc.server(ThreadPoolExecutor(4))
    handlers = {"Ask": grpc.unary_unary_rpc_method_handler(ask, decode, encode)}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(options.service, handlers),)
    )
    checks = health.HealthServicer()
    checks.set(options.service, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    port = server.add_insecure_port(options.address)
    server.start()
    pages = ThreadingHTTPServer(("127.0.0.1", 0), EmptyPage)
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    ready = {
        "address": f"127.0.0.1:{port}",
        "metrics_address": f"127.0.0.1:{pages.server_port}",
    }
    os.write(options.ready_fd, f"{json.dumps(ready)}\n".encode())
    stopped.wait()
    server.stop(float(options.grace_seconds)).wait()


if __name__ == "__main__":
    main()
