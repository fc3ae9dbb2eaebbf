"""What PagerDuty does with an event, on loopback: it is not reached from tests, so what it documents is done here, and no more.

https://developer.pagerduty.com/docs/send-alert-event : an event is taken (202) when its routing key is an integration's and it
says what it must; it opens an alert, or is added to the one of the same `dedup_key`. Else 400, and nobody is called.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

Event = dict[str, Any]
PATH = "/v2/enqueue"
MUST = {"summary", "source", "severity"}
SEVERITIES = {"critical", "error", "warning", "info"}
ACTIONS = {"trigger", "acknowledge", "resolve"}


@dataclass
class AlertingService:
    """`alerts` by `dedup_key`, each with all its events; `calls` counts what arrived. `mute` takes an event and does not answer."""

    key: str
    mute: bool = False
    calls: int = 0
    alerts: dict[str, list[Event]] = field(default_factory=dict)
    origin: str = ""

    def take(self, event: Event) -> tuple[int, Event]:
        self.calls += 1
        wrong = self._wrong_with(event)
        if wrong:
            return 400, {"status": "invalid event", "message": "Event object is invalid", "errors": [wrong]}
        key = event["dedup_key"]
        self.alerts.setdefault(key, []).append(event)
        return 202, {"status": "success", "message": "Event processed", "dedup_key": key}

    def _wrong_with(self, event: Event) -> str:
        payload = event.get("payload", {})
        if event.get("routing_key") != self.key:
            return "'routing_key' is not of a service"
        if event.get("event_action") not in ACTIONS:
            return "'event_action' is invalid"
        if missing := MUST - {name for name, said in payload.items() if said}:
            return f"'payload.{min(missing)}' is missing or blank"
        return "" if payload["severity"] in SEVERITIES else "'severity' is invalid"

    @contextmanager
    def up(self) -> Iterator[AlertingService]:
        """Serves at `origin` as long as the block lasts."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self))
        Thread(target=server.serve_forever, daemon=True).start()
        self.origin = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()


def handler(service: AlertingService) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            known = self.path == PATH and self.headers["Content-Type"] == "application/json"
            status, said = service.take(json.loads(body)) if known else (404, {})
            if service.mute:
                self.close_connection = True
                return
            answer = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    return Handler
