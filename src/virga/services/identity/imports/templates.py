# SPDX-License-Identifier: Apache-2.0
"""`default_catalog.templates`, the catalogue of Keystone's templated backend: lines `catalog.REGION.SERVICE.KEY = VALUE`, KEY one of
publicURL, internalURL, adminURL and name. An underscore in SERVICE stands for a dash (`object_store`), `$(…)s` for a value."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field

from virga.ground.db.engine import Tx
from virga.ground.errors import Invalid
from virga.services.identity import store

PORTS = {"public_port": "5000", "admin_port": "35357", "compute_port": "8774"}
"""Keystone's own settings that its template could name, with their defaults."""
TENANT = ("tenant_id", "project_id")
INTERFACES = {"publicURL": "public", "internalURL": "internal", "adminURL": "admin"}
_mark = re.compile(r"[$%]\((\w+)\)s")


@dataclass
class Entry:
    """A service in a region: interface → address."""

    region: str
    type: str
    name: str = ""
    urls: dict[str, str] = field(default_factory=dict)


def parse(text: str) -> list[Entry]:
    """The services of a template. Lines that do not begin with `catalog.` are comments, as Keystone reads them. Raises Invalid with
    the line that is wrong."""
    found: dict[tuple[str, str], Entry] = {}
    for number, line in enumerate(text.splitlines(), 1):
        path, equals, value = (part.strip() for part in line.partition(" = "))
        if not path.startswith("catalog."):
            continue
        parts = path.split(".")
        if len(parts) != 4 or not equals or not value:
            raise Invalid(
                f"line {number}: not of the form catalog.REGION.SERVICE.KEY = VALUE: {line.strip()[:120]}",
                field=f"line {number}",
            )
        _, region, service, key = parts
        entry = found.setdefault((region, service), Entry(region, service.replace("_", "-")))
        if key in INTERFACES:
            entry.urls[INTERFACES[key]] = _filled(value, number)
        elif key == "name":
            entry.name = value
        else:
            raise Invalid(
                f"line {number}: {key[:40]} is not one of name, {', '.join(INTERFACES)}", field=f"line {number}"
            )
    return list(found.values())


def _filled(url: str, number: int) -> str:
    """The address with Keystone's own ports in place; the tenant's id stays to be filled in for each token."""

    def value(m: re.Match[str]) -> str:
        if m[1] in TENANT:
            return f"$({m[1]})s"
        if m[1] not in PORTS:
            known = ", ".join((*PORTS, *TENANT))
            raise Invalid(
                f"line {number}: $({m[1]})s is not something that this catalogue fills in; it knows {known}",
                field=f"line {number}",
            )
        return PORTS[m[1]]

    filled = _mark.sub(value, url)
    if not filled.startswith(("http://", "https://")) or any(c.isspace() for c in filled) or len(filled) > 2048:
        raise Invalid(
            f"line {number}: an http:// or https:// address is needed, not {url[:120]}", field=f"line {number}"
        )
    return filled


def bring(tx: Tx, entries: list[Entry]) -> list[str]:
    """Write regions, services and endpoints as the template has them; services that it does not name stay as they are. Says what
    was changed, a sentence each: nothing the second time."""
    report: list[str] = []
    for entry in entries:
        if store.REGIONS.get(tx, entry.region) is None:
            store.REGIONS.insert(tx, id=entry.region, description="", parent_region_id=None, extra={})
            report.append(f"region {entry.region}: made")
        service = store.SERVICES.one(tx, store.SERVICES.c.type == entry.type)
        if service is None:
            service = store.SERVICES.insert(
                tx,
                id=uuid.uuid4().hex,
                type=entry.type,
                name=entry.name or entry.type,
                description=None,
                enabled=True,
                extra={},
            )
            report.append(f"service {entry.type}: made")
        elif entry.name and service.name != entry.name:
            store.SERVICES.put(tx, service.id, name=entry.name)
            report.append(f"service {entry.type}: its name is {entry.name}, was {service.name}")
        for interface, url in entry.urls.items():
            c = store.ENDPOINTS.c
            where = (c.service_id == service.id, c.region_id == entry.region, c.interface == interface)
            endpoint = store.ENDPOINTS.one(tx, *where)
            if endpoint is None:
                store.ENDPOINTS.insert(
                    tx,
                    id=uuid.uuid4().hex,
                    service_id=service.id,
                    interface=interface,
                    region_id=entry.region,
                    url=url,
                    enabled=True,
                    extra={},
                )
                report.append(f"{entry.type} {interface} in {entry.region}: {url}")
            elif endpoint.url != url:
                store.ENDPOINTS.put(tx, endpoint.id, url=url)
                report.append(f"{entry.type} {interface} in {entry.region}: {url}, was {endpoint.url}")
    if report:
        store.grow(tx)
    return report
