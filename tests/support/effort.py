"""How much a test does: little every day, much under the long profile."""

from __future__ import annotations

from typing import Final, TypeVar

from hypothesis import settings

QUICK: Final = "quick"
LONG: Final = "long"
"""Names of the Hypothesis profiles that tests/conftest.py registers."""

Amount = TypeVar("Amount")


def effort(quick: Amount, long: Amount) -> Amount:
    """Return one of two amounts, by the profile: `pytest --hypothesis-profile=long`."""
    return long if settings.get_current_profile_name() == LONG else quick
