# SPDX-License-Identifier: Apache-2.0
"""Official images by alias: where a distribution keeps its newest cloud image, and where it says what its hash is. The bytes go
straight through into the cloud and are believed only when their hash is the published one."""

from __future__ import annotations

import hashlib
import http.client
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from virga.client import Client, Refused, wait

CHUNK = 1 << 20
TRIES = 5
Say = Callable[[str], None]
Progress = Callable[[int, int], None]


class ImportFailed(Exception):
    """Nothing was kept; the message says why."""


@dataclass(frozen=True)
class Source:
    """`folder/file` is the image, `folder/sums` the list of hashes."""

    folder: str
    file: str
    sums: str
    algorithm: str
    user: str
    properties: dict[str, str] = field(default_factory=dict)
    disk_format: str = "qcow2"


def _linux(distro: str, version: str) -> dict[str, str]:
    return {"os_type": "linux", "os_distro": distro, "os_version": version, "hw_qemu_guest_agent": "no"}


DEBIAN, UBUNTU = "https://cloud.debian.org/images/cloud", "https://cloud-images.ubuntu.com"
ALIASES = {
    "debian-12": Source(
        f"{DEBIAN}/bookworm/latest",
        "debian-12-genericcloud-amd64.qcow2",
        "SHA512SUMS",
        "sha512",
        "debian",
        _linux("debian", "12"),
    ),
    "debian-13": Source(
        f"{DEBIAN}/trixie/latest",
        "debian-13-genericcloud-amd64.qcow2",
        "SHA512SUMS",
        "sha512",
        "debian",
        _linux("debian", "13"),
    ),
    "ubuntu-22.04": Source(
        f"{UBUNTU}/jammy/current",
        "jammy-server-cloudimg-amd64.img",
        "SHA256SUMS",
        "sha256",
        "ubuntu",
        _linux("ubuntu", "22.04"),
    ),
    "ubuntu-24.04": Source(
        f"{UBUNTU}/noble/current",
        "noble-server-cloudimg-amd64.img",
        "SHA256SUMS",
        "sha256",
        "ubuntu",
        _linux("ubuntu", "24.04"),
    ),
    "rocky-9": Source(
        "https://dl.rockylinux.org/pub/rocky/9/images/x86_64",
        "Rocky-9-GenericCloud.latest.x86_64.qcow2",
        "Rocky-9-GenericCloud.latest.x86_64.qcow2.CHECKSUM",
        "sha256",
        "rocky",
        _linux("rocky", "9"),
    ),
    "alma-9": Source(
        "https://repo.almalinux.org/almalinux/9/cloud/x86_64/images",
        "AlmaLinux-9-GenericCloud-latest.x86_64.qcow2",
        "CHECKSUM",
        "sha256",
        "almalinux",
        _linux("almalinux", "9"),
    ),
    "centos-9": Source(
        "https://cloud.centos.org/centos/9-stream/x86_64/images",
        "CentOS-Stream-GenericCloud-9-latest.x86_64.qcow2",
        "CentOS-Stream-GenericCloud-9-latest.x86_64.qcow2.SHA256SUM",
        "sha256",
        "cloud-user",
        _linux("centos", "9"),
    ),
    "cirros": Source(
        "https://download.cirros-cloud.net/0.6.2",
        "cirros-0.6.2-x86_64-disk.img",
        "MD5SUMS",
        "md5",
        "cirros",
        _linux("cirros", "0.6.2"),
    ),
}


def published(text: str, file: str, algorithm: str) -> str | None:
    """The hash of `file` in a list of hashes, in coreutils' form (`hash  file`) or BSD's (`SHA256 (file) = hash`)."""
    size = hashlib.new(algorithm, usedforsecurity=False).digest_size * 2
    for line in text.splitlines():
        plain = re.fullmatch(r"\s*([0-9a-fA-F]+)\s+\*?(\S+)\s*", line)
        bsd = re.fullmatch(r"\s*\w+\s*\(([^)]+)\)\s*=\s*([0-9a-fA-F]+)\s*", line)
        name, value = (plain[2], plain[1]) if plain else (bsd[1], bsd[2]) if bsd else ("", "")
        if name.rpartition("/")[2] == file and len(value) == size:
            return value.lower()
    return None


def mirrored(source: Source, mirror: str) -> Source:
    """The same tree at another address: a mirror keeps the site's paths below its own."""
    return replace(source, folder=mirror.rstrip("/") + urlsplit(source.folder).path)


