# SPDX-License-Identifier: Apache-2.0
"""Structured logs: one JSON object a line for machines, coloured text on a terminal."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog


def setup(level: str = "info", json: bool | None = None) -> None:
    """Send everything to stderr; JSON unless stderr is a terminal or `json` says otherwise."""
    as_json = json if json is not None else not sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer()
            if as_json
            else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def get(name: str) -> Any:
    """A logger whose lines carry `from=name`."""
    return structlog.get_logger().bind(source=name)
