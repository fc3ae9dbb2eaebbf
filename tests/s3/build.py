"""versitygw, an S3 server, from the Go module in `server/`."""

from __future__ import annotations

from pathlib import Path

from tests.cluster.goprogram import GoProgram

SOURCE = Path(__file__).resolve().parent / "server"
SERVER = GoProgram("versitygw", SOURCE, "github.com/versity/versitygw/cmd/versitygw", "an S3 server")
