# SPDX-License-Identifier: Apache-2.0
"""Shapes without some of their fields."""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import msgspec

from virga.ground import wire

NEVER = wire.until(-1, -1)
Hidden = Mapping[Any, frozenset[str]]
"""Shape → names on the wire; `a.b`: the field `b` of the shape in `a`."""
Made = dict[tuple[type[msgspec.Struct], frozenset[str]], type[msgspec.Struct]]
"""Shapes that were made: there is one of each, however many rows show it."""


def wire_names(shape: type[msgspec.Struct]) -> dict[str, str]:
    """Names on the wire → in the code."""
    hints, out = get_type_hints(shape, include_extras=True), {}
    for f in msgspec.structs.fields(shape):
        marks = get_args(hints[f.name])[1:] if get_origin(hints[f.name]) is Annotated else ()
        out[next((m.name for m in marks if isinstance(m, wire.named)), f.encode_name)] = f.name
    return out


def within(kind: Any) -> Iterator[type[msgspec.Struct]]:
    """The shapes that a field of type `kind` holds."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
    for part in get_args(kind):
        yield from within(part)


def _swapped(kind: Any, hidden: frozenset[str]) -> Any:
    """`kind` with the shapes in it without the `hidden` fields."""
    if isinstance(kind, type) and issubclass(kind, wire.Wire):
        return without(kind, hidden)
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return functools.reduce(lambda t, mark: Annotated[t, mark], args[1:], _swapped(args[0], hidden))
    if origin in (Union, types.UnionType):
        return functools.reduce(lambda a, b: a | b, (_swapped(part, hidden) for part in args))
    return kind


@functools.cache
def without(shape: type[wire.Wire], hidden: frozenset[str]) -> type[wire.Wire]:
    """A kind of `shape` of which no version takes the `hidden` fields (names on the wire; `a.b`: the field `b` of the shape in `a`): to
    who reads it they are as if nobody had sent them. Only fields with a default can be hidden."""
    hints, names = get_type_hints(shape, include_extras=True), wire_names(shape)
    made: list[tuple[str, Any, Any]] = []
    for f in msgspec.structs.fields(shape):
        name = next(n for n, attribute in names.items() if attribute == f.name)
        below = frozenset(h.removeprefix(f"{name}.") for h in hidden if h.startswith(f"{name}."))
        kind = hints[f.name]
        if name in hidden:
            kind = Annotated[kind, NEVER]
        elif below:
            kind = _swapped(kind, below)
        else:
            continue
        if f.required:
            raise TypeError(f"{shape.__name__}.{f.name} has no default: no extension can take it away")
        default = f.default if f.default is not msgspec.NODEFAULT else msgspec.field(default_factory=f.default_factory)
        made.append((f.name, kind, default))
    if not made:
        return shape
    reduced = msgspec.defstruct(
        shape.__name__, made, bases=(shape,), module=shape.__module__, kw_only=True, forbid_unknown_fields=True
    )
    return cast(type[wire.Wire], reduced)


def less(kind: Any, hidden: Hidden, made: Made) -> Any:
    """A kind of answer without the `hidden` fields, and without those of the shapes in it."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _less(kind, hidden.get(kind, frozenset()), hidden, made)
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return functools.reduce(lambda t, mark: Annotated[t, mark], args[1:], less(args[0], hidden, made))
    if not args or origin is Literal:
        return kind
    parts = tuple(less(part, hidden, made) for part in args)
    if origin in (Union, types.UnionType):
        return functools.reduce(lambda a, b: a | b, parts)
    return kind if origin is None else origin[parts]


def _less(shape: type[msgspec.Struct], gone: frozenset[str], hidden: Hidden, made: Made) -> type[msgspec.Struct]:
    """`shape` without the fields in `gone`; itself when nothing goes."""
    if (shape, gone) in made:
        return made[shape, gone]
    hints = get_type_hints(shape, include_extras=True)
    fields: list[Any] = []
    for f in msgspec.structs.fields(shape):
        name, kind = f.encode_name, hints[f.name]
        if name in gone:
            continue
        below = frozenset(g.removeprefix(f"{name}.") for g in gone if g.startswith(f"{name}."))
        inner = {**hidden, **dict.fromkeys(within(kind), below)} if below else hidden
        default: Any = msgspec.field(name=name)
        if f.default is not msgspec.NODEFAULT:
            default = msgspec.field(name=name, default=f.default)
        elif f.default_factory is not msgspec.NODEFAULT:
            default = msgspec.field(name=name, default_factory=f.default_factory)
        fields.append((f.name, less(kind, inner, made), default))
    changed = [(name, kind) for name, kind, _ in fields] != [(f, hints[f]) for f in shape.__struct_fields__]
    out = shape
    if changed:
        out = msgspec.defstruct(shape.__name__, fields, bases=(wire.Shape,), module=shape.__module__, kw_only=True)
    made[shape, gone] = out
    return out
