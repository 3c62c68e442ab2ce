# SPDX-License-Identifier: Apache-2.0
"""Shapes on the wire. One declaration per shape; fields say since and until which microversion they exist and what they are
called. `decode` is strict and names the field; `encode` projects to the caller's version. The only file that knows msgspec's
converters, so that the library can be replaced.

Bodies are `Wire`; answers are `Shape`: a view makes them in full, with whatever any version shows, and `encode` lets through what the
caller's version has. What that takes is worked out once for a shape and a version."""

from __future__ import annotations

import functools
import json
import operator
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import UNSET, Meta, UnsetType, field

from virga.ground.errors import Invalid, Problem
from virga.ground.typed import BUILDING

__all__ = [
    "UNSET",
    "Meta",
    "Name",
    "OpenShape",
    "Shape",
    "Text",
    "UnsetType",
    "Version",
    "Wire",
    "decode",
    "encode",
    "field",
    "free",
    "given",
    "named",
    "refers",
    "since",
    "times",
    "until",
    "varies",
]

Version = tuple[int, int]
Name = Annotated[str, Meta(min_length=1, max_length=255)]
Text = Annotated[str, Meta(max_length=65535)]
W = TypeVar("W", bound="Wire")
S = TypeVar("S", bound="Shape")
MAX_DEPTH = 64
_DECLARED: dict[type[Any], type[Any]] = {}
"""A projection → the shape as it is declared."""


class since(msgspec.Struct, frozen=True):
    """The first microversion that has the field."""

    major: int
    minor: int


class until(msgspec.Struct, frozen=True):
    """The last microversion that has the field."""

    major: int
    minor: int


class named(msgspec.Struct, frozen=True):
    """The field's name on the wire."""

    name: str


class refers(msgspec.Struct, frozen=True):
    """The string is the id (or, where the API says so, the name) of a `noun`. Whoever sends it must be able to see that thing, or,
    when `may` names a rule, must pass that rule on it; else the answer is that of a thing that does not exist. Where it stands
    is swept by tests with things of others, things that are gone, and nonsense."""

    noun: str
    may: str = "see"


class varies(msgspec.Struct, frozen=True):
    """What the field holds changes with versions, beside shapes inside it that come and go: these marks say which. A view asks for them
    by `call.has`."""

    marks: tuple[since | until, ...]


class times(msgspec.Struct, frozen=True):
    """How often a query parameter may be repeated."""

    most: int


class free(msgspec.Struct, frozen=True):
    """JSON of the caller's own form: at most `size` bytes when written down, at most `depth` levels of lists and maps."""

    size: int = 65536
    depth: int = 8

    def check(self, value: Any, field: str) -> None:
        """Raise Invalid that names `field` when `value` is larger or deeper."""
        if _levels(value) > self.depth:
            raise Invalid(f"Invalid input for field '{field}': nested deeper than {self.depth} levels", field=field)
        size = len(msgspec.json.encode(value))
        if size > self.size:
            raise Invalid(
                f"Invalid input for field '{field}': {size} bytes, at most {self.size} are taken", field=field
            )


REPEATS, LONGEST = 50, 4096
"""How often a query parameter is given, and how many characters it has, at most, where its declaration says nothing."""
Query = Mapping[str, Any]
"""The parameters that a route reads from its query (or headers), name on the wire → annotated type; `*` stands for all other names."""


def longest(kind: Any) -> int:
    """How many characters a value of `kind` may have: what its Meta says, or as long as its fixed pattern or literals are."""
    origin: Any = get_origin(kind)
    if origin is Annotated:
        inner, *marks = get_args(kind)
        metas: list[Meta] = [m for m in marks if isinstance(m, Meta)]
        for meta in metas:
            if meta.max_length is not None:
                return meta.max_length
        return 36 if any(meta.pattern is not None for meta in metas) else longest(inner)
    if origin is typing.Literal:
        return max(len(str(value)) for value in get_args(kind))
    if origin in (Union, types.UnionType):
        return max(longest(part) for part in get_args(kind))
    return {bool: 8, int: 20, float: 24}.get(kind, LONGEST)


def query_bounds(query: Query) -> dict[str, tuple[int, int]]:
    """name → (characters of a value, repeats) of what a route declares."""
    out = {}
    for name, kind in query.items():
        out[name] = (longest(kind), next((m.most for m in _marks(kind) if isinstance(m, times)), REPEATS))
    return out


