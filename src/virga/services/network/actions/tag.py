# SPDX-License-Identifier: Apache-2.0
"""Tags of the nouns that have them."""

from __future__ import annotations

from typing import Any

from virga.authority.rules import Rule, allow
from virga.ground.db.rows import Rows
from virga.ground.errors import Forbidden, NotFound
from virga.ground.http.call import Call
from virga.services.network import policy, store, wire
from virga.services.network.actions import floatingip, network, ownership, port, router, security_group, subnet

TAGGED: dict[str, tuple[Rows[Any], Any]] = {
    "networks": (store.NETWORKS, network.seen),
    "subnets": (store.SUBNETS, subnet.seen),
    "ports": (store.PORTS, port.seen),
    "routers": (store.ROUTERS, router.seen),
    "floatingips": (store.FLOATING_IPS, floatingip.seen),
    "security-groups": (store.GROUPS, security_group.seen),
}


def verbs(noun: str) -> dict[str, Any]:
    """The tag verbs of one noun, by name."""
    (rows, seen), (update, delete) = TAGGED[noun], policy.TAGS[noun]

    def allowed(call: Call, id: str, rule: Rule) -> Any:
        row = seen(call, id)
        allow(call, rule, project_id=row.project_id)
        return row

    def index(call: Call, id: str) -> list[str]:
        stored: list[str] = seen(call, id).tags
        return stored

    def has(call: Call, id: str, tag: str) -> None:
        if tag not in seen(call, id).tags:
            raise NotFound(f"Tag {tag[:64]} could not be found.", type="TagNotFound")

    def put(call: Call, id: str, body: wire.Tags) -> list[str]:
        allowed(call, id, update)
        names = sorted(set(body.tags))
        ownership.bump_revision(call, rows, id, {"tags": names})
        return names

    def clear(call: Call, id: str) -> None:
        allowed(call, id, delete)
        ownership.bump_revision(call, rows, id, {"tags": []})

    def add(call: Call, id: str, tag: str) -> None:
        row = allowed(call, id, update)
        if len(tag) > 255 or len(row.tags) >= 50:
            raise Forbidden("A thing has at most 50 tags of at most 255 characters.")
        ownership.bump_revision(call, rows, id, {"tags": sorted({*row.tags, tag})})

    def remove(call: Call, id: str, tag: str) -> None:
        row = allowed(call, id, delete)
        if tag not in row.tags:
            raise NotFound(f"Tag {tag[:64]} could not be found.", type="TagNotFound")
        ownership.bump_revision(call, rows, id, {"tags": [t for t in row.tags if t != tag]})

    found = {"index": index, "has": has, "put": put, "clear": clear, "add": add, "remove": remove}
    for name, verb in found.items():
        verb.__name__ = f"tags_{name}_{noun}"
    return found