def bring(
    client: Client,
    alias: str,
    source: Source,
    say: Say,
    name: str | None = None,
    progress: Progress = lambda done, total: None,
) -> dict[str, Any]:
    """The image, active. `progress` hears how many bytes of how many came. Raises ImportFailed; then nothing is left in the cloud."""
    wanted = published(_list(source), source.file, source.algorithm)
    if wanted is None:
        raise ImportFailed(f"{source.folder}/{source.sums} has no {source.algorithm} of {source.file}")
    say(f"{source.folder}/{source.file}")
    say(f"{source.algorithm} {wanted}")
    about = {
        "name": name or alias,
        "disk_format": source.disk_format,
        "container_format": "bare",
        "visibility": "public",
        "os_admin_user": source.user,
    }
    image = client.post("/image/v2/images", about | source.properties)
    try:
        _through(client, image["id"], source, wanted, progress)
        client.post(f"/image/v2/images/{image['id']}/import", {"method": {"name": "glance-direct"}})
        done = wait(lambda: _ended(client, image["id"]), 3600, every=0.2)
        if not done or done["status"] != "active":
            raise ImportFailed((done or {}).get("os_glance_reason") or "the import did not end")
        return dict(done)
    except BaseException:
        client.delete(f"/image/v2/images/{image['id']}")
        raise


def _list(source: Source) -> str:
    url = f"{source.folder}/{source.sums}"
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - an address of the table, or the operator's mirror
            return str(answer.read(1 << 20).decode(errors="replace"))
    except urllib.error.HTTPError as e:
        raise ImportFailed(f"{url} answered {e.code}") from e


def _ended(client: Client, id: str) -> Any:
    image = client.get(f"/image/v2/images/{id}")
    return image if "os_glance_import_task" not in image else None


class Reading:
    """One file of a site, read once from its beginning; a connection that breaks is taken up where it stood, as long as the file is the
    same (`If-Range`), at most TRIES times without a byte in between. `size` is None where the site does not say it."""

    def __init__(self, url: str) -> None:
        self.url, self.at = url, 0
        self.size: int | None = None
        self._tag: str | None = None
        self._answer: Any = self._open()

    def _open(self) -> Any:
        headers = {"User-Agent": "virga", "Accept-Encoding": "identity"}
        if self.at:
            headers["Range"] = f"bytes={self.at}-"
            if self._tag:
                headers["If-Range"] = self._tag
        try:
            answer = urllib.request.urlopen(urllib.request.Request(self.url, headers=headers), timeout=60)  # noqa: S310
        except urllib.error.HTTPError as e:
            raise ImportFailed(f"{self.url} answered {e.code}") from e
        if self.at and (
            answer.status != 206 or not answer.headers.get("Content-Range", "").startswith(f"bytes {self.at}-")
        ):
            answer.close()
            raise ImportFailed(
                f"{self.url} broke off after {self.at} bytes, and the site does not give the rest of the same file"
            )
        if not self.at:
            length, tag = answer.headers.get("Content-Length", ""), answer.headers.get("ETag")
            self.size = int(length) if length.isdecimal() else None
            self._tag = tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified")
        return answer

    def __iter__(self) -> Iterator[bytes]:
        tries, pause = 0, threading.Event()
        while self.size is None or self.at < self.size:
            try:
                if self._answer is None:
                    self._answer = self._open()
                data = self._answer.read(CHUNK)
            except (OSError, http.client.HTTPException) as e:
                data, why = b"", str(e) or type(e).__name__
            else:
                why = "the connection ended"
                if not data and self.size is None:
                    return
            if data:
                tries, self.at = 0, self.at + len(data)
                yield data
                continue
            tries += 1
            if tries >= TRIES:
                raise ImportFailed(f"{self.url} broke off after {self.at} of {self.size} bytes: {why}")
            self.close()
            pause.wait(0.2 * tries)

    def close(self) -> None:
        if self._answer is not None:
            self._answer.close()
        self._answer = None


def _through(client: Client, id: str, source: Source, wanted: str, progress: Progress) -> None:
    """From the distribution into the staging area, hashed on the way."""
    seen = hashlib.new(source.algorithm, usedforsecurity=False)
    reading = Reading(f"{source.folder}/{source.file}")

    def pieces() -> Iterator[bytes]:
        for data in reading:
            seen.update(data)
            progress(reading.at, reading.size or 0)
            yield data

    length = {"Content-Length": str(reading.size)} if reading.size is not None else {}
    try:
        client.raw(
            "PUT",
            f"/image/v2/images/{id}/stage",
            data=pieces(),
            headers={"Content-Type": "application/octet-stream"} | length,
            timeout=3600,
        )
    except Refused as e:
        raise ImportFailed(str(e)) from e
    finally:
        reading.close()
    if seen.hexdigest() != wanted:
        raise ImportFailed(f"the bytes have the {source.algorithm} {seen.hexdigest()}, which is not the published one")
