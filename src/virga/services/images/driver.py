# SPDX-License-Identifier: Apache-2.0
"""The plug for image bytes, and the shelf of the stores that a cloud has. Verbs are idempotent; a blob is whole or absent, never
half. A key is minted for each write and never used again, so that nothing that comes late can touch what came after it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from virga.ground.errors import Invalid


class Writer(Protocol):
    """Bytes on their way in. Nothing is visible before `commit`, which makes them durable."""

    def write(self, data: bytes) -> None: ...

    def fd(self) -> int | None:
        """A readable descriptor on what was written, at its start; the caller closes it. None where there is no such thing."""
        ...

    def raw(self) -> int:
        """A writable descriptor, for what writes in an order of its own. Only in the staging area."""
        ...

    def commit(self) -> None: ...

    def abort(self) -> None: ...


class BlobStore(Protocol):
    def create(self, key: str, size: int | None = None) -> Writer:
        """A new blob; `size` is what will come, if that is known."""
        ...

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Chunks of the blob; raises FileNotFoundError at the first."""
        ...

    def path(self, key: str) -> Path | None:
        """Where a local reader finds the whole blob, if it is a file here."""
        ...

    def url(self, key: str) -> str:
        """How services call the blob: `file:///…`, `rbd://…`, `https://…`."""
        ...

    def remove(self, key: str) -> None: ...

    def ids(self) -> set[str]:
        """The keys of all whole blobs."""
        ...

    def unfinished(self) -> set[str]:
        """The keys of writes that have neither been committed nor aborted."""
        ...

    def discard(self, key: str) -> None:
        """Take away what an unfinished write left."""
        ...


@runtime_checkable
class Claiming(Protocol):
    """A store whose place another cloud could be set up with too. While `cloud` is None nothing is marked or looked at."""

    cloud: str | None


@dataclass(frozen=True)
class Store:
    """One place for bytes. `weight` orders the places of an image, the heaviest first. `facts` are for `/v2/info/stores/detail`."""

    id: str
    type: str
    blobs: BlobStore
    description: str = ""
    read_only: bool = False
    weight: int = 0
    facts: Mapping[str, object] | None = None


class Stores:
    """The stores by id, the default one first; `staging` keeps bytes that wait for their import. `threads` is where requests work on
    bytes: a store may be this very cloud's objects, which must have threads while an upload waits for them. `far` is where they read
    from servers that tenants chose (kind `http`), which may be as slow as they like: nobody else's bytes wait for those."""

    def __init__(self, stores: list[Store], staging: BlobStore) -> None:
        self.by_id = {s.id: s for s in stores}
        self.default = stores[0]
        self.staging = staging
        self.threads = ThreadPoolExecutor(64, thread_name_prefix="images")
        self.far = ThreadPoolExecutor(64, thread_name_prefix="images-far")

    def belong(self, cloud: str | None) -> None:
        """Whose the stores' places are: a store at the other end of a network marks its place, and takes none that is another cloud's."""
        for store in self.by_id.values():
            if isinstance(store.blobs, Claiming):
                store.blobs.cloud = cloud

    def reading(self, ids: Iterable[str]) -> Executor:
        """The threads that read bytes which lie in these stores."""
        return self.far if any(i in self.by_id and self.by_id[i].type == "http" for i in ids) else self.threads

    def writable(self) -> list[Store]:
        return [s for s in self.by_id.values() if not s.read_only]

    def get(self, id: str) -> Store:
        """Raises Invalid with the stores that there are."""
        found = self.by_id.get(id)
        if found is None:
            raise Invalid(
                f"Store for identifier {id[:64]} not found; there are: {', '.join(self.by_id)}", field="store"
            )
        return found

    def ordered(self, ids: list[str]) -> list[str]:
        """The ids by weight, then by name; those of stores that are not set up any more come last."""
        return sorted(ids, key=lambda i: (-self.by_id[i].weight if i in self.by_id else 1 << 31, i))
