"""The service of tests/support/mesh/probe.py, served by asyncio."""

from __future__ import annotations

import argparse
import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from mesh.call.context import context_headers, current_context
from mesh.channels.async_channels import connect_async
from mesh.serving import add_serving_arguments, connect, serving_options
from mesh.serving.async_server import AsyncRegistration, serve_async
from tests.support.mesh.probe import (
    Answer,
    ProbeClient,
    Question,
    decode_answer,
    decode_question,
    encode,
    pass_on,
    raise_as_told,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mesh.security.tls import Tls

    Call = grpc.aio.ServicerContext[Question, Answer]


class AsyncProbe:
    """Answers questions; those with a path go on through the mesh.

    A question is passed on by another task, or with `in_thread` by `asyncio.to_thread`, or
    with `in_bare_thread` by an executor that knows nothing of contexts.
    """

    def __init__(self, service: str, mesh_address: str, tls: Tls | None) -> None:
        self._service = service
        self._peers = connect_async(mesh_address, tls=tls)
        self._peers_of_threads = connect(mesh_address, tls=tls)
        self._bare_peers = grpc.aio.insecure_channel(mesh_address)
        self._executor = ThreadPoolExecutor(2)

    @property
    def registration(self) -> AsyncRegistration:
        """The service as `serve_async` takes it."""
        return AsyncRegistration(self._service, self._add_to_server)

    async def _ask(self, question: Question, call: Call) -> Answer:
        await self._fail_as_told(question.fault, call, question.padding)
        inner = await asyncio.create_task(self._go_on(question)) if question.path else None
        return Answer(
            name=self._service,
            process_id=os.getpid(),
            headers=context_headers(current_context()),
            inner=inner,
        )

    async def _go_on(self, question: Question) -> Answer:
        service, onward = pass_on(question)
        if question.in_bare_thread and not question.faultless_hops:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._executor, self._ask_peer, service, onward)
        if question.in_thread:
            return await asyncio.to_thread(self._ask_peer, service, onward)
        drops = question.drop_context and not question.faultless_hops
        ask: grpc.aio.UnaryUnaryMultiCallable[Question, Answer] = (
            self._bare_peers if drops else self._peers
        ).unary_unary(f"/{service}/Ask", encode, decode_answer)
        return await ask(onward)

    def _ask_peer(self, service: str, question: Question) -> Answer:
        answer: Answer = ProbeClient(self._peers_of_threads, service).ask(question)
        return answer

    async def _fail_as_told(self, fault: str, call: Call, text: str) -> None:
        raise_as_told(fault, text)
        match fault:
            case "abort":
                await call.abort(grpc.StatusCode.OUT_OF_RANGE, "too far")
            case "abort long":
                await call.abort(grpc.StatusCode.OUT_OF_RANGE, text)
            case "code long":
                call.set_code(grpc.StatusCode.DATA_LOSS)
                call.set_details(text)
            case "code and unknown long":
                call.set_code(grpc.StatusCode.DATA_LOSS)
                raise ZeroDivisionError(text)

    async def _repeat(self, question: Question, call: Call) -> AsyncIterator[Answer]:
        yield await self._ask(Question(), call)
        yield await self._ask(question, call)

    async def _gather(self, questions: AsyncIterator[Question], call: Call) -> Answer:
        return [await self._ask(question, call) async for question in questions][-1]

    async def _echo(
        self, questions: AsyncIterator[Question], call: Call
    ) -> AsyncIterator[Answer]:
        async for question in questions:
            yield await self._ask(question, call)

    def _add_to_server(self, server: grpc.aio.Server) -> None:
        made = (
            ("Ask", grpc.unary_unary_rpc_method_handler, self._ask),
            ("Repeat", grpc.unary_stream_rpc_method_handler, self._repeat),
            ("Gather", grpc.stream_unary_rpc_method_handler, self._gather),
            ("Echo", grpc.stream_stream_rpc_method_handler, self._echo),
        )
        handlers = {
            name: make(behaviour, decode_question, encode) for name, make, behaviour in made
        }
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(self._service, handlers),)
        )


async def main() -> None:
    """Serve one probe until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--service", required=True, help="full gRPC name to serve under")
    add_serving_arguments(parser)
    namespace = parser.parse_args()
    options = serving_options(namespace)
    probe = AsyncProbe(namespace.service, options.mesh_address or "", options.identity)
    await serve_async([probe.registration], options)


if __name__ == "__main__":
    asyncio.run(main())
