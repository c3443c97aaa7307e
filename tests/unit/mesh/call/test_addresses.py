"""Addresses: host and port, or a message that shows how to write one."""

from __future__ import annotations

import socket

import pytest

from core.errors import InvalidInput
from mesh.call.addresses import Address, explain_bind_failure, parse_address
from mesh.errors import AddressInUse


@pytest.mark.parametrize("text", ["127.0.0.1:0", "localhost:50051", "[::1]:65535"])
def test_an_address_is_written_as_it_is_read(text: str) -> None:
    assert str(parse_address(text)) == text


@pytest.mark.parametrize(
    "text", ["", "50051", ":50051", "localhost", "localhost:", "a:65536", "a:-1", "a:x"]
)
def test_text_that_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"127\.0\.0\.1:50051") as caught:
        parse_address(text, field="--address")
    assert caught.value.field == "--address"


def test_a_taken_port_is_told_from_a_foreign_host() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = Address("127.0.0.1", taken.getsockname()[1])
        assert isinstance(explain_bind_failure(address, field="--address"), AddressInUse)
    foreign = explain_bind_failure(Address("192.0.2.1", 50051), field="--address")
    assert isinstance(foreign, InvalidInput)
