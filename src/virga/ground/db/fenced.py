# SPDX-License-Identifier: Apache-2.0
"""The database as the holder of a lease has it: each write proves first, in its own transaction, that the lease is still held."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from virga.ground.db.engine import Database, Tx


class FencedDatabase(Database):
    """`proof(tx)` raises when the lease is another's; it locks the row of the lease, so that nobody takes it before the commit."""

    def __init__(self, real: Database, proof: Callable[[Tx], None]) -> None:
        self._real, self._proof = real, proof

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    @contextlib.contextmanager
    def read(self, *args: Any, **more: Any) -> Iterator[Tx]:
        with self._real.read(*args, **more) as tx:
            yield tx

    @contextlib.contextmanager
    def write(self, *args: Any, **more: Any) -> Iterator[Tx]:
        with self._real.write(*args, **more) as tx:
            self._proof(tx)
            yield tx

    @contextlib.contextmanager
    def claim(self, *args: Any, **more: Any) -> Iterator[Tx]:
        with self._real.claim(*args, **more) as tx:
            self._proof(tx)
            yield tx
