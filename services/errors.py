"""Errors of making pages, under the root and the kinds of `core.errors`.

::

    PagesimError
    └── ServicesError                                everything this package raises
        ├── InvalidPages           (InvalidInput)    columns of a batch that do not add up
        ├── InvalidConfiguration   (InvalidInput)    a configuration that contradicts itself
        ├── InvalidModel           (InvalidInput)    a model that cannot be scored with
        ├── UnsupportedSchema      (InvalidInput)    a document from a later pagesim
        ├── UnknownDevice          (InvalidInput)    a device without geometry
        ├── UnknownProfile         (NotFound)        a profile not known at the as-of
        ├── UnreadableProfile      (WrongState)      restrictions that cannot be read
        ├── NothingToShow          (WrongState)      no eligible video, so no page
        └── CatalogueMismatch      (Unavailable)     services that saw different listings
"""

from __future__ import annotations

from core.errors import InvalidInput, NotFound, PagesimError, Unavailable, WrongState


class ServicesError(PagesimError):
    """Root of what the services raise."""


class InvalidPages(ServicesError, InvalidInput):
    """Refuse a batch whose columns do not add up."""


class InvalidConfiguration(ServicesError, InvalidInput):
    """Refuse a configuration, naming every field at fault."""


class InvalidModel(ServicesError, InvalidInput):
    """Refuse a model document, or scores that are not numbers."""


class UnsupportedSchema(ServicesError, InvalidInput):
    """Refuse a document whose schema version is not known here."""


class UnknownDevice(ServicesError, InvalidInput):
    """Refuse a device that the configuration has no geometry for."""


class UnknownProfile(ServicesError, NotFound):
    """Refuse a profile of which nothing was known at the as-of."""


class UnreadableProfile(ServicesError, WrongState):
    """Refuse a profile for which something is blocked that cannot be read."""


class NothingToShow(ServicesError, WrongState):
    """Refuse to call a page without a single video a page."""


class CatalogueMismatch(ServicesError, Unavailable):
    """Report that two services answered for different catalogue listings."""
