"""Chunks gone wrong: in their bytes, or in the fields of their messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from google.protobuf.descriptor import FieldDescriptor
from pagesim.ingest.v1 import ingest_pb2

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from google.protobuf.message import Message

_INTEGERS: Final = (0, 1, 2, 3, -1, 7, 2**31 - 1, -(2**31), 2**32 - 1, 2**63 - 1, -(2**63))
_FLOATS: Final = (0.0, -0.0, 0.5, float("nan"), float("inf"), 3e38, -1e-45, 1e300)
_TEXTS: Final = (
    "",
    "\0",
    "a",
    "x" * 600,
    "'); DROP TABLE event_fact; --",
    "profile_taste",
    "video_popularity",
    "allocation/x",
    "ä\u2028🎬",
    "{}",
    "[1]",
    '{"rows": 1}',
    "NaN",
    "[" * 200,
    '"\\ud800"',
    "1e999",
)
_NUMBERS: Final = {FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE}


def mutate_bytes(chance: random.Random, whole: bytes, others: Sequence[bytes]) -> bytes:
    """Return a message with some bytes changed, cut out, put in, repeated or of another."""
    data = bytearray(whole)
    for _ in range(chance.choice((1, 12, 16, 16, 24, 24))):
        place = chance.randrange(len(data) + 1)
        length = chance.choice((1, 1, 2, 5, 20))
        match chance.randrange(6):
            case 0 if place < len(data):
                data[place] ^= 1 << chance.randrange(8)
            case 1 if place < len(data):
                data[place] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                del data[place : place + length]
            case 3:
                data[place:place] = chance.randbytes(length)
            case 4:
                data[place:place] = data[place : place + length]
            case _:
                other = chance.choice(others)
                begin = chance.randrange(len(other))
                data[place : place + length] = other[begin : begin + length]
    return bytes(data)


def mutate_fields(chance: random.Random, whole: bytes) -> bytes:
    """Return a message with some fields set to something else, cleared or repeated."""
    chunk = ingest_pb2.IngestRequest.FromString(whole)
    for _ in range(chance.choice((1, 8, 8, 12, 16, 16))):
        _mutate(chance, _some_message(chance, chunk))
    return chunk.SerializeToString()


def mutate_message(chance: random.Random, message: Message) -> None:
    """Set a field or two of a message, or of one inside it, to something else."""
    for _ in range(chance.choice((1, 1, 2, 4))):
        _mutate(chance, _some_message(chance, message))


def _some_message(chance: random.Random, message: Message) -> Message:
    """Return the message, or one inside it."""
    while True:
        inner = [
            one
            for field, value in message.ListFields()
            if field.message_type is not None and not field.message_type.GetOptions().map_entry
            for one in (value if field.is_repeated else [value])
        ]
        if not inner or chance.random() < 0.15:
            return message
        message = chance.choice(inner)


def _mutate(chance: random.Random, message: Message) -> None:
    fields: list[Any] = list(message.DESCRIPTOR.fields)
    if not fields:
        return
    field = chance.choice(fields)
    if chance.random() < 0.2:
        message.ClearField(field.name)
        return
    current: Any = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key, value = chance.choice(("a", "b", "c", "unheard")), field.message_type.fields[1]
        if value.message_type is not None:
            current.get_or_create(key)
        elif value.cpp_type in _NUMBERS:
            current[key] = chance.choice(_FLOATS)
        else:
            current[key] = _value(chance, value)
    elif field.is_repeated:
        if field.message_type is None:
            current.append(_value(chance, field))
        elif current:
            current.add().CopyFrom(chance.choice(list(current)))
    elif field.message_type is not None:
        current.SetInParent()
    else:
        setattr(message, field.name, _value(chance, field))


def _value(chance: random.Random, field: FieldDescriptor) -> Any:  # noqa: ANN401 - of any field
    kind = field.cpp_type
    if kind in _NUMBERS:
        number = chance.choice(_FLOATS)
        return number if kind == FieldDescriptor.CPPTYPE_DOUBLE or number != 1e300 else 1e38
    if kind == FieldDescriptor.CPPTYPE_STRING:
        text = chance.choice(_TEXTS)
        return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return chance.random() < 0.5
    least, most = _BOUNDS.get(kind, (-(2**31), 2**31 - 1))
    fitting = [number for number in _INTEGERS if least <= number <= most]
    return chance.choice(fitting)


_BOUNDS: Final = {
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
