# SPDX-License-Identifier: Apache-2.0
"""Sets up the stores that the settings name: `id=kind:argument?option=value&…`."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from virga.services.images.driver import BlobStore, Store, Stores
from virga.services.images.drivers.files import FileStore
from virga.services.images.drivers.memory import MemoryStore
from virga.services.images.drivers.rbd import RbdStore
from virga.services.images.drivers.web import WebStore
from virga.services.images.fetch import Guard
from virga.services.images.settings import Images

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def chosen(settings: Images, folder: Path | None) -> Stores:
    """The stores by setting. `folder` is where files lie unless told otherwise; None keeps bytes in memory. Raises ValueError."""
    words = settings.stores or (["files=memory:" if folder is None else "files=file:"])
    stores = [_one(word, settings, folder) for word in words]
    if stores[0].read_only or len({s.id for s in stores}) < len(stores):
        raise ValueError("images.stores: the first store must take bytes, and each needs an id of its own")
    return Stores(stores, MemoryStore() if folder is None else FileStore(folder / "staging"))


def _one(word: str, settings: Images, folder: Path | None) -> Store:
    id, _, rest = word.partition("=")
    parts = urlsplit(rest)
    more = {k: v[-1] for k, v in parse_qs(parts.query).items()}
    if not NAME.fullmatch(id):
        raise ValueError(f"images.stores: '{word}' does not begin with an id and '='")
    blobs: BlobStore
    facts: dict[str, object] = {}
    match parts.scheme:
        case "file":
            if folder is None and not parts.path:
                raise ValueError(f"images.stores: '{word}' needs a folder: this cloud keeps no state")
            place = Path(parts.path) if parts.path else folder
            assert place is not None
            blobs = FileStore(place)
            facts = {"data_dir": str(place), "chunk_size": 1 << 20, "thin_provisioning": False}
        case "memory":
            blobs = MemoryStore()
        case "http" | "https":
            blobs = WebStore(Guard(settings))
        case "rbd":
            pool, conf, user = parts.path.strip("/"), more.get("conf", "/etc/ceph/ceph.conf"), more.get("user", "admin")
            if not pool:
                raise ValueError(f"images.stores: '{word}' names no pool")
            blobs = RbdStore(pool, conf, user)
            facts = {"pool": pool, "chunk_size": 4 << 20, "thin_provisioning": True}
        case other:
            raise ValueError(f"images.stores: '{word}': there is no kind of store '{other}'")
    kind = {"https": "http", "memory": "file"}.get(parts.scheme, parts.scheme)
    return Store(id, kind, blobs, more.get("description", ""), parts.scheme in {"http", "https"}, int(more.get("weight", "0")), facts)
