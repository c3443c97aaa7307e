"""Errors of measuring pages, under the root and the kinds of `core.errors`.

::

    PagesimError
    └── MetricsError                           everything this package raises
        ├── InvalidMetricOptions (InvalidInput)
        ├── MismatchedPages      (WrongState)  variants that hold different pages
        └── NothingToMeasure     (WrongState)  a run without a single page
"""

from __future__ import annotations

from core.errors import InvalidInput, PagesimError, WrongState


class MetricsError(PagesimError):
    """Root of what the metrics raise."""


class InvalidMetricOptions(MetricsError, InvalidInput):
    """Refuse options that make no sense."""


class MismatchedPages(MetricsError, WrongState):
    """Refuse to compare variants that do not hold the same pages."""


class NothingToMeasure(MetricsError, WrongState):
    """Refuse to measure a run that has no pages."""
