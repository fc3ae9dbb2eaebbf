"""What is in the image, as CycloneDX: uv's own bill of the locked packages, and Debian's packages beside them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

Component = dict[str, Any]
# Where Debian packages have a name of their own in package URLs.
DISTRO = "debian-12"


def bill(locked: str, present: set[str], debian: Iterable[tuple[str, str, str]], ref: str, digest: str) -> dict[str, Any]:
    """Of the image with this name and digest.

    `locked` is what uv prints of the lock file, of which only what is `present` counts: it also names what other systems need.
    Neither time nor chance is in it: equal image, equal bill.
    """
    found = json.loads(locked)
    project = found["metadata"]["component"]
    python = [component for component in found["components"] if component["name"] in present]
    components = [application(project), *python, *map(package, debian)]
    known = {component["bom-ref"] for component in components}
    return {
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}",
        "metadata": {"component": image(ref, digest)},
        "components": components,
        "dependencies": [among(known, entry) for entry in found["dependencies"] if entry["ref"] in known],
    }  # fmt: skip


def image(ref: str, digest: str) -> Component:
    name, _, version = ref.rpartition(":")
    hashes = [{"alg": "SHA-256", "content": digest.removeprefix("sha256:")}]
    return {"type": "container", "bom-ref": f"{name}@{digest}", "name": name, "version": version, "hashes": hashes}


def application(project: Component) -> Component:
    """Stanch itself."""
    kept = {key: project[key] for key in ("bom-ref", "name", "version")}
    return {"type": "application", **kept, "licenses": [{"license": {"id": "Apache-2.0"}}]}


def package(debian: tuple[str, str, str]) -> Component:
    name, version, architecture = debian
    url = f"pkg:deb/debian/{quote(name, safe='')}@{quote(version, safe=':~')}?arch={architecture}&distro={DISTRO}"
    return {"type": "library", "bom-ref": url, "name": name, "version": version, "purl": url}


def among(known: set[str], entry: dict[str, Any]) -> dict[str, Any]:
    """Dependencies on what is there."""
    return {"ref": entry["ref"], "dependsOn": [ref for ref in entry.get("dependsOn", []) if ref in known]}
