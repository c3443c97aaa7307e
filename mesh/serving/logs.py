"""Logs: one JSON object a line on standard error, with stack and as-of of the call."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import structlog

from core.moments import format_moment
from mesh.call.context import current_context
from mesh.errors import MissingContext

if TYPE_CHECKING:
    from structlog.typing import EventDict, WrappedLogger


def configure_logs() -> None:
    """Send the process's logs to standard error as JSON."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            add_call_context,
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def add_call_context(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add stack, variant and as-of of the call being served, if there is one."""
    try:
        context = current_context()
    except MissingContext:
        return event
    return {
        "stack": context.stack,
        "variant": context.variant,
        "as_of": format_moment(context.as_of_micros),
        **event,
    }
