# SPDX-License-Identifier: Apache-2.0
"""Bytes do not go by the bus. Control gives a node a reference that is good once, for one thing; the node takes it to the data API, and
gets the bytes of an image there, or hands over those of a copy. In one process it is an object; between machines it is HTTPS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import msgspec


class ImageRequest(msgspec.Struct, frozen=True):
    """A node needs an image of which it builds a machine."""

    image: str


class ImageReference(msgspec.Struct, frozen=True):
    """`reference` is good for one fetch; empty: there is no such image for this node. `urls` are how its stores call the bytes
    (`rbd://fsid/pool/image/snap`), for a node that reaches those itself."""

    reference: str = ""
    urls: list[str] = []


@dataclass(frozen=True)
class Content:
    """A copy that a node hands over: `size` bytes in `format`; `read` begins anew at each call, and raises FileNotFoundError when the copy
    is no longer there."""

    size: int
    format: Literal["raw", "qcow2"]
    read: Callable[[], Iterator[bytes]]


class DataApi(Protocol):
    """The data API, as a node sees it."""

    def fetch(self, reference: str) -> Path | None:
        """The file with the image's bytes, on this machine; it is only read, and may go at any time after this call's caller has linked or
        copied it. None when the image is gone. Raises OSError."""
        ...

    def put(self, reference: str, content: Content) -> None:
        """Hand a copy over. Raises LookupError when nobody waits for it any more."""
        ...
