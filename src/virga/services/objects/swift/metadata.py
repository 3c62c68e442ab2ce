# SPDX-License-Identifier: Apache-2.0
"""Metadata of accounts, containers and objects as headers bring it, within upstream's limits; and how Swift reads a yes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from virga.services.objects import model
from virga.services.objects.http import Request
from virga.services.objects.swift.replies import refuse

OCTETS = "\1"
"""Marks a value of an object's metadata that is not UTF-8: the bytes follow in base64."""


def user_meta(request: Request, what: str) -> dict[str, str]:
    """What the request sets ('' removes), by the name after the prefix. Raises 400 past the limits."""
    out: dict[str, str] = {}
    set_, drop = f"x-{what}-meta-", f"x-remove-{what}-meta-"
    for name, value in request.headers.items():
        if name.startswith(set_):
            key = name[len(set_) :]
            check_meta(key, value)
            out[key] = value
        elif name.startswith(drop):
            out.setdefault(name[len(drop) :], "")
    return out


def check_meta(key: str, value: str) -> None:
    if not key:
        raise refuse(400, "Metadata name cannot be empty")
    if len(key.encode()) > model.META_NAME:
        raise refuse(400, f"Metadata name too long: {key[:80]}; at most {model.META_NAME} bytes")
    if length(value) > model.META_VALUE:
        raise refuse(400, f"Metadata value longer than {model.META_VALUE}: {key}")


def length(value: str) -> int:
    """Bytes of a value of metadata as it travels."""
    return len(value.encode()) if value[:1] != OCTETS else (len(value) - 1) * 3 // 4 - value[-2:].count("=")


def check_meta_total(meta: Mapping[str, str]) -> None:
    if len(meta) > model.META_COUNT:
        raise refuse(400, f"Too many metadata items; max {model.META_COUNT}")
    if sum(len(k.encode()) + length(v) for k, v in meta.items()) > model.META_OVERALL:
        raise refuse(400, f"Total metadata too large; max {model.META_OVERALL}")


def merge(old: Mapping[str, str], change: Mapping[str, str], what: str) -> dict[str, str]:
    """The metadata after a change: the limits hold for what is kept, however many requests brought it."""
    out = {k: v for k, v in (dict(old) | dict(change)).items() if v != ""}
    check_meta_total(out)
    return out


def clean(control: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in control.items() if v is not None}


def yes(text: str | None) -> bool:
    return text is not None and text.strip().lower() in {"true", "1", "yes", "on", "t", "y"}


def tristate(text: str) -> bool | None:
    """Yes, no, or nothing said."""
    return None if not text.strip() else yes(text)


def is_version(text: str) -> bool:
    """Whether this can be a version id at all."""
    return len(text) <= 24 and text.isascii() and text.replace(".", "", 1).isdigit()
