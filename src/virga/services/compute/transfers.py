# SPDX-License-Identifier: Apache-2.0
"""The data API of one process: references that are good once, and what they stand for. Images go to nodes, copies come from them; a
reference lives in memory, and whoever needs one after a restart asks for a new one."""

from __future__ import annotations

import collections
import secrets
import threading
from collections.abc import Callable
from pathlib import Path

from virga.protocol.transfers import Content

MOST = 10_000
"""References of one kind that nobody used yet; the oldest goes for a new one."""


class Transfers:
    """Control's end mints (`image`, `expect`) and takes (`offered`, `drop`); a node's end is `Door` of the protocol (`fetch`, `put`).
    `file(image)` gives the path of an image's bytes on this machine, or None."""

    def __init__(self, file: Callable[[str], Path | None]) -> None:
        self.file = file
        self._lock = threading.Lock()
        self._images: collections.OrderedDict[str, str] = collections.OrderedDict()
        self._expected: collections.OrderedDict[str, Callable[[], None]] = collections.OrderedDict()
        self._offered: collections.OrderedDict[str, Content] = collections.OrderedDict()

    # -- control's end ---------------------------------------------------------------------------------------------

    def image(self, node: str, image: str) -> str:
        """A reference with which the bytes of an image are fetched once."""
        with self._lock:
            reference = secrets.token_urlsafe(24)
            self._images[reference] = image
            while len(self._images) > MOST:
                self._images.popitem(last=False)
        return reference

    def expect(self, arrived: Callable[[], None]) -> str:
        """A reference with which a copy is handed over once; `arrived` is called then."""
        with self._lock:
            reference = secrets.token_urlsafe(24)
            self._expected[reference] = arrived
            while len(self._expected) > MOST:
                self._expected.popitem(last=False)
        return reference

    def expected(self, reference: str) -> bool:
        """Whether this process minted the reference, and it or what came by it still is of use."""
        return reference in self._expected or reference in self._offered

    def offered(self, reference: str) -> Content | None:
        """What was handed over; None when nothing was yet."""
        return self._offered.get(reference)

    def drop(self, reference: str) -> None:
        """Nobody needs the reference, or what came by it, any more. Repeatable."""
        with self._lock:
            self._expected.pop(reference, None)
            self._offered.pop(reference, None)

    # -- a node's end ----------------------------------------------------------------------------------------------

    def fetch(self, reference: str) -> Path | None:
        """See `protocol.transfers.Door`."""
        with self._lock:
            image = self._images.pop(reference, None)
        if image is None:
            raise LookupError("the reference is not known, or was used already")
        return self.file(image)

    def put(self, reference: str, content: Content) -> None:
        """See `protocol.transfers.Door`."""
        with self._lock:
            arrived = self._expected.pop(reference, None)
            if arrived is None:
                raise LookupError("nobody waits for this copy any more")
            self._offered[reference] = content
            while len(self._offered) > MOST:
                self._offered.popitem(last=False)
        arrived()
