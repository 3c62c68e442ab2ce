# SPDX-License-Identifier: Apache-2.0
"""What is offered when some extensions are: their routes, what bodies take, what answers show and lists filter by, and the list of the
extensions themselves."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import get_type_hints

import msgspec

from virga.ground.http.call import View
from virga.ground.http.table import Route
from virga.ground.wire import Shape
from virga.services.network import answers, nouns
from virga.services.network.actions import documents
from virga.services.network.extensions import attributes, core, networks, ports, quotas, routers, security_groups
from virga.services.network.extensions.extension import Extension
from virga.services.network.extensions.shapes import Made, less, wire_names, within, without
from virga.services.network.views import documents as views
from virga.services.network.views.wrapped import One

ALL: tuple[Extension, ...] = (
    *networks.EXTENSIONS,
    *ports.EXTENSIONS,
    *routers.EXTENSIONS,
    *security_groups.EXTENSIONS,
    *quotas.EXTENSIONS,
    *attributes.EXTENSIONS,
)
NOUNS = (*nouns.ALL, nouns.QUOTA)


def all_but(*aliases: str) -> tuple[Extension, ...]:
    """All extensions but these and those that need them."""
    gone = set(aliases)
    while more := {e.alias for e in ALL if gone.intersection(e.needs)} - gone:
        gone |= more
    return tuple(e for e in ALL if e.alias not in gone)


class _Hidden:
    """What the extensions that are not `on` take along: names on the wire of each noun."""

    def __init__(self, on: Sequence[Extension]) -> None:
        off = [e for e in ALL if e not in on]
        self.taken = {n: _union((*e.fields.get(n, ()), *e.takes.get(n, ())) for e in off) for n in NOUNS}
        self.shown = {n: _union(e.fields.get(n, ()) for e in off) for n in NOUNS}
        self.asked = {n: self.shown[n] | _union(e.filters.get(n, ()) for e in off) for n in NOUNS}
        for noun in NOUNS:
            for name, inner in noun.holds.items():
                self.shown[noun] |= {f"{name}.{below}" for below in self.shown[inner]}
        self.answers = {
            shape: self.shown[n]
            for n in NOUNS
            for answer in (n.answer, *n.similar)
            for shape in (answer, answers.in_part(answer))
        }
        self.made: Made = {}
        self.paths = {route.path for e in off for route in e.routes}

    def route(self, route: Route) -> Route | None:
        """The row without what is hidden; None when it goes itself, for it is below a path that does."""
        if any(route.path == path or route.path.startswith(f"{path}/") for path in self.paths):
            return None
        view = route.view
        if isinstance(view, One):
            noun = next(n for n in NOUNS if n.name == view.name)
            route = dataclasses.replace(route, view=dataclasses.replace(view, hidden=self.shown[noun]))
            if route.query is not None:
                query = {name: kind for name, kind in route.query.items() if name not in self.asked[noun]}
                route = dataclasses.replace(route, query=query)
        for noun in NOUNS:
            if route.body in noun.bodies:
                route = dataclasses.replace(route, body=without(route.body, self.taken[noun]))
        return dataclasses.replace(route, answer=less(route.answer, self.answers, self.made))


def _union(many: Iterable[Iterable[str]]) -> frozenset[str]:
    return frozenset(itertools.chain.from_iterable(many))


def routes(on: Sequence[Extension] = ALL) -> tuple[Route, ...]:
    """The table with these extensions."""
    hidden = _Hidden(on)
    rows = [*core.ROUTES, *(route for extension in on for route in extension.routes)]
    offered = [stored for row in rows if (stored := hidden.route(row)) is not None]
    return (*_documents(on, {row.path for row in offered}), *offered)


def _documents(on: Sequence[Extension], paths: set[str]) -> tuple[Route, ...]:
    """What the API says of itself: no more than there is."""
    listed = {
        e.alias: answers.Extension(alias=e.alias, name=e.name, description=e.description, updated=e.updated) for e in on
    }
    collections = [(n.name, n.path.removeprefix("/v2.0/")) for n in NOUNS if n.path in paths]
    resources = views.resources([*collections, ("extension", "extensions")])
    return (
        _document("/", views.versions, answers.VersionsAnswer, public=True),
        _document("/v2.0", resources, answers.ResourcesAnswer),
        _document("/v2.0/extensions", views.extensions(listed), answers.ExtensionsAnswer),
        Route(
            "GET",
            "/v2.0/extensions/{alias}",
            documents.extension,
            view=views.extension(listed),
            answer=answers.ExtensionAnswer,
            inline=True,
        ),
    )


def _document(path: str, view: View, answer: type[Shape], *, public: bool = False) -> Route:
    return Route("GET", path, documents.document, view=view, answer=answer, public=public, inline=True)


def _fields(shape: type[msgspec.Struct]) -> Iterator[str]:
    """The names on the wire of a shape's fields, `a.b` for those of shapes in it."""
    hints = get_type_hints(shape)
    for name, attribute in wire_names(shape).items():
        yield name
        for inner in within(hints[attribute]):
            yield from (f"{name}.{below}" for below in _fields(inner))


def check(extensions: Sequence[Extension] = ALL) -> None:
    """Raise TypeError unless every field and filter of every noun is the core's or of one extension, and nothing else is claimed."""
    for noun in NOUNS:
        there = set(noun.filters) | set(noun.also)
        for shape in (noun.answer, *noun.bodies):
            there |= set(_fields(shape))
        taken = {name for e in extensions for name in e.takes.get(noun, ())}
        claimed = [*core.FIELDS.get(noun, ()), *(name for e in extensions for name in e.fields.get(noun, ()))]
        twice = {name for name in claimed if claimed.count(name) > 1}
        nobodys = {name for name in there if "." not in name} - set(claimed) - taken
        nowhere = (set(claimed) | taken) - there
        if twice or nobodys or nowhere:
            raise TypeError(f"{noun.name}: claimed twice {twice}, by nobody {nobodys}, and not there {nowhere}")


check()
