# SPDX-License-Identifier: Apache-2.0
"""What lies at a name, as the caller may see it. Below everything that reads or writes objects."""

from __future__ import annotations

from virga.ground.db.engine import Tx
from virga.ground.errors import NotFound
from virga.services.objects import model
from virga.services.objects.actions import objects as actions
from virga.services.objects.context import ObjectContext
from virga.services.objects.http import Answered, Request, Response
from virga.services.objects.store import containers
from virga.services.objects.swift.entry import Entry, unauthorized
from virga.services.objects.swift.metadata import is_version, yes
from virga.services.objects.swift.replies import page, refuse


class Lookup:
    """Looks in the context's rows for a caller."""

    def __init__(self, context: ObjectContext) -> None:
        self.context = context

    async def look(
        self, request: Request, entry: Entry, account: str, container: str, name: str, *, method: str | None = None
    ) -> containers.Found:
        """What is there, once the caller may `method` it. Raises NotFound."""
        small: list[bytes] = []
        want = method == "GET" and request.method == "GET"

        quoter = self.context.settings.etag_quoter

        def read(tx: Tx) -> containers.Found:
            found = containers.look_up(tx, account, container, name, with_account=quoter)
            o = found.object
            if want and o is not None and o.body is not None and o.body[0] == "i" and not o.own("sealed"):
                small.append(self.context.bodies.small(tx, o.body))
            return found

        found = await self.context.commits.read(read)
        if small and found.object is not None:
            request.notes["small"] = (found.object.body, small[0])
        if quoter and "quoted" not in request.notes:
            answer = [c.control.get("etags") for c in (found.container, found.account) if c is not None]
            request.notes["quoted"] = next(
                (s for s in answer if s is not None), self.context.settings.etag_quoter_default
            )
        await entry.allow(request, account, found.container, name, method=method, container_name=container)
        if found.container is None:
            raise NotFound("The resource could not be found.")
        return found

    async def found(
        self, request: Request, entry: Entry, account: str, container: str, name: str, version: str | None = None
    ) -> tuple[model.Container, model.Object]:
        """A live object, readable by the caller; a version of it only by the account's owner. Raises NotFound."""
        found = await self.look(request, entry, account, container, name, method="GET")
        assert found.container is not None
        o = found.object
        if version is not None and version != "null":
            self.versioned(entry, account, found.container, version)
            old = await self.context.commits.read(
                lambda tx: actions.find_numbered(tx, found.object, found.container, name, version)  # type: ignore[arg-type]
            )
            if old.kind == model.MARKER:
                raise Answered(Response(404, {"content-type": old.content_type, "x-object-version-id": version}))
            return found.container, old
        o = self.alive(request, o)
        if o is None or o.kind == model.MARKER or (version == "null" and not o.unversioned):
            raise NotFound("The resource could not be found.")
        return found.container, o

    @staticmethod
    def versioned(entry: Entry, account: str, container: model.Container, version: str) -> None:
        """Raise unless the caller may name versions here: they are the owner's alone, as if they lay in a container of their own."""
        if version != "null" and not (container.control or {}).get("versioning"):
            raise refuse(400, "version-aware operations require that the container is versioned")
        check_version(version)
        if not entry.owns(account):
            raise (
                unauthorized(account)
                if not entry.actor.user_id
                else Answered(page(403, "Only the account's owner names versions."))
            )

    def alive(self, request: Request, o: model.Object | None) -> model.Object | None:
        """The object unless its time has passed; X-Open-Expired opens it all the same, where that is switched on."""
        if self.context.settings.open_expired and yes(request.headers.get("x-open-expired")):
            return o
        return actions.alive(o, self.context.now())


def check_version(version: str) -> None:
    if version != "null" and not is_version(version):
        raise refuse(400, "Invalid version parameter")
