# SPDX-License-Identifier: Apache-2.0
"""An extension of the Networking API as a value: what it is called, and which fields, filters and routes are its own. What is offered is
composed of such values alone (see `offer`), so that the list of extensions, the bodies, the answers and the table say the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from virga.ground.http.table import Route
from virga.services.network.nouns import Noun

Names = Mapping[Noun, tuple[str, ...]]
"""Noun → names on the wire."""


@dataclass(frozen=True, kw_only=True)
class Extension:
    """`alias`, `name` and `updated` as upstream's own. `fields` are taken and shown wherever the noun's shapes have them, and lists are
    filtered and sorted by those that are columns; `a.b` is the field `b` of what `a` holds. `takes`: only what is taken. `filters`: query
    parameters of the noun's list that are no fields. `needs`: aliases without which there is not this one either."""

    alias: str
    name: str
    description: str
    updated: str
    fields: Names = field(default_factory=dict)
    takes: Names = field(default_factory=dict)
    filters: Names = field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    needs: tuple[str, ...] = ()
