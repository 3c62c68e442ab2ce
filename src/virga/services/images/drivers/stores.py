# SPDX-License-Identifier: Apache-2.0
"""Sets up the stores that the settings name: `id=kind:argument?option=value&…`."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec

from virga.ground import typed
from virga.services.images.driver import BlobStore, Store, Stores
from virga.services.images.drivers import s3, swift
from virga.services.images.drivers.files import FileStore
from virga.services.images.drivers.memory import MemoryStore
from virga.services.images.drivers.rbd import RbdStore
from virga.services.images.drivers.web import WebStore
from virga.services.images.fetch import Guard
from virga.services.images.settings import Images

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
OF_ALL = frozenset({"description", "weight"})
T = TypeVar("T", s3.Options, swift.Options)


def image_stores(settings: Images, folder: Path | None) -> Stores:
    """The stores by setting. `folder` is where files lie unless told otherwise; None keeps bytes in memory. Raises ValueError."""
    words = settings.stores or (["files=memory:" if folder is None else "files=file:"])
    stores = [image_store(word, settings, folder) for word in words]
    if stores[0].read_only or len({s.id for s in stores}) < len(stores):
        raise ValueError("images.stores: the first store must take bytes, and each needs an id of its own")
    return Stores(stores, MemoryStore() if folder is None else FileStore(folder / "staging"))


def image_store(word: str, settings: Images, folder: Path | None) -> Store:
    """The store of one word of the setting. Raises ValueError."""
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
        case "s3":
            s3_options = _options(s3.Options, word, more, bucket=parts.path.strip("/"))
            blobs = s3.S3Store(s3_options)
            size = (s3_options.large_object_size << 20, s3_options.large_object_chunk_size << 20)
            facts = {"s3_store_large_object_size": size[0], "s3_store_large_object_chunk_size": size[1]}
        case "swift":
            swift_options = _options(swift.Options, word, more, container=parts.path.strip("/") or "glance")
            blobs = swift.SwiftStore(swift_options)
            size = (swift_options.large_object_size << 20, swift_options.large_object_chunk_size << 20)
            facts = {
                "container": swift_options.container,
                "large_object_size": size[0],
                "large_object_chunk_size": size[1],
            }
        case other:
            raise ValueError(f"images.stores: '{word}': there is no kind of store '{other}'")
    kind = {"https": "http", "memory": "file"}.get(parts.scheme, parts.scheme)
    return Store(
        id,
        kind,
        blobs,
        more.get("description", ""),
        parts.scheme in {"http", "https"},
        int(more.get("weight", "0")),
        facts,
    )


def _options(kind: type[T], word: str, more: dict[str, str], **first: str) -> T:
    """The driver's options from the words of the setting. A secret may be in a file: `key_file=/etc/virga/swift.key`. Raises
    ValueError with the word that is wrong or missing."""
    words: dict[str, Any] = {k: v for k, v in more.items() if k not in OF_ALL} | first
    for name in [n for n in words if n.endswith("_file")]:
        try:
            words[name.removesuffix("_file")] = Path(words.pop(name)).read_text().strip()
        except OSError as e:
            raise ValueError(f"images.stores: {name} of '{word.partition('?')[0]}' cannot be read: {e}") from None
    known = {f.name for f in dataclasses.fields(kind)}
    unknown = words.keys() - known
    if unknown:
        raise ValueError(
            f"images.stores: '{word.partition('?')[0]}' does not know {', '.join(sorted(unknown))}; it knows {', '.join(sorted(known))}"
        )
    try:
        return typed.convert(words, kind, strict=False)
    except msgspec.ValidationError as e:
        raise ValueError(f"images.stores: '{word.partition('?')[0]}': {e}") from None
