# SPDX-License-Identifier: Apache-2.0
"""docs/microversions.md tells of every microversion, and says of which the shapes and rows know."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from virga.ground.http.table import Service
from virga.ground.wire import Version
from virga.roles.parts import described

SERVICES = described()

FILE = Path(__file__).parents[2] / "docs/microversions.md"


def told(service: Service) -> dict[Version, str]:
    """Version → where it is, in the order of the file."""
    part = FILE.read_text().partition(f"\n## {service.name}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\d+)\.(\d+) \| (\S+) \| (.+) \|$", part, re.MULTILINE)
    out: dict[Version, str] = {}
    for major, minor, where, text in rows:
        version = (int(major), int(minor))
        assert version not in out, f"{service.name} {major}.{minor} stands there twice"
        assert where in {"shapes", "action", "-"} and len(text) > 10
        out[version] = where
    return out


def declared(service: Service) -> set[Version]:
    """The versions after the first at which a shape changes, a row begins or one ends."""
    low, high = service.versions.low, service.versions.high
    out: set[Version] = set()
    for row in service.routes:
        if row.path.startswith("/v2/"):
            continue  # it ends with the first version, where the other begins
        out |= {*row.changes(), (row.until[0], row.until[1] + 1)}
    return {v for v in out if low < v <= high}


@pytest.mark.parametrize("service", [s for s in SERVICES if s.versions.service], ids=lambda s: s.name)
def test_every_microversion_is_told_and_what_shapes_know_of_is_said(service: Service) -> None:
    rows, (major, low), high = told(service), service.versions.low, service.versions.high
    assert list(rows) == [(major, minor) for minor in range(low, high[1] + 1)]
    assert {version for version, where in rows.items() if where == "shapes"} == declared(service)
