"""Image archives without Docker: the format of `docker save`, equal input, equal bytes."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from .paths import write

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True)
class Entry:
    """One path of an image's file system; a folder where it has neither data nor link."""

    data: bytes | None = None
    link: str | None = None
    mode: int = 0o755


@dataclass(frozen=True)
class Image:
    """A name with tag, the files (path without leading slash → entry), and how it starts."""

    ref: str
    files: dict[str, Entry]
    command: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    port: int | None = None

    def digest(self) -> str:
        """Twelve characters that change with anything that changes the image."""
        digest = hashlib.sha256(repr((self.ref, self.command, self.env, self.port)).encode())
        for path, entry in sorted(self.files.items()):
            digest.update(repr((path, entry.link, entry.mode)).encode())
            digest.update(hashlib.sha256(entry.data or b"").digest())
        return digest.hexdigest()[:12]

    def archive(self, folder: Path) -> Path:
        """Write the archive unless it is there already; returns its path."""
        name = self.ref.rpartition("/")[2].replace(":", "-")
        path = folder / f"{name}-{self.digest()}.tar"
        return path if path.exists() else write(path, self._saved(), 0o644)

    def _saved(self) -> bytes:
        data = layer(self.files)
        config = json.dumps(self._config(data), sort_keys=True).encode()
        names = hashlib.sha256(config).hexdigest() + ".json", "layer.tar"
        manifest = [{"Config": names[0], "RepoTags": [self.ref], "Layers": [names[1]]}]
        return packed(
            {
                names[0]: Entry(config, mode=0o644),
                names[1]: Entry(data, mode=0o644),
                "manifest.json": Entry(json.dumps(manifest).encode(), mode=0o644),
            }
        )

    def _config(self, data: bytes) -> dict[str, object]:
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin", **self.env}
        return {
            "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {
                "Entrypoint": list(self.command),
                "Env": [f"{key}={value}" for key, value in sorted(env.items())],
                "ExposedPorts": {f"{self.port}/tcp": {}} if self.port else {},
            },
            "rootfs": {"type": "layers", "diff_ids": [_sha(data)]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "tests/cluster"}],
        }


def _sha(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer(files: dict[str, Entry]) -> bytes:
    """A tar file of the files, with every folder above them."""
    folders = {str(up): Entry() for path in files for up in Path(path).parents if str(up) != "."}
    return packed({**folders, **files})


def packed(files: dict[str, Entry]) -> bytes:
    """A tar file of them: equal files, equal bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, entry in sorted(files.items()):
            tar.addfile(_info(path, entry), io.BytesIO(entry.data or b""))
    return out.getvalue()


def _info(path: str, entry: Entry) -> tarfile.TarInfo:
    """Owner 0 and time 0 (tarfile's defaults), so that equal files make equal archives."""
    info = tarfile.TarInfo(path)
    info.mode = entry.mode
    if entry.link is not None:
        info.type, info.linkname = tarfile.SYMTYPE, entry.link
    elif entry.data is None:
        info.type = tarfile.DIRTYPE
    else:
        info.size = len(entry.data)
    return info


def unpacked(path: Path) -> dict[str, Entry]:
    """The files, links and folders of a tar file."""
    with tarfile.open(path) as tar:
        return {member.name.removeprefix("./"): _entry(tar, member) for member in tar}


def _entry(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    if member.issym():
        return Entry(link=member.linkname)
    if member.islnk():  # busybox's applets are hard links to one file
        return Entry(link="/" + member.linkname)
    content = tar.extractfile(member) if member.isfile() else None
    return Entry(content.read() if content else None, mode=member.mode & 0o7777)
