# SPDX-License-Identifier: Apache-2.0
"""A store that only reads: an image's bytes lie at an HTTP(S) address, which is its key. The guard of imports stands before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from virga.ground.errors import Forbidden, NotFound
from virga.services.images.driver import Writer
from virga.services.images.fetch import Download, Guard


class WebStore:
    def __init__(self, guard: Guard) -> None:
        self.guard = guard

    def create(self, key: str, size: int | None = None) -> Writer:
        """See `Store.create`: never. Raises Forbidden."""
        raise Forbidden("This store only reads: its images are at addresses of the web", field="store")

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        # one host's name server is waited for by those who read from that host, and by nobody else
        guard = replace(self.guard, whose=f"store:{urlsplit(key).hostname}")
        download = Download(guard, key, start)
        try:
            download.open()
        except NotFound as e:
            raise FileNotFoundError(e.message) from e
        skip = start - download.at  # a server that knows no ranges begins at the beginning
        left = length
        try:
            for data in download:
                if skip >= len(data):
                    skip -= len(data)
                    continue
                piece = data[skip:] if skip else data
                skip = 0
                if left is not None:
                    piece = piece[:left]
                    left -= len(piece)
                yield piece
                if left == 0:
                    return
        finally:
            download.close()

    def path(self, key: str) -> Path | None:
        return None

    def url(self, key: str) -> str:
        return key

    def remove(self, key: str) -> None:
        """What lies on the web is not ours to delete."""

    def ids(self) -> set[str]:
        return set()

    def unfinished(self) -> set[str]:
        return set()

    def discard(self, key: str) -> None:
        """Nothing is left by what was not finished."""
