"""What a pydantic model expects at a path of its document."""

from __future__ import annotations

from types import NoneType
from typing import TYPE_CHECKING, get_args

from pydantic import BaseModel

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from experiments.documents.mistakes import Path

_OF_MAPPING = 2


def keys_at(root: type[BaseModel], path: Path) -> tuple[str, ...]:
    """Return the keys that a mapping may hold, or nothing where any key may stand."""
    model = _model_of(_annotation_at(root, path))
    return tuple(_fields_of(model)) if model else ()


def example_at(root: type[BaseModel], path: Path) -> str:
    """Return an example of the value at a place, as YAML, or an empty text."""
    field = _field_at(root, path)
    return str(field.examples[0]) if field is not None and field.examples else ""


def _field_at(root: type[BaseModel], path: Path) -> FieldInfo | None:
    if not path:
        return None
    model = _model_of(_annotation_at(root, path[:-1]))
    return _fields_of(model).get(str(path[-1])) if model else None


def _annotation_at(root: type[BaseModel], path: Path) -> object:
    """Return the type of the value at a place, or None where nothing is known of it."""
    annotation: object = root
    for part in path:
        model = _model_of(annotation)
        if model is not None:
            field = _fields_of(model).get(str(part))
            annotation = field.annotation if field is not None else None
            continue
        arguments = get_args(_required(annotation))
        # list[T] and tuple[T, ...] hold T, and so does dict[str, T].
        of_mapping = isinstance(part, str) and len(arguments) == _OF_MAPPING
        annotation = arguments[of_mapping] if arguments else None
    return annotation


def _model_of(annotation: object) -> type[BaseModel] | None:
    annotation = _required(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return None


def _fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a model by their keys."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _required(annotation: object) -> object:
    """Return X of `X | None`."""
    arguments = get_args(annotation)
    if NoneType not in arguments:
        return annotation
    return next(argument for argument in arguments if argument is not NoneType)
