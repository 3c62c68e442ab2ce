# SPDX-License-Identifier: Apache-2.0
"""Schemas of programs of before."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from virga.ground.db import migrate
from virga.ground.db.engine import Database


def at(db: Database, number: str) -> None:
    """Make the schema of an empty database as it was when the migration `number` was the newest."""
    with tempfile.TemporaryDirectory() as folder:
        for path in migrate.HERE.glob("[0-9]*.py"):
            if path.name[:4] <= number:
                shutil.copy(path, folder)
        migrate.upgrade(db, Path(folder))
