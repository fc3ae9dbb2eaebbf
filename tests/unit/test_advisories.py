"""The audit of uv.lock: what is known is told, and where nobody can be asked, that is told; neither is taken for the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests import advisories
from tests.advisories import Outcome

ADVISORY = {"id": "PYSEC-2000-1", "modified": "2020-01-01T00:00:00Z", "summary": "lets everybody in", "affected": []}


@contextmanager
def source(*knows_of: str) -> Iterator[str]:
    """An advisory source (OSV's API) and a package index in one; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            vulnerable = [{"vulns": [ADVISORY]} if query["package"]["name"] in knows_of else {} for query in asked]
            self.answer({"results": vulnerable})

        def do_GET(self) -> None:
            name = self.path.strip("/").rpartition("/")[2]
            self.answer(ADVISORY if "/vulns/" in self.path else {"meta": {"api-version": "1.4"}, "name": name, "files": []})

        def answer(self, body: Any) -> None:
            data = json.dumps(body).encode()
            self.send_response(200)
            json_of_index = "application/vnd.pypi.simple.v1+json" if "/simple/" in self.path else "application/json"
            self.send_header("Content-Type", json_of_index)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("knows_of", "outcome", "says"),
    [
        (["pycrypto"], Outcome.nothing_known, "no known vulnerabilities"),
        (["pycrypto", "ours"], Outcome.vulnerable, "lets everybody in"),
        (["ours"], Outcome.unknown, "the source knows nothing of pycrypto"),
        ([], Outcome.unknown, "the source knows nothing of pycrypto"),
    ],
)
def test_what_a_source_knows_is_told(tmp_path: Path, knows_of: list[str], outcome: Outcome, says: str) -> None:
    with source(*knows_of) as address:
        advisories.lock(tmp_path, "ours", "1.0", f"{address}/simple")
        answer = advisories.audit(tmp_path, address)
    assert (answer.outcome, says in answer.text) == (outcome, True), answer.text


def test_no_source_is_not_all_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(advisories.QUICKLY, "UV_HTTP_RETRIES", "0")
    with source() as address:
        pass
    advisories.lock(tmp_path, "ours", "1.0", f"{address}/simple")
    answer = advisories.audit(tmp_path, address)
    assert answer.outcome is Outcome.unknown and "error" in answer.text


@pytest.mark.parametrize(
    ("outcome", "options", "code"),
    [
        (Outcome.nothing_known, [], 0),
        (Outcome.nothing_known, ["--where-reachable"], 0),
        (Outcome.vulnerable, ["--where-reachable"], Outcome.vulnerable),
        (Outcome.unknown, ["--where-reachable"], 0),
        (Outcome.unknown, [], Outcome.unknown),
    ],
)
def test_where_nobody_can_be_asked_tests_go_on_and_say_so_and_the_audit_alone_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], outcome: Outcome, options: list[str], code: int
) -> None:
    monkeypatch.setattr(advisories, "audit", lambda root: advisories.Answer(outcome, "as it was said"))
    monkeypatch.setattr("sys.argv", ["advisories", *options])
    assert (advisories.main(), bool(outcome)) == (code, outcome is not Outcome.nothing_known)
    said = capsys.readouterr().out
    assert "as it was said" in said and ("AUDIT NOT DONE" in said) is (outcome is Outcome.unknown)
