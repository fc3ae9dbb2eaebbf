"""How the image's parts are put together; that it runs, `tests/e2e/test_in_cluster.py` shows."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import yaml

from stanch.runtime.settings import Settings
from tests.image import build, contents, debian, layers, oci, sbom
from tests.unit.source_tree import ROOT

LOCKED = {
    "metadata": {"component": {"type": "library", "bom-ref": "stanch-1@0.1.0", "name": "stanch", "version": "0.1.0"}},
    "components": [
        {"type": "library", "bom-ref": "kopf-2@1.45.2", "name": "kopf", "version": "1.45.2", "purl": "pkg:pypi/kopf@1.45.2"},
        {"type": "library", "bom-ref": "colorama-3@0.4.6", "name": "colorama", "version": "0.4.6"},
    ],
    "dependencies": [
        {"ref": "kopf-2@1.45.2"},
        {"ref": "colorama-3@0.4.6"},
        {"ref": "stanch-1@0.1.0", "dependsOn": ["colorama-3@0.4.6", "kopf-2@1.45.2"]},
    ],
}


def tree(folder: Path, mode: int, time: int) -> Path:
    (folder / "usr/bin").mkdir(parents=True)
    (folder / "usr/bin/program").write_text("#!/bin/sh\n")
    (folder / "usr/bin/program").chmod(mode)
    (folder / "usr/bin/link").symlink_to("program")
    (folder / "tmp").mkdir()
    os.utime(folder / "usr/bin/program", (time, time))
    return folder


def image(folder: Path) -> oci.Image:
    return oci.Image("localhost/stanch/stanch:0.1.0", [layers.made(tree(folder, 0o755, 1))], {"User": "65532:65532"})


def files(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def test_equal_files_make_equal_layers_whoever_builds_them_and_when(tmp_path: Path):
    one, other = layers.made(tree(tmp_path / "a", 0o700, 1)), layers.made(tree(tmp_path / "b", 0o775, 2))
    assert one.data == other.data


def test_a_layer_is_root_s_and_nobody_else_may_write_but_into_tmp(tmp_path: Path):
    layer = layers.made(tree(tmp_path, 0o777, 1))
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(layer.data))) as tar:
        members = {member.name: member for member in tar}
    assert {(member.uid, member.gid, member.mtime) for member in members.values()} == {(0, 0, 0)}
    writable = {name for name, member in members.items() if member.mode & 0o022 and not member.issym()}
    assert writable == {"tmp"} and members["tmp"].mode == 0o1777
    assert members["usr/bin/link"].linkname == "program"


def test_every_part_of_an_archive_is_named_by_the_digest_of_its_bytes(tmp_path: Path):
    found = files(oci.archive(image(tmp_path)))
    blobs = {name.rpartition("/")[2]: data for name, data in found.items() if name.startswith("blobs/")}
    assert {hashlib.sha256(data).hexdigest() for data in blobs.values()} == set(blobs)
    [known] = json.loads(found["index.json"])["manifests"]
    assert known["annotations"]["io.containerd.image.name"] == "localhost/stanch/stanch:0.1.0"
    manifest = json.loads(blobs[known["digest"].removeprefix("sha256:")])
    [layer] = manifest["layers"]
    config = json.loads(blobs[manifest["config"]["digest"].removeprefix("sha256:")])
    unpacked = gzip.decompress(blobs[layer["digest"].removeprefix("sha256:")])
    assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(unpacked).hexdigest()]
    assert config["config"]["User"] == "65532:65532"


def test_what_an_archive_holds_is_read_from_its_layers(tmp_path: Path):
    site = tmp_path / "one/usr/lib/python3/dist-packages/Some_Wheel-1.2.dist-info"
    status = tmp_path / "two" / debian.STATUS
    for folder, name, said in (
        (site, "METADATA", "Name: Some_Wheel\nVersion: 1.2\n"),
        (status, "zlib1g", "Package: zlib1g\nVersion: 1:1.2\n"),
    ):
        folder.mkdir(parents=True)
        (folder / name).write_text(said)
    (site / "RECORD").write_text("Name: no package\nVersion: 0\n")
    made = oci.Image("localhost/stanch/stanch:0.1.0", [layers.made(tmp_path / part) for part in ("one", "two")], {})
    (tmp_path / "image.oci.tar").write_bytes(oci.archive(made))
    assert contents.packages(tmp_path / "image.oci.tar") == {("some-wheel", "1.2"), ("zlib1g", "1:1.2")}


def bill() -> dict[str, Any]:
    packages = [("libstdc++6", "12.2.0-14+deb12u1", "amd64"), ("zlib1g", "1:1.2.13.dfsg-1", "amd64")]
    return sbom.bill(json.dumps(LOCKED), {"kopf"}, packages, "localhost/stanch/stanch:0.1.0", "sha256:ab")


def test_the_bill_names_what_is_in_the_image_and_nothing_else():
    assert [component["name"] for component in bill()["components"]] == ["stanch", "kopf", "libstdc++6", "zlib1g"]
    assert {"ref": "stanch-1@0.1.0", "dependsOn": ["kopf-2@1.45.2"]} in bill()["dependencies"]
    assert "colorama" not in json.dumps(bill())


def test_debian_packages_have_package_urls():
    urls = [component["purl"] for component in bill()["components"][2:]]
    assert urls == [
        "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12",
        "pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1?arch=amd64&distro=debian-12",
    ]


def test_equal_images_have_equal_bills():
    assert bill() == bill()
    assert bill()["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": "ab"}]


def test_the_deployment_is_made_for_the_image_that_is_built():
    pod = yaml.safe_load((ROOT / "manifests/operator/deployment.yaml").read_text())["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert container["image"] == f"{build.NAME}:{build.version()}"
    assert pod["securityContext"]["runAsUser"] == debian.USER
    assert container["ports"] == [{"name": "http", "containerPort": build.PORT}]
    assert Settings().http_port == build.PORT
    assert build.SCRATCH in {mount["mountPath"] for mount in container["volumeMounts"]}
