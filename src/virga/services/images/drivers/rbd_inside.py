# SPDX-License-Identifier: Apache-2.0
"""The process that talks to Ceph for `rbd.py`: `rbd_inside.py CONF USER POOL VERB …`. Bytes come on standard input and go on standard
output; exit 2 says that there is no such image, 28 that the cluster is full. Needs nothing but Ceph's bindings."""

from __future__ import annotations

import json
import signal
import sys
import threading
from typing import Any

import rados
import rbd

CHUNK = 4 << 20
NEW, SNAP = "new.", "snap"
FEATURES = 61  # layering, exclusive-lock, object-map, fast-diff, deep-flatten


def write(pool: Any, key: str, size: str) -> None:
    """Standard input into the image on its way. It grows when more comes than was said, and ends with the size that came."""
    name, room, at = NEW + key, max(int(size), CHUNK), 0
    drop(pool, name)
    rbd.RBD().create(pool, name, room, old_format=False, features=FEATURES)
    with rbd.Image(pool, name) as image:
        while data := sys.stdin.buffer.read(CHUNK):
            if at + len(data) > room:
                room = max(at + len(data), room * 2)
                image.resize(room)
            if data.strip(b"\0"):
                image.write(data, at)  # what is all zeros needs no room
            at += len(data)
        image.resize(at)
        image.flush()


def read(pool: Any, name: str, start: str, length: str) -> None:
    with rbd.Image(pool, name, read_only=True) as image:
        at = int(start)
        end = image.size() if int(length) < 0 else min(image.size(), at + int(length))
        while at < end:
            data = image.read(at, min(CHUNK, end - at))
            sys.stdout.buffer.write(data)
            at += len(data)
        sys.stdout.buffer.flush()


def commit(pool: Any, key: str) -> None:
    """Whole: a snapshot to clone from, then the name that readers look for. May be repeated."""
    names = rbd.RBD().list(pool)
    if key in names:
        return
    with rbd.Image(pool, NEW + key) as image:
        if not any(s["name"] == SNAP for s in image.list_snaps()):
            image.create_snap(SNAP)
    rbd.RBD().rename(pool, NEW + key, key)


def drop(pool: Any, name: str) -> None:
    """Snapshots, then the image; what never was is fine. One that is still held, or that a disk stands on, says so."""
    for _ in range(10):
        try:
            return _drop(pool, name)
        except rbd.ImageBusy:
            threading.Event().wait(0.5)  # its last writer is just letting go
    return _drop(pool, name)


def _drop(pool: Any, name: str) -> None:
    try:
        with rbd.Image(pool, name) as image:
            for snap in list(image.list_snaps()):
                if image.is_protected_snap(snap["name"]):
                    image.unprotect_snap(snap["name"])
                image.remove_snap(snap["name"])
        rbd.RBD().remove(pool, name)
    except rbd.ImageNotFound:
        return


def main(conf: str, user: str, pool: str, verb: str, *words: str) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # images are closed on the way out
    cluster = rados.Rados(
        conffile=conf,
        rados_id=user,
        conf={
            "rbd_default_clone_format": "2",
            "client_mount_timeout": "10",
            "rados_mon_op_timeout": "20",
            "rados_osd_op_timeout": "60",
            "admin_socket": "",
        },
    )
    cluster.connect(timeout=10)
    try:
        with cluster.open_ioctx(pool) as io:
            if verb == "write":
                write(io, *words)
            elif verb in {"read", "read-new"}:
                read(io, (NEW if verb == "read-new" else "") + words[0], words[1], words[2])
            elif verb == "commit":
                commit(io, *words)
            elif verb == "remove":
                drop(io, words[0])
            elif verb == "discard":
                drop(io, NEW + words[0])
            elif verb == "list":
                names = rbd.RBD().list(io)
                ours = [n for n in names if len(n.removeprefix(NEW).rpartition("-")[2]) >= 1 and "-" in n]
                new = [n.removeprefix(NEW) for n in ours if n.startswith(NEW)]
                print(json.dumps({"new": new, "whole": [n for n in ours if not n.startswith(NEW)]}))
            elif verb == "fsid":
                print(json.dumps(cluster.get_fsid()))
            else:
                raise SystemExit(f"unknown verb {verb}")
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (rbd.ImageNotFound, rados.ObjectNotFound) as e:
        print(e, file=sys.stderr)
        sys.exit(2)
    except (rados.NoSpace, rbd.NoSpace) as e:
        print(e, file=sys.stderr)
        sys.exit(28)
    except (rados.Error, rbd.Error) as e:
        print(f"{type(e).__name__}: {e}", file=sys.stderr)
        sys.exit(5)
