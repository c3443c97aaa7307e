"""Strata and countries: what profiles were at the moments of their pages, as texts."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from core.screen_text import escape_line
from experiments.scope.page_keys import EVERYBODY, join_texts, repeat_text
from experiments.spec.model import DEVICE
from timetravel.facts.model import EntityKind, canonical_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from core.arrays import Int64Array
    from experiments.scope.page_keys import PageKeys
    from timetravel.facts.model import JsonValue
    from timetravel.reading.reader import Identities, Moments
    from timetravel.reading.text_reader import JsonTexts

COUNTRY: Final = "country"
KEYS_AT_ONCE: Final = 100_000
"""Pages whose attributes are read at once."""

_PLAIN_TEXT = re.compile(r"""[^\W_](?:[^\s\\",=]| (?! |$))*""")


class AttributeReader(Protocol):
    """Tell what was visible of attributes: a reader of the store, or a stand-in."""

    def attribute_texts(
        self, kind: EntityKind, entity_ids: Identities, at: Moments, names: Sequence[str]
    ) -> tuple[Mapping[str, JsonTexts], Int64Array]:
        """Return attributes as JSON texts, and the newest known_at of each row."""


def describe_keys(reader: AttributeReader, keys: PageKeys, strata: Sequence[str]) -> PageKeys:
    """Return the keys with country and stratum as of their moments.

    Args:
        reader: Asked for KEYS_AT_ONCE pages at a time.
        keys: Pages.
        strata: Names of attributes, or "device"; none make one stratum, EVERYBODY.
    """
    countries, parts = [], []
    for batch, texts in _read(reader, keys, sorted({COUNTRY, *strata} - {DEVICE})):
        countries.append(_translate(texts[COUNTRY], _find_country).dictionary_encode())
        parts.append(_name_strata(batch, texts, strata))
    return replace(keys, countries=join_texts(countries), strata=join_texts(parts))


def find_strata(
    reader: AttributeReader, keys: PageKeys, strata: Sequence[str]
) -> pa.DictionaryArray:
    """Return the stratum of each page as `describe_keys` does, TEXTS[pages]; read no more."""
    names = [name for name in strata if name != DEVICE]
    return join_texts(
        _name_strata(batch, texts, strata) for batch, texts in _read(reader, keys, names)
    )


def _read(
    reader: AttributeReader, keys: PageKeys, names: Sequence[str]
) -> Iterator[tuple[PageKeys, dict[str, pa.DictionaryArray]]]:
    """Yield keys batch by batch, with attributes as of their moments as JSON texts."""
    for first in range(0, len(keys), KEYS_AT_ONCE):
        batch = keys[first : first + KEYS_AT_ONCE]
        texts: Mapping[str, JsonTexts] = {}
        if names:
            texts, _ = reader.attribute_texts(
                EntityKind.PROFILE, batch.profile_ids, batch.as_of_micros, names
            )
        yield (
            batch,
            {
                name: pa.array(column, pa.string()).dictionary_encode()
                for name, column in texts.items()
            },
        )


def _name_strata(
    batch: PageKeys, texts: Mapping[str, pa.DictionaryArray], strata: Sequence[str]
) -> pa.DictionaryArray:
    if not strata:
        return repeat_text(EVERYBODY, len(batch))
    parts = [
        _translate(batch.devices, partial(_describe, DEVICE))
        if name == DEVICE
        else _translate(texts[name], partial(_describe_text, name))
        for name in strata
    ]
    return pc.binary_join_element_wise(*parts, ", ").dictionary_encode()


def _translate(
    column: pa.DictionaryArray, translate: Callable[[str | None], str | None]
) -> pa.StringArray:
    """Return the texts made of those of a column, each distinct one made once."""
    made = [*map(translate, column.dictionary.to_pylist()), translate(None)]
    return pa.array(made, pa.string()).take(column.indices.fill_null(len(made) - 1))


def _find_country(text: str | None) -> str | None:
    country = _parse(text)
    return None if country is None else str(country)


def _describe_text(name: str, text: str | None) -> str:
    return _describe(name, _parse(text))


def _parse(text: str | None) -> JsonValue:
    value: JsonValue = None if text is None else json.loads(text)
    return value


def _describe(name: str, value: JsonValue) -> str:
    """Return the part of a stratum that tells of one attribute; other values read otherwise.

    A text stands as it is if it reads like nothing else, otherwise as in JSON.
    """
    if value is None:
        return f"no {name}"
    is_plain = isinstance(value, str) and _is_plain(value)
    return f"{name}={value if is_plain else escape_line(canonical_json(value))}"


def _is_plain(text: str) -> bool:
    if not _PLAIN_TEXT.fullmatch(text) or escape_line(text) != text:
        return False
    try:
        json.loads(text)
    except ValueError:
        return True
    return False
