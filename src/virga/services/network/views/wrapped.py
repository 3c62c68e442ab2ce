# SPDX-License-Identifier: Apache-2.0
"""Answers in Neutron's wrapping: one noun under its name, many under their collection's, cut down to the fields that were asked for."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from virga.authority.rules import is_admin
from virga.ground.http.call import Call
from virga.ground.http.pages import Page, next_link
from virga.ground.wire import UNSET

Noun = Callable[[Any, bool], msgspec.Struct]
"""A noun's view: what the action gave, and whether an administrator asks → its answer."""


@functools.cache
def _names(answer: type[msgspec.Struct]) -> dict[str, str]:
    """Names on the wire → in the code."""
    return dict(zip(answer.__struct_encode_fields__, answer.__struct_fields__, strict=True))


def chosen(answer: msgspec.Struct, wanted: Collection[str], hidden: Collection[str]) -> Any:
    """An answer with the `wanted` fields (none named: all) and without the `hidden` ones; `a.b` is the field `b` of what `a` holds."""
    if not wanted and not hidden:
        return answer
    out: dict[str, Any] = {}
    for name, attribute in _names(type(answer)).items():
        value = getattr(answer, attribute)
        if value is UNSET or name in hidden or (wanted and name not in wanted):
            continue
        below = [h.removeprefix(f"{name}.") for h in hidden if h.startswith(f"{name}.")]
        out[name] = _below(value, below) if below else value
    return out


def _below(value: Any, hidden: Collection[str]) -> Any:
    if isinstance(value, list):
        return [_below(each, hidden) for each in value]
    return chosen(value, (), hidden) if isinstance(value, msgspec.Struct) else value


@dataclasses.dataclass(frozen=True)
class One:
    """`{"port": {…}}`; of a bulk request, `{"ports": […]}`."""

    name: str
    collection: str
    view: Noun
    hidden: frozenset[str] = frozenset()

    def __call__(self, value: Any, call: Call) -> Mapping[str, Any]:
        admin = is_admin(call.actor)
        wanted = set(call.query.all("fields"))
        if isinstance(value, list):
            return {self.collection: [chosen(self.view(each, admin), wanted, self.hidden) for each in value]}
        return {self.name: chosen(self.view(value, admin), wanted, self.hidden)}


@dataclasses.dataclass(frozen=True)
class Many(One):
    """`{"ports": […]}` of a page, with the link to the next one."""

    def __call__(self, value: Page[Any], call: Call) -> Mapping[str, Any]:
        admin = is_admin(call.actor)
        wanted = set(call.query.all("fields"))
        body: dict[str, Any] = {
            self.collection: [chosen(self.view(each, admin), wanted, self.hidden) for each in value.items]
        }
        if value.marker:
            body[f"{self.collection}_links"] = [{"rel": "next", "href": next_link(call, value.marker)}]
        return body
