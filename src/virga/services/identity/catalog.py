# SPDX-License-Identifier: Apache-2.0
"""The catalogue as tokens carry it, kept in memory as bytes per address that callers use."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import msgspec

from virga.ground.db.engine import Database, Tx
from virga.ground.http.table import Service
from virga.services.identity import external_grants, store


class Carried(msgspec.Struct, frozen=True, gc=False):
    """What a scoped token tells beside who it is: the catalogue as it is written down (None where it was not asked for), and the clouds
    to which its user may go from here."""

    services: bytes | None = None
    providers: tuple[dict[str, str], ...] = ()


NOTHING = Carried()
"""What an unscoped token carries."""


class Catalog:
    """What is remembered of it is dropped at the commit of what `changes` it."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self._old: dict[str, tuple[str, str, tuple[int, ...]]] = {}
        self._rows: list[dict[str, Any]] | None = None
        self._carried: OrderedDict[tuple[str, str | None], Carried] = OrderedDict()

    def before(self, services: Iterable[Service], *, ports: bool) -> None:
        """How v2.0's catalogue names our own services: in 2013's manner, on the classic `ports` if they listen."""
        for s in services:
            self._old[s.catalog] = (s.path, s.old_catalog or s.catalog, s.ports if ports else ())

    def old(self, url: str, base: str, interface: str) -> str:
        """The address of an endpoint as v2.0's catalogue has it, the project's id not yet filled in. `admin` is the last of a
        service's classic ports (35357)."""
        path, shown, ports = self._old.get(url, ("", url, ()))
        if not ports:
            return base + shown if url.startswith("/") else url
        host, _, number = base.rpartition(":")
        return f"{host if number.isdecimal() else base}:{ports[-1 if interface == 'admin' else 0]}{shown.removeprefix(path)}"

    def shown(self, project_id: str | None) -> list[dict[str, Any]]:
        """The services and endpoints that the project is shown, addresses as they are kept."""
        rows = self._rows = self._rows if self._rows is not None else self._load()
        only = self._chosen(project_id)
        return [s | {"endpoints": [e for e in s["endpoints"] if only is None or e["id"] in only]} for s in rows]

    def changes(self, tx: Tx) -> None:
        """The catalogue is another after `tx`: here at once, in other processes within a second."""
        store.grow(tx)
        tx.after_commit(self.forget)

    def forget(self) -> None:
        self._rows = None
        self._carried.clear()

    def _load(self) -> list[dict[str, Any]]:
        with self.db.read() as tx:
            services = store.SERVICES.find(tx, store.SERVICES.c.enabled.is_(True), order=store.SERVICES.c.type)
            endpoints = store.ENDPOINTS.find(
                tx, store.ENDPOINTS.c.enabled.is_(True), order=[store.ENDPOINTS.c.interface, store.ENDPOINTS.c.id]
            )
        rows = []
        for s in services:
            own = [
                {"id": e.id, "interface": e.interface, "region": e.region_id, "region_id": e.region_id, "url": e.url}
                for e in endpoints
                if e.service_id == s.id
            ]
            rows.append({"id": s.id, "type": s.type, "name": s.name or "", "endpoints": own})
        return rows

    def _chosen(self, project_id: str | None) -> set[str] | None:
        """The endpoints that the project is shown, None for all."""
        if project_id is None:
            return None
        with self.db.read() as tx:
            return store.endpoints_of(tx, project_id)

    def _providers(self) -> tuple[dict[str, str], ...]:
        """The clouds to which a user may go from here (Keystone-to-Keystone), as tokens list them."""
        with self.db.read() as tx:
            return tuple(external_grants.providers(tx))

    def remembered(self, base: str, project_id: str | None) -> Carried | None:
        """What `carried` gives, when that reads no database."""
        return self._carried.get((base, project_id))

    def carried(self, base: str, project_id: str | None) -> Carried:
        """What a token of the project, or of none, carries for callers who use the address `base`."""
        known = self._carried.get((base, project_id))
        if known is None:
            shown = [
                s | {"endpoints": [e | {"url": address(e["url"], base, project_id)} for e in s["endpoints"]]}
                for s in self.shown(project_id)
            ]
            known = self._carried[base, project_id] = Carried(msgspec.json.encode(shown), self._providers())
            while len(self._carried) > 5000:
                self._carried.popitem(last=False)
        return known


def address(url: str, base: str, project_id: str | None) -> str:
    """Our own endpoints follow the address of the caller; in others only the project's id is filled in."""
    if url.startswith("/"):
        url = base + url
    for mark in ("$(project_id)s", "%(project_id)s", "$(tenant_id)s", "%(tenant_id)s"):
        url = url.replace(mark, project_id or "")
    return url
