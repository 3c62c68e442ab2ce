# SPDX-License-Identifier: Apache-2.0
"""Machines' root disks in Ceph: a copy-on-write clone where the image lies in the same cluster as a raw disk, else a copy. The commands
are Ceph's own; the key of the user goes to libvirt and nowhere else."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from virga.ground.world import CommandFailed, run
from virga.services.compute.drivers import qemu_img
from virga.services.compute.drivers.description import Rbd

SECONDS = 120.0
UNKNOWN_GB = 1 << 20
NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
SPACE = uuid.UUID("8d5fbf2c-6f0e-4f6e-9c7e-6a8a3d1c52a1")


class RbdDisks:
    """`setting` is `rbd:pool?conf=/etc/ceph/ceph.conf&user=admin`. A pool belongs to one cloud; a machine's disk is `<id>_disk`, as in
    Nova."""

    def __init__(self, setting: str) -> None:
        parts = urlsplit(setting)
        more = {k: v[-1] for k, v in parse_qs(parts.query).items()}
        self.pool, self.conf, self.user = (
            parts.path.strip("/"),
            more.get("conf", "/etc/ceph/ceph.conf"),
            more.get("user", "admin"),
        )
        if (
            parts.scheme != "rbd"
            or not NAME.fullmatch(self.pool)
            or not NAME.fullmatch(self.user)
            or re.search(r"[:@,=\s]", self.conf)
        ):
            raise ValueError(f"compute.disks: '{setting}' is not rbd:pool?conf=/path&user=name")
        self._fsid = ""

    def _rbd(self, *words: str, ok: tuple[int, ...] = ()) -> str | None:
        """What the command prints; None when it ended with a status that is `ok`."""
        argv = ["rbd", "-c", self.conf, "--id", self.user, "--rbd-default-clone-format", "2", *words]
        try:
            done = subprocess.run(argv, capture_output=True, timeout=SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as e:
            raise CommandFailed(f"rbd {words[0]}: {e}") from e
        if done.returncode in ok:
            return None
        if done.returncode:
            raise CommandFailed(
                f"rbd {' '.join(words)}: exit {done.returncode}: {done.stderr.decode(errors='replace').strip()[-400:]}"
            )
        return done.stdout.decode(errors="replace")

    def fsid(self) -> str:
        """Which cluster it is."""
        if not self._fsid:
            self._fsid = run(["ceph-conf", "-c", self.conf, "--lookup", "fsid"]).strip()
        return self._fsid

    def storage(self) -> str:
        """What the pool is called wherever it is reached."""
        return f"rbd://{self.fsid()}/{self.pool}"

    def name(self, id: str) -> str:
        return f"{self.pool}/{id}_disk"

    def size(self, id: str) -> int | None:
        """How large the machine's disk is; None when there is none."""
        text = self._rbd("info", "--format", "json", self.name(id), ok=(2,))
        return None if text is None else int(json.loads(text)["size"])

    def make(self, id: str, size: int, clone: str | None, base: Callable[[], tuple[Path, str]]) -> None:
        """The disk is there with at least `size` bytes: from `clone` (`rbd://fsid/pool/image/snap`) if that is of this cluster, else from the
        file that `base` gives."""
        there = self.size(id)
        if there is None:
            source = self._source(clone)
            if source is not None:
                self._rbd("clone", source, self.name(id), ok=(17,))
            else:
                file, format = base()
                fresh = f"{self.name(id)}.new"
                self._rbd("rm", "--no-progress", fresh, ok=(2,))
                qemu_img.convert(str(file), format, f"rbd:{fresh}:conf={self.conf}:id={self.user}", "raw")
                self._rbd("rename", fresh, self.name(id))
            there = self.size(id) or 0
        if there < size:
            self._rbd("resize", "--no-progress", "--size", f"{-(-size >> 20)}M", self.name(id))

    def _source(self, clone: str | None) -> str | None:
        parts = (clone or "").removeprefix("rbd://").split("/")
        if (
            clone is None
            or not clone.startswith("rbd://")
            or len(parts) != 4
            or parts[0] != self.fsid()
            or not all(map(NAME.fullmatch, parts))
        ):
            return None
        return f"{parts[1]}/{parts[2]}@{parts[3]}"

    def remove(self, id: str) -> None:
        """The disk, its snapshots and what was on its way to become one. Who held the disk last may need a moment to let go."""
        pause = threading.Event()
        for name in (self.name(id), f"{self.name(id)}.new"):
            if self._rbd("info", name, ok=(2,)) is None:
                continue
            self._rbd("snap", "purge", "--no-progress", name, ok=(2,))
            for left in range(40, -1, -1):
                try:
                    self._rbd("rm", "--no-progress", name, ok=(2,))
                    break
                except CommandFailed:
                    if not left:
                        raise
                    pause.wait(1.0)

    # -- copies ----------------------------------------------------------------------------------------------------

    def snapshot(self, id: str, image: str) -> None:
        self._rbd("snap", "create", "--no-progress", f"{self.name(id)}@{image}", ok=(17,))

    def copies(self, id: str) -> list[str]:
        text = self._rbd("snap", "ls", "--format", "json", self.name(id), ok=(2,))
        return [str(s["name"]) for s in json.loads(text)] if text else []

    def tidy(self, id: str) -> None:
        for image in self.copies(id):
            self._rbd("snap", "rm", "--no-progress", f"{self.name(id)}@{image}", ok=(2,))

    def snapshot_size(self, id: str, image: str) -> int:
        text = self._rbd("info", "--format", "json", f"{self.name(id)}@{image}", ok=(2,))
        if text is None:
            raise FileNotFoundError(f"no copy {image} of machine {id}")
        return int(json.loads(text)["size"])

    def read(self, id: str, image: str) -> Iterator[bytes]:
        argv = ["rbd", "-c", self.conf, "--id", self.user, "--no-progress", "export", f"{self.name(id)}@{image}", "-"]
        child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            assert child.stdout is not None
            while piece := child.stdout.read(4 << 20):
                yield piece
            _, stderr = child.communicate(timeout=SECONDS)
            if child.returncode:
                raise OSError(f"rbd export: exit {child.returncode}: {stderr.decode(errors='replace').strip()[-400:]}")
        finally:
            child.kill()
            child.communicate()

    # -- for libvirt -----------------------------------------------------------------------------------------------

    def described(self, id: str) -> Rbd:
        return Rbd(self.name(id), self.conf, self.user, self.secret_id())

    def secret_id(self) -> str:
        return str(uuid.uuid5(SPACE, f"{self.fsid()} {self.user}"))

    def key(self) -> bytes:
        """The user's key, from the keyring that the configuration names."""
        who = f"client.{self.user}"
        for ring in run(["ceph-conf", "-c", self.conf, "--name", who, "--lookup", "keyring"]).strip().split(","):
            if Path(ring).exists():
                return base64.b64decode(run(["ceph-authtool", ring, "-p", "-n", who]).strip())
        raise CommandFailed(f"there is no keyring of {who}: {self.conf} names none that is here")

    def room_gb(self) -> int:
        """How much the cluster holds in all, GiB. A cluster whose manager is away does not know; then nothing is held back for that."""
        stats = json.loads(run(["rados", "-c", self.conf, "--id", self.user, "df", "--format", "json"]))
        return (int(stats["total_space"]) >> 20) or UNKNOWN_GB

    def networks(self) -> list[str]:
        """Where the cluster's daemons are: its public networks and its monitors."""
        out = []
        for name in ("public_network", "mon_host"):
            try:
                out.append(run(["ceph-conf", "-c", self.conf, "--lookup", name]))
            except CommandFailed:
                continue
        found = re.findall(r"(\d+\.\d+\.\d+\.\d+(?:/\d+)?)", " ".join(out))
        return sorted({f for f in found if not f.startswith("127.")})
