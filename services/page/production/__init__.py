"""The documents that production starts with; worlds write them into their stores."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from services.page.inputs import CONFIGURATION_COLLECTION, CONFIGURATION_NAME, MODEL_COLLECTION

if TYPE_CHECKING:
    from timetravel.facts.model import JsonValue


@dataclass(frozen=True, slots=True)
class ProductionDocument:
    """Name a document and hold its body."""

    collection: str
    name: str
    schema_version: int
    body: dict[str, JsonValue]


def production_documents() -> tuple[ProductionDocument, ...]:
    """Return the configuration and the models of production."""
    return (
        _document(CONFIGURATION_COLLECTION, CONFIGURATION_NAME, "homepage.json"),
        _document(MODEL_COLLECTION, "personal", "model_personal.json"),
        _document(MODEL_COLLECTION, "popularity", "model_popularity.json"),
    )


def _document(collection: str, name: str, file_name: str) -> ProductionDocument:
    text = resources.files(__name__).joinpath(file_name).read_text(encoding="utf-8")
    return ProductionDocument(collection, name, 1, json.loads(text))
