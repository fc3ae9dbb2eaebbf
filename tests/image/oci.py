"""An image as the OCI lays it out, in one tar file: what `ctr`, `skopeo`, `crane`, `podman` and `docker load` read."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.cluster.archive import ARCHITECTURES, Entry, packed

from .layers import Layer

TYPE = "application/vnd.oci.image"
EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class Blob:
    """A part of an image, known by the digest of its bytes."""

    media_type: str
    data: bytes = field(repr=False)

    @property
    def digest(self) -> str:
        return "sha256:" + hashlib.sha256(self.data).hexdigest()

    @property
    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data)}


@dataclass(frozen=True)
class Image:
    """`ref` is name and tag; `config` what a container of it is started with."""

    ref: str
    layers: Sequence[Layer]
    config: dict[str, Any]

    def blobs(self) -> list[Blob]:
        """The manifest first; its digest is the image's."""
        parts = [Blob(f"{TYPE}.layer.v1.tar+gzip", layer.data) for layer in self.layers]
        config = Blob(f"{TYPE}.config.v1+json", _json(self._config()))
        manifest = {
            "schemaVersion": 2, "mediaType": f"{TYPE}.manifest.v1+json", "config": config.descriptor,
            "layers": [part.descriptor for part in parts],
        }  # fmt: skip
        return [Blob(f"{TYPE}.manifest.v1+json", _json(manifest)), config, *parts]

    def _config(self) -> dict[str, Any]:
        return {
            "architecture": architecture(), "os": "linux", "created": EPOCH, "config": self.config,
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in self.layers]},
        }  # fmt: skip


def archive(image: Image) -> bytes:
    """The tar file. Its index names the image for containerd and for everybody else."""
    blobs = image.blobs()
    named = {"io.containerd.image.name": image.ref, "org.opencontainers.image.ref.name": image.ref.rpartition(":")[2]}
    index = {"schemaVersion": 2, "mediaType": f"{TYPE}.index.v1+json", "manifests": [blobs[0].descriptor | {"annotations": named}]}
    files = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": _json(index)}
    files |= {f"blobs/{blob.digest.replace(':', '/')}": blob.data for blob in blobs}
    return packed({path: Entry(data, mode=0o644) for path, data in files.items()})


def architecture() -> str:
    """Of this machine, as images call it."""
    return ARCHITECTURES.get(platform.machine(), platform.machine())


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
