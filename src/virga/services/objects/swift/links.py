# SPDX-License-Identifier: Apache-2.0
"""Symbolic links: dynamic ones mean whatever lies at their target, static ones only the bytes that were there when they were made.
Each hop is read with the caller's own rights; whatever goes wrong on the way says in Content-Location where."""

from __future__ import annotations

from typing import Any

from virga.ground.errors import Problem
from virga.services.objects import model
from virga.services.objects.actions import objects as actions
from virga.services.objects.context import ObjectContext
from virga.services.objects.http import Answered, Request, Response, unquote
from virga.services.objects.swift.entry import Entry
from virga.services.objects.swift.lookup import Lookup
from virga.services.objects.swift.replies import fault, location, plain, refuse
from virga.services.objects.swift.writes import Writes, created

HOPS = 2
ENDLESS = f"Too many levels of symbolic links, maximum allowed is {HOPS}"
FORM = "X-Symlink-Target header must be of the form <container name>/<object name>"


class Links:
    def __init__(self, context: ObjectContext, lookup: Lookup, writes: Writes) -> None:
        self.context, self.lookup, self.writes = context, lookup, writes

    async def follow(
        self, request: Request, entry: Entry, o: model.Object, *, soft: bool = True, hops: int = HOPS
    ) -> tuple[str, str, model.Object, str]:
        """From a link to (account, container, object, path) of what it means. Without `soft` only static links are followed on the way,
        and a dynamic one is what is meant."""
        for _ in range(hops):
            t = o.own("target", {})
            account, container, name = t["account"], t["container"], t["object"]
            path = location(t)
            try:
                _, o = await self.lookup.found(request, entry, account, container, name)
            except Answered as a:
                a.response.headers["content-location"] = path
                raise
            except Problem as p:
                response = fault(p)
                response.headers["content-location"] = path
                raise Answered(response) from None
            on = o.kind == "link" and (soft or bool(o.own("target").get("etag")))
            etag = o.own("target").get("etag", o.etag) if on else o.etag
            if t.get("etag") and t["etag"] != etag:
                answer = (
                    "X-Symlink-Target-Etag headers do not match"
                    if on
                    else f"Object Etag {o.etag!r} does not match X-Symlink-Target-Etag header {t['etag']!r}"
                )
                response = plain(409, answer)
                response.headers["content-location"] = path
                raise Answered(response)
            if not on:
                return account, container, o, path
        raise refuse(409, ENDLESS)

    def target(self, request: Request, account: str, container: str, name: str) -> dict[str, Any] | None:
        """Where a PUT says that its link leads; None when it is no link. Raises 400 and 412."""
        raw = request.headers.get("x-symlink-target")
        if raw is None:
            return None
        try:
            target, where = unquote(raw), unquote(request.headers.get("x-symlink-target-account", "")) or account
        except UnicodeDecodeError:
            raise refuse(412, FORM) from None
        c, slash, o = target.partition("/")
        if not c or not o or not slash or "\0" in target:
            raise refuse(412, FORM)
        if "/" in where or "\0" in where:
            raise refuse(412, "Account name cannot contain slashes")
        if (where, c, o) == (account, container, name):
            raise refuse(400, "Symlink cannot target itself")
        etag = request.headers.get("x-symlink-target-etag", "").removeprefix("W/").strip('"')
        if any(ch in etag for ch in ';"\\'):
            raise refuse(400, "Bad X-Symlink-Target-Etag format")
        here = {} if request.headers.get("x-symlink-target-account") else {"here": True}
        return {"account": where, "container": c, "object": o} | here | ({"etag": etag} if etag else {})

    async def put(
        self,
        request: Request,
        entry: Entry,
        container: model.Container,
        new: actions.New,
        target: dict[str, Any],
        check: actions.Check | None,
    ) -> Response:
        """Make a link. A static one is made only of what the caller may read, and what has the etag."""
        if request.length:
            raise refuse(400, "Symlink requests require a zero byte body")
        async for chunk in request.body():
            if chunk:
                raise refuse(400, "Symlink requests require a zero byte body")
        typed = "content-type" in request.headers
        if target.get("etag"):
            target, content_type = await self.hold(request, entry, target)
            if not typed:
                new.content_type = content_type
        elif not typed:
            new.content_type = "application/symlink"
        new.kind, new.control = "link", {"target": target}
        return created(await self.writes.store(container.id, new, self.context.bodies.store(b""), check))

    async def hold(self, request: Request, entry: Entry, target: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """The target of a static link with what a listing shows of it, and its content type. Raises 409 when it is not there or is
        another one."""
        probe = model.Object(0, "", "", True, 0, 0, "", 0, "", "link", None, None, {}, {"target": target})
        try:
            _, _, o, _ = await self.follow(request, entry, probe, soft=False, hops=HOPS + 1)
        except Answered as a:
            if a.response.code != 404:
                raise
            response = plain(409, "X-Symlink-Target does not exist")
            response.headers["content-location"] = a.response.headers.get("content-location", location(target))
            raise Answered(response) from None
        more = {"bytes": o.own("total", o.size) if o.kind != "link" else o.own("target").get("bytes", 0)}
        if o.own("slo_etag"):
            more["slo_etag"] = o.own("slo_etag")
        return target | more, o.content_type


def moved(request: Request, o: model.Object) -> Response:
    """The answer to a POST that was meant for the target and changed the link."""
    t = o.own("target")
    response = plain(
        307, "The requested POST was applied to a symlink. POST directly to the target to apply requested metadata."
    )
    response.headers["location"] = request.mount + location(t)
    if t.get("etag"):
        response.headers["x-symlink-target-etag"] = t["etag"]
    return response
