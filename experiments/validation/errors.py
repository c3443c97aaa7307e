"""Errors of a validation, under the root and the kinds of `core.errors`.

::

    PagesimError
    └── ValidationError                  everything this package raises
        ├── InvalidValidation (InvalidInput)
        ├── NothingLogged     (NotFound)    no logged page to hold pages against
        └── FieldsLost        (WrongState)  a feature group has shrunk since
"""

from __future__ import annotations

from core.errors import InvalidInput, NotFound, PagesimError, WrongState


class ValidationError(PagesimError):
    """Root of what a validation raises."""


class InvalidValidation(ValidationError, InvalidInput):
    """Refuse to validate what makes no sense."""


class NothingLogged(ValidationError, NotFound):
    """Refuse to validate without a single logged page."""


class FieldsLost(ValidationError, WrongState):
    """Refuse to compare features of which the store has lost fields."""
