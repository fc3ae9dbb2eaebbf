"""How the operator's log looks: one line an event, as JSON or for a console; libraries' lines too."""

from __future__ import annotations

import logging
import sys

import structlog


def configure_logging(log_format: str) -> None:
    console = log_format == "console"
    renderer = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    said = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.dict_tracebacks,
    ]
    structlog.configure(processors=[*said, renderer], logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    # Libraries speak through logging; their lines have the same form.
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *said],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    # kopf logs every event of every object; what matters of it stanch says itself.
    logging.getLogger("kopf").setLevel(logging.ERROR)
