# SPDX-License-Identifier: Apache-2.0
"""What lies at a name, as the caller may see it. Below everything that reads or writes objects."""

from __future__ import annotations

from virga.ground.db.engine import Tx
from virga.ground.errors import NotFound
from virga.services.objects import model
from virga.services.objects.actions import objects as actions
from virga.services.objects.desk import Desk
from virga.services.objects.exchange import Answered, Ask, Reply
from virga.services.objects.store import places
from virga.services.objects.swift.entry import Entry, unauthorized
from virga.services.objects.swift.metadata import is_version, yes
from virga.services.objects.swift.replies import page, refuse


class Lookup:
    """Looks in `desk`'s rows for a caller."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def look(
        self, ask: Ask, entry: Entry, account: str, container: str, name: str, *, method: str | None = None
    ) -> places.Spot:
        """What is there, once the caller may `method` it."""
        small: list[bytes] = []
        want = method == "GET" and ask.method == "GET"

        quoter = self.desk.settings.etag_quoter

        def read(tx: Tx) -> places.Spot:
            spot = places.look(tx, account, container, name, with_account=quoter)
            o = spot.object
            if want and o is not None and o.body is not None and o.body[0] == "i" and not o.own("sealed"):
                small.append(self.desk.bodies.small(tx, o.body))
            return spot

        spot = await self.desk.commits.read(read)
        if small and spot.object is not None:
            ask.notes["small"] = (spot.object.body, small[0])
        if quoter and "quoted" not in ask.notes:
            said = [c.control.get("etags") for c in (spot.container, spot.account) if c is not None]
            ask.notes["quoted"] = next((s for s in said if s is not None), self.desk.settings.etag_quoter_default)
        await entry.allow(ask, account, spot.container, name, method=method, container_name=container)
        if spot.container is None:
            raise NotFound("The resource could not be found.")
        return spot

    async def found(
        self, ask: Ask, entry: Entry, account: str, container: str, name: str, version: str | None = None
    ) -> tuple[model.Container, model.Object]:
        """A live object, readable by the caller; a version of it only by the account's owner."""
        spot = await self.look(ask, entry, account, container, name, method="GET")
        assert spot.container is not None
        o = spot.object
        if version is not None and version != "null":
            self.versioned(entry, account, spot.container, version)
            old = await self.desk.commits.read(
                lambda tx: actions.find_numbered(tx, spot.object, spot.container, name, version)  # type: ignore[arg-type]
            )
            if old.kind == model.MARKER:
                raise Answered(Reply(404, {"content-type": old.content_type, "x-object-version-id": version}))
            return spot.container, old
        o = self.alive(ask, o)
        if o is None or o.kind == model.MARKER or (version == "null" and not o.unversioned):
            raise NotFound("The resource could not be found.")
        return spot.container, o

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

    def alive(self, ask: Ask, o: model.Object | None) -> model.Object | None:
        """The object unless its time has passed; X-Open-Expired opens it all the same, where that is switched on."""
        if self.desk.settings.open_expired and yes(ask.headers.get("x-open-expired")):
            return o
        return actions.alive(o, self.desk.now())


def check_version(version: str) -> None:
    if version != "null" and not is_version(version):
        raise refuse(400, "Invalid version parameter")