def check_query(
    bounds: Mapping[str, tuple[int, int]], items: Mapping[str, Sequence[str]], what: str = "query parameter"
) -> None:
    """Raise Invalid that names the parameter (or whatever `what` says) which is longer, or given more often, than `bounds` (of `query_bounds`) say. What is
    not declared is not read by anybody, and passes."""
    for name, values in items.items():
        bound = bounds.get(name) or bounds.get("*")
        if bound is None:
            continue
        characters, repeats = bound
        if len(values) > repeats:
            raise Invalid(
                f"Invalid input for {what} '{name[:64]}': given {len(values)} times, at most {repeats}",
                field=name[:64],
            )
        for value in values:
            if len(value) > characters:
                raise Invalid(
                    f"Invalid input for {what} '{name[:64]}': {len(value)} characters, at most {characters}",
                    field=name[:64],
                )


class Wire(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A shape on the wire. Unknown fields are refused. `lax` shapes take `"22"` for 22 and `"True"` for true, as Neutron does."""

    lax: ClassVar[bool] = False


class Open(Wire, kw_only=True, forbid_unknown_fields=False):
    """A shape that takes more than it names: `extra` holds the rest (Keystone's and Glance's free attributes)."""

    extra: Annotated[dict[str, Any], free(size=65536, depth=16)] = {}


class Shape(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A shape of an answer, or a part of one. A field that is UNSET is not said. Views make many of them and keep none, so the
    collector does not look at them."""


class OpenShape(Shape, kw_only=True, forbid_unknown_fields=False):
    """An answer that says more than it names: what is in `extra` stands beside the named fields, which win."""

    extra: dict[str, Any] = {}


def given(shape: msgspec.Struct) -> dict[str, Any]:
    """The fields that the caller sent, by their names in the code."""
    return {f: v for f in shape.__struct_fields__ if (v := getattr(shape, f)) is not UNSET}


def _live(marks: tuple[Any, ...], version: Version) -> bool:
    for mark in marks:
        if isinstance(mark, since) and (mark.major, mark.minor) > version:
            return False
        if isinstance(mark, until) and version > (mark.major, mark.minor):
            return False
    return True


def holds(mark: since | until, version: Version) -> bool:
    """Whether what is marked so is there at `version`."""
    return _live((mark,), version)


def lives(hint: Any, version: Version) -> bool:
    """Whether what is annotated so is there at `version`."""
    return _live(get_args(hint)[1:] if get_origin(hint) is Annotated else (), version)


@functools.cache
def at(shape: type[msgspec.Struct], version: Version) -> type[msgspec.Struct]:
    """The shape as `version` shows it."""
    hints = get_type_hints(shape, include_extras=True)
    fields: list[Any] = []
    rename: dict[str, str] = {}
    for f in msgspec.structs.fields(shape):
        if f.name == "extra" and issubclass(shape, OpenShape):
            continue  # what is in it stands beside the fields
        kind: Any = hints[f.name]
        marks: tuple[Any, ...] = ()
        if get_origin(kind) is Annotated:
            inner, *rest = get_args(kind)
            marks = tuple(m for m in rest if isinstance(m, (since, until, named)))
            metas = [m for m in rest if isinstance(m, Meta)]
            kind = inner
            for meta in metas:
                kind = Annotated[kind, meta]
        if not _live(marks, version):
            continue
        rename[f.name] = next((m.name for m in marks if isinstance(m, named)), f.encode_name)
        kind = _project(kind, version)
        if f.default is not msgspec.NODEFAULT:
            fields.append((f.name, kind, f.default))
        elif f.default_factory is not msgspec.NODEFAULT:
            fields.append((f.name, kind, msgspec.field(default_factory=f.default_factory)))
        else:
            fields.append((f.name, kind))
    projected = msgspec.defstruct(
        shape.__name__,
        fields,
        rename=rename,
        kw_only=True,
        forbid_unknown_fields=not issubclass(shape, (Open, OpenShape)),
        module=shape.__module__,
    )
    _DECLARED[projected] = shape
    return projected


def _project(kind: Any, version: Version) -> Any:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return at(kind, version)
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        inner, *metas = args
        return functools.reduce(lambda t, m: Annotated[t, m], metas, _project(inner, version))
    if not args or origin is typing.Literal:
        return kind
    parts = tuple(_project(a, version) for a in args)
    if origin in (Union, types.UnionType):
        return functools.reduce(lambda a, b: a | b, parts)
    return origin[parts] if origin is not None else kind


@functools.cache
def _body_decoder(
    shape: type[Wire], key: str | None, bulk: str | None, version: Version, most: int
) -> msgspec.json.Decoder[Any]:
    target: Any = at(shape, version)
    if bulk is not None and key is not None:
        many = Annotated[list[target], Meta(max_length=most)]
        target = msgspec.defstruct(
            "Body", [(key, target | UnsetType, UNSET), (bulk, many | UnsetType, UNSET)], forbid_unknown_fields=True
        )
    elif key is not None:
        target = msgspec.defstruct("Body", [("inner", target)], rename={"inner": key}, forbid_unknown_fields=True)
    with BUILDING:
        return msgspec.json.Decoder(target, strict=not shape.lax)


BULK = 50
"""How many things one bulk request makes, where its route says nothing: they are made in one transaction, and others wait for it."""


def decode(
    shape: type[W],
    raw: bytes,
    version: Version = (0, 0),
    *,
    key: str | None = None,
    bulk: str | None = None,
    most: int = BULK,
) -> W | list[W]:
    """Read a JSON body as `shape`; `key` unwraps `{"server": {…}}`, `bulk` also takes `{"networks": […]}`, at most `most` of them,
    and then gives a list. Raises Invalid with the field's path in the message."""
    try:
        body = _body_decoder(shape, key, bulk, version, most).decode(raw)
    except msgspec.ValidationError as e:
        raise _named_fault(e, key) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise Invalid(f"The body is not JSON: {e}", field="body") from None
    except RecursionError:
        raise Invalid(f"The body is nested deeper than {MAX_DEPTH} levels", field="body") from None
    # one byte is found many times faster than two, and only what is free of shape can nest without end
    if (b"\\" in raw and b"\\u" in raw) or (_has_free(shape) and raw.count(b"[") + raw.count(b"{") > MAX_DEPTH):
        _check_text(body, "$", 0)
    sent = json.loads(raw) if _opens(shape) else {}
    if bulk is not None and key is not None:
        one, many = getattr(body, key), getattr(body, bulk)
        if one is UNSET and many is UNSET:
            raise Invalid(f"Object missing required field `{key}`", field=key)
        out: W | list[W] = _declared(one, sent.get(key)) if one is not UNSET else _declared(many, sent.get(bulk))
        return out
    single: W = _declared(body.inner, sent.get(key)) if key is not None else _declared(body, sent)
    return single


@functools.cache
def _frees(shape: type[msgspec.Struct]) -> tuple[tuple[str, str, free], ...]:
    """Attribute, name on the wire, and bound of the fields of `shape` that hold JSON of the caller's own form."""
    hints, out = get_type_hints(shape, include_extras=True), []
    for f in msgspec.structs.fields(shape):
        marks = _marks(hints[f.name])
        bound = next((m for m in marks if isinstance(m, free)), None)
        if bound is not None:
            out.append((f.name, next((m.name for m in marks if isinstance(m, named)), f.encode_name), bound))
    return tuple(out)


def _marks(kind: Any) -> tuple[Any, ...]:
    """The marks of a field, wherever they stand in its union."""
    if get_origin(kind) is Annotated:
        inner, *marks = get_args(kind)
        return (*marks, *_marks(inner))
    if get_origin(kind) in (Union, types.UnionType):
        return tuple(mark for part in get_args(kind) for mark in _marks(part))
    return ()


def _levels(value: Any) -> int:
    """How deep lists and maps stand in each other; the decoder has bounded it."""
    if isinstance(value, dict):
        return 1 + max((_levels(v) for v in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((_levels(v) for v in value), default=0)
    return 0


@functools.cache
def _opens(kind: Any) -> bool:
    """Whether an open shape stands anywhere in `kind`: only then is the body read a second time, as it was sent."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        hints = get_type_hints(kind, include_extras=True).values()
        return issubclass(kind, Open) or any(_opens(hint) for hint in hints)
    return any(_opens(part) for part in get_args(kind))


@functools.cache
def _has_free(kind: Any) -> bool:
    """Whether JSON of the caller's own form stands anywhere in `kind`."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return issubclass(kind, Open) or any(map(_has_free, get_type_hints(kind, include_extras=True).values()))
    if get_origin(kind) is Annotated and any(isinstance(mark, free) for mark in get_args(kind)[1:]):
        return True
    return kind is Any or any(map(_has_free, get_args(kind)))


def _declared(value: Any, sent: Any = None) -> Any:
    """A decoded projection back as the declared shape, all the way down; what open shapes do not name comes from `sent`."""
    if isinstance(value, msgspec.Struct):
        kind = _DECLARED.get(type(value))
        if kind is None:
            return value
        given: dict[str, Any] = sent if isinstance(sent, dict) else {}
        names = dict(zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True))
        out = kind(
            **{f: _declared(v, given.get(name)) for f, name in names.items() if (v := getattr(value, f)) is not UNSET}
        )
        if issubclass(kind, Open):
            known = {name for f, name in names.items() if f != "extra"}
            out.extra = {k: v for k, v in given.items() if k not in known}
        declared: type[msgspec.Struct] = kind
        for attribute, name, bound in _frees(declared):
            held = getattr(out, attribute)
            if held and held is not UNSET:
                bound.check(held, name)
        return out
    if isinstance(value, list):
        many = sent if isinstance(sent, list) else [None] * len(value)
        return [_declared(v, s) for v, s in zip(value, many, strict=True)]
    if isinstance(value, dict) and isinstance(next(iter(value.values()), None), msgspec.Struct):
        named_ones = sent if isinstance(sent, dict) else {}
        return {k: _declared(v, named_ones.get(k)) for k, v in value.items()}
    return value


def _named_fault(e: msgspec.ValidationError, key: str | None) -> Problem:
    text = str(e)
    problem, _, path = text.rpartition(" - at `")
    path = path.rstrip("`").removeprefix("$").removeprefix(".inner").lstrip(".")
    if not problem:
        problem, path = text, ""
    problem = problem.replace("`inner`", f"`{key}`")
    name = problem.split("`")[-2] if "field `" in problem else path
    where = f"{key}.{path}" if key and path and not path.startswith(key) else path or key or ""
    return Invalid(
        f"Invalid input for field '{where or name}': {problem}" if where else problem, field=name or where or "body"
    )


def _check_text(value: Any, path: str, depth: int) -> None:
    """No NUL and no lone surrogate reaches a database; no value nests without end."""
    if depth > MAX_DEPTH:
        raise Invalid(f"{path} is nested deeper than {MAX_DEPTH} levels", field=path)
    if isinstance(value, str):
        if "\0" in value:
            raise Invalid(f"Invalid input for field '{path.removeprefix('$.')}': a NUL character", field=path)
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Invalid(
                f"Invalid input for field '{path.removeprefix('$.')}': a lone surrogate", field=path
            ) from None
    elif isinstance(value, msgspec.Struct):
        for f in value.__struct_fields__:
            _check_text(getattr(value, f), path if f == "inner" else f"{path}.{f}", depth + 1)
    elif isinstance(value, dict):
        for k, v in value.items():
            _check_text(k, f"{path}.{str(k)[:64]!r}", depth + 1)
            _check_text(v, f"{path}.{str(k)[:64]}", depth + 1)
    elif isinstance(value, list):
        for i, v in enumerate(value):
            _check_text(v, f"{path}[{i}]", depth + 1)


_encoder = msgspec.json.Encoder()
_to_json: Callable[[Any], bytes] = _encoder.encode


def encode(value: Any, version: Version = (0, 0)) -> bytes:
    """JSON of an answer: a shape as `version` shows it, or dicts and lists that are already as they should be (`project` is for
    versioned shapes inside them)."""
    return _to_json(project(value, version) if isinstance(value, msgspec.Struct) else value)


def project(value: Any, version: Version) -> Any:
    """Shapes inside `value` turned into their projections."""
    if isinstance(value, msgspec.Struct):
        turn = _turning(type(value), version)
        return value if turn is None else turn(value)
    if isinstance(value, list):
        return [project(v, version) for v in value] if value and isinstance(value[0], (msgspec.Struct, dict)) else value
    if isinstance(value, dict):
        return {k: project(v, version) if isinstance(v, (msgspec.Struct, list, dict)) else v for k, v in value.items()}
    return value


Turn = Callable[[Any], Any]


def _names_at(shape: type[msgspec.Struct], version: Version) -> dict[str, str]:
    """Attribute → name on the wire, of the fields that live at `version`."""
    hints, out = get_type_hints(shape, include_extras=True), {}
    for f in msgspec.structs.fields(shape):
        hint = hints[f.name]
        marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        if lives(hint, version):
            out[f.name] = next((m.name for m in marks if isinstance(m, named)), f.encode_name)
    return out


_READY: set[type[Any]] = set()
"""Types whose instances are as some version shows them."""


@functools.cache
def _shown(shape: type[msgspec.Struct], version: Version) -> type[msgspec.Struct]:
    """`shape` with the fields that live at `version`, by position, and their names there; not for reading."""
    names = _names_at(shape, version)
    target = msgspec.defstruct(f"{shape.__name__}_shown", [(f, Any) for f in names], rename=names, gc=False)
    _READY.add(target)
    return target


@functools.cache
def making(shape: type[S], version: Version) -> type[S]:
    """A constructor that takes what `shape` takes and gives what `version` shows of it (an open shape: as a map): for lists of many large things, which then are
    not made in full and cut to size. What is given for its fields must be ready itself: plain, or made so. (It is also faster than
    msgspec's own by keywords, which looks each of them up among all fields.)"""
    live, words, scope = _names_at(shape, version), [], dict[str, Any]()
    for f in msgspec.structs.fields(shape):
        if f.name == "extra" and issubclass(shape, OpenShape):
            words.append(f.name)
        elif f.default_factory is not msgspec.NODEFAULT:
            raise TypeError(f"{shape.__name__}.{f.name} has a default that is made anew each time")
        elif f.default is msgspec.NODEFAULT:
            words.append(f.name)
        else:
            words.append(f"{f.name}=_{f.name}")
            scope[f"_{f.name}"] = f.default
    if issubclass(shape, OpenShape):
        code = _making_open(live, scope)
    else:
        scope["shown"] = _shown(shape, version)
        code = f"    return shown({', '.join(live)})"
    exec(f"def make(*, {', '.join(words)}):\n{code}", scope)  # noqa: S102 - the names are those of our own fields
    made: type[S] = scope["make"]
    return made


def _making_open(live: dict[str, str], scope: dict[str, Any]) -> str:
    """An open shape as the map that is written down: what may be UNSET is put in last."""
    scope["UNSET"] = UNSET
    often = {f: name for f, name in live.items() if f != "extra" and scope.get(f"_{f}") is not UNSET}
    lines = [f"    out = {{**extra, {', '.join(f'{name!r}: {f}' for f, name in often.items())}}}"]
    for f, name in live.items():
        if f != "extra" and f not in often:
            lines += [f"    if {f} is not UNSET:", f"        out[{name!r}] = {f}"]
    return "\n".join([*lines, "    return out"])


@functools.cache
def _turning(kind: type[msgspec.Struct], version: Version) -> Turn | None:
    """What makes an instance of `kind` ready to be written down at `version`; None where it is ready as it is."""
    if kind in _READY:
        return None
    hints, names = get_type_hints(kind, include_extras=True), _names_at(kind, version)
    inner = [(n, turn) for n, name in enumerate(names) if (turn := _turning_of(hints[name], version)) is not None]
    if issubclass(kind, OpenShape):
        return functools.partial(_opened, [(f, name) for f, name in names.items() if f != "extra"], version)
    if names == {f.name: f.encode_name for f in msgspec.structs.fields(kind)} and not inner:
        return None
    if not names:
        return lambda _: {}
    target, read = _shown(kind, version), operator.attrgetter(*names)
    if len(names) == 1:
        only = inner[0][1] if inner else None
        return lambda value: target(read(value) if only is None else only(read(value)))
    if not inner:
        return lambda value: target(*read(value))

    def turned(value: Any) -> Any:
        parts = list(read(value))
        for n, turn in inner:
            parts[n] = turn(parts[n])
        return target(*parts)

    return turned


def _opened(names: list[tuple[str, str]], version: Version, value: Any) -> dict[str, Any]:
    out = dict(value.extra)
    for attribute, name in names:
        held = getattr(value, attribute)
        if held is not UNSET:
            out[name] = project(held, version)
    return out


def _turning_of(hint: Any, version: Version) -> Turn | None:
    """What makes a value of the type `hint` ready; None where nothing inside it has to be turned."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return None if _turning(hint, version) is None else lambda value: project(value, version)
    if all(_turning_of(part, version) is None for part in get_args(hint)):
        return None
    if get_origin(hint) is list and isinstance(get_args(hint)[0], type):
        return lambda rows: _turned_list(rows, version)
    return lambda value: project(value, version)


def _turned_list(rows: list[Any], version: Version) -> list[Any]:
    """Rows of one type."""
    if not rows or not isinstance(rows[0], msgspec.Struct):
        return rows
    kind: type[msgspec.Struct] = type(rows[0])
    turn = _turning(kind, version)
    return rows if turn is None else [turn(row) for row in rows]


def alternatives(answer: Any) -> tuple[Any, ...]:
    """The shapes that a route's answer may have: one, or those of a union (`None`: no body at all)."""
    return get_args(answer) if get_origin(answer) in (Union, types.UnionType) else (answer,)


def hold(answer: Any, raw: bytes, version: Version) -> str | None:
    """Why the JSON in `raw` is not what `answer` declares at `version`; None when it is. For tests: answers are made by us, and
    checking them at each request would be paid for by whoever waits."""
    why = "the row declares no body"
    for shape in alternatives(answer):
        if shape in (None, type(None), bytes):
            continue
        try:
            _answer_decoder(shape, version).decode(raw)
        except msgspec.ValidationError as e:
            why = str(e)
        else:
            return None
    return why


@functools.cache
def _answer_decoder(shape: Any, version: Version) -> msgspec.json.Decoder[Any]:
    with BUILDING:
        return msgspec.json.Decoder(_project(shape, version))


def schemas(kinds: Sequence[Any], version: Version, ref: str) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """JSON Schema (2020-12) of `kinds` as `version` shows them: one for each, and the named ones that they refer to by `ref`, a
    template with `{name}`. Two shapes of one name, a body and an answer, are told apart by their last word."""
    projected = [_project(kind, version) for kind in kinds]
    found, named_ones = msgspec.json.schema_components(projected, ref_template="#{name}")
    names, free_form = {}, set()
    for kind in _structs(projected, set()):
        name = kind.__name__
        shape = _DECLARED.get(kind, kind)
        if name not in named_ones:
            name = f"{kind.__module__}.{name}"
            last = "Body" if issubclass(shape, Wire) else "Answer"
            names[name] = f"{kind.__name__}{last}"
        if issubclass(shape, (Open, OpenShape)):
            free_form.add(name)
    for name in free_form:
        named_ones[name]["properties"].pop("extra", None)
        named_ones[name]["additionalProperties"] = True

    def put_right(value: Any) -> Any:
        if isinstance(value, list):
            return [put_right(each) for each in value]
        if not isinstance(value, dict):
            return value
        out = {k: put_right(v) for k, v in value.items()}
        if "$ref" in out:
            name = out["$ref"][1:]
            out["$ref"] = ref.format(name=names.get(name, name))
        elif "title" in out and out.get("type") == "object":
            del out["title"]
        return out

    return [put_right(s) for s in found], {names.get(n, n): put_right(s) for n, s in sorted(named_ones.items())}


def _structs(kinds: Sequence[Any], seen: set[type[msgspec.Struct]]) -> set[type[msgspec.Struct]]:
    """Every struct in `kinds`, all the way down."""
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            if kind not in seen:
                seen.add(kind)
                _structs(list(get_type_hints(kind, include_extras=True).values()), seen)
        else:
            _structs(get_args(kind), seen)
    return seen


def _spread(marks: tuple[Any, ...]) -> list[Any]:
    """The marks, with those inside of others."""
    return [each for mark in marks for each in (mark.marks if isinstance(mark, varies) else (mark,))]


def changes(kind: Any) -> frozenset[Version]:
    """The versions that change something in `kind`: a shape, or a type with shapes or marks anywhere inside."""
    hints = [h for each in _structs([kind], set()) for h in get_type_hints(each, include_extras=True).values()]
    out: set[Version] = set()
    for hint in (kind, *hints):
        for mark in _spread(_marks(hint)):
            if isinstance(mark, since):
                out.add((mark.major, mark.minor))
            elif isinstance(mark, until):
                out.add((mark.major, mark.minor + 1))
    return frozenset(out)
