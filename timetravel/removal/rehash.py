"""Recomputes transaction digests after facts were removed.

Segments are found by digest, so none that was made before is found again. The new digest is
that of the old one and of random bytes that nobody keeps: nobody can try out what an erased
fact may have been.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from timetravel.database.engine import POSTGRESQL
from timetravel.database.schema import ingest_transaction

if TYPE_CHECKING:
    from collections.abc import Callable

NONCE_BYTES: Final = 32


def rehash_digests(connection: sa.Connection, nonce: bytes) -> None:
    """Replace all digests; two stores that were alike are not any more.

    Args:
        connection: Holds the one transaction that writes.
        nonce: Random bytes, `NONCE_BYTES` of them.
    """
    digest = ingest_transaction.c.digest
    if connection.dialect.name == POSTGRESQL:
        whole = sa.func.decode(digest, sa.literal("hex")).op("||")(sa.literal(nonce))
        drawn = sa.func.encode(sa.func.sha256(whole), sa.literal("hex"))
    else:
        driver: Any = connection.connection.driver_connection
        driver.create_function("pagesim_redraw", 1, _redraw(nonce), deterministic=True)
        drawn = sa.func.pagesim_redraw(digest)
    connection.execute(ingest_transaction.update().values(digest=drawn))


def _redraw(nonce: bytes) -> Callable[[str], str]:
    return lambda digest: hashlib.sha256(bytes.fromhex(digest) + nonce).hexdigest()
