"""python -m tests.bench.kubelet CERTIFICATE KEY BYTES: stands for the kubelet of many pods, and serves each of them a log of so
many bytes. A program of its own, so that who reads through the API server does not wait for who writes. Prints its port.

https://kubernetes.io/docs/concepts/cluster-administration/logging/: the API server gets a log at /containerLogs of the node.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from dataclasses import dataclass

from aiohttp import web

LINE = b"2026-01-01T00:00:00.000000000Z " + b"GET /health 200 0.0012s request handled by the frontend\n"
PIECE = 64 * 1024


@dataclass(frozen=True)
class Logs:
    log: bytes

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("previous") == "true":
            pod, container = request.match_info["pod"], request.match_info["container"]
            return web.Response(status=400, text=f'previous terminated container "{container}" in pod "{pod}" not found')
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        for begin in range(0, len(self.log), PIECE):
            await response.write(self.log[begin : begin + PIECE])
        await response.write_eof()
        return response


def log_of(size: int) -> bytes:
    """Whole lines, together at most so many bytes."""
    return LINE * (size // len(LINE))


async def serve(certificate: str, key: str, size: int) -> None:
    app = web.Application()
    app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", Logs(log_of(size)).serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    await web.TCPSite(runner, "0.0.0.0", 0, ssl_context=context).start()
    print(runner.addresses[0][1], flush=True)
    # Until it is told to end.
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2], int(sys.argv[3])))
