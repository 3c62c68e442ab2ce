# SPDX-License-Identifier: Apache-2.0
"""Who a node is: an id that is made once and kept in its state folder. Host names are for people; two hosts may have the same one."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path


def read_or_create(file: Path, adopt: Callable[[], str | None] = lambda: None) -> str:
    """The node's id: what is in the file, else what `adopt` gives (a host of before nodes kept their ids), else a new one; from then on it
    is in the file. Raises ValueError for a file that holds no id."""
    if not file.exists():
        _write(file, adopt() or str(uuid.uuid4()))
    text = file.read_text().strip()
    try:
        return str(uuid.UUID(text))
    except ValueError as e:
        raise ValueError(
            f"{file} holds no node id: restore it from a backup. A new id makes this a new host, and its machines strangers."
        ) from e


def _write(file: Path, id: str) -> None:
    """Whole, or not at all: a node that lost half its id would be another."""
    fresh = file.with_suffix(".new")
    fd = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        os.write(fd, f"{id}\n".encode())
        os.fsync(fd)
    finally:
        os.close(fd)
    fresh.rename(file)
