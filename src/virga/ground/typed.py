# SPDX-License-Identifier: Apache-2.0
"""Values of declared types out of plain ones, from any thread. msgspec looks at a type when it first meets it, and keeps what it found on
the type itself; two threads that make it look at one new type at the same time end the process, because the second is shown a half of
that. So a type is looked at under a lock, once, and used without it from then on."""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

BUILDING = threading.Lock()
"""Held by whoever makes msgspec look at a type."""
_known: set[Any] = set()


def know(kind: Any) -> None:
    """Have msgspec look at `kind`, and at all that it is made of, unless it has."""
    if kind not in _known:
        with BUILDING:
            msgspec.json.Decoder(kind)
            _known.add(kind)


def convert(value: Any, kind: type[T], *, strict: bool = True) -> T:
    """`value`, of dicts, lists, strings, numbers, as a `kind`. Raises msgspec.ValidationError, which names the field. `strict` off: text
    may stand for numbers."""
    know(kind)
    return msgspec.convert(value, kind, strict=strict)


def decode(raw: bytes | str, kind: type[T]) -> T:
    """JSON as a `kind`. Raises msgspec.ValidationError, which names the field, and msgspec.DecodeError."""
    know(kind)
    return msgspec.json.decode(raw, type=kind)


def decode_packed(raw: bytes, kind: type[T]) -> T:
    """MessagePack as a `kind`. Raises msgspec.ValidationError and msgspec.DecodeError."""
    know(kind)
    return msgspec.msgpack.decode(raw, type=kind)
