# SPDX-License-Identifier: Apache-2.0
"""Shapes of answers in Neutron's wrapping: one noun under its name, many under their collection's, each perhaps in part."""

from __future__ import annotations

import functools
from typing import Any, cast, get_type_hints

import msgspec

from virga.ground.wire import UNSET, Shape, UnsetType, field
from virga.services.network.answers.documents import Link


@functools.cache
def in_part(shape: type[Shape]) -> type[Shape]:
    """`shape`, of which every field may be left out: `?fields=` names those that are shown."""
    hints = get_type_hints(shape, include_extras=True)
    made = [
        (f.name, hints[f.name] | UnsetType, field(default=UNSET, name=f.encode_name))
        for f in msgspec.structs.fields(shape)
    ]
    return _shape(f"{shape.__name__}Fields", made, shape.__module__)


@functools.cache
def one(name: str, shape: type[Shape]) -> type[Shape]:
    """`{"port": {…}}`"""
    return _shape(f"{shape.__name__}Answer", [(name, in_part(shape))], __name__)


@functools.cache
def many(collection: str, shape: type[Shape], *, pages: bool) -> type[Shape]:
    """`{"ports": [{…}]}`, with `pages` and a link to the next one."""
    fields: list[Any] = [(collection, list[in_part(shape)])]  # type: ignore[misc]
    if pages:
        fields.append((f"{collection}_links", list[Link] | UnsetType, UNSET))
    word = "Page" if pages else "List"
    return _shape(f"{shape.__name__}{word}Answer", fields, __name__)


def _shape(name: str, fields: list[Any], module: str) -> type[Shape]:
    made = msgspec.defstruct(name, fields, bases=(Shape,), module=module, kw_only=True)
    return cast(type[Shape], made)
