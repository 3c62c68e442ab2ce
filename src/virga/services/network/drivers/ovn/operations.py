# SPDX-License-Identifier: Apache-2.0
"""Operations on OVN's northbound database that several kinds share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from virga.services.network.drivers.ovsdb import Op, Ovsdb, ovs_map, ovs_set, uuid_of

DROP = "neutron_pg_drop"
"""The group that drops what no rule allows."""


def insert(table: str, row: dict[str, Any], name: str | None = None) -> Op:
    """A new row; `name` is what other operations of the same transaction call it."""
    return {"op": "insert", "table": table, "row": row} | ({"uuid-name": name} if name is not None else {})


def update(table: str, id: str, row: dict[str, Any]) -> Op:
    """Columns of the row with this UUID."""
    return {"op": "update", "table": table, "where": [["_uuid", "==", uuid_of(id)]], "row": row}


def upsert(nb: Ovsdb, table: str, name: str, values: dict[str, Any]) -> Op:
    """The row of this name with these columns, new or changed."""
    found = nb.rows(table, [["name", "==", name]], ["_uuid"])
    return update(table, found[0]["_uuid"][1], values) if found else insert(table, values | {"name": name})


def ensure_switch_port(
    nb: Ovsdb, switch: str, name: str, values: dict[str, Any], more: Callable[[Any], list[Op]] | None = None
) -> None:
    """A switch port as described, on its switch; `more` adds operations that need the port's reference."""
    found = nb.rows("Logical_Switch_Port", [["name", "==", name]], ["_uuid"])
    if found:
        ref: Any = found[0]["_uuid"]
        ops = [update("Logical_Switch_Port", ref[1], values)]
    else:
        ref = ["named-uuid", "p"]
        where = [["name", "==", switch]]
        ops = [
            {
                "op": "wait",
                "table": "Logical_Switch",
                "timeout": 0,
                "where": where,
                "columns": ["name"],
                "until": "==",
                "rows": [{"name": switch}],
            },
            insert("Logical_Switch_Port", values | {"name": name}, "p"),
            {
                "op": "mutate",
                "table": "Logical_Switch",
                "where": where,
                "mutations": [["ports", "insert", ovs_set([ref])]],
            },
        ]
    nb.transact(ops + (more(ref) if more is not None else []))


def drop_switch_port(nb: Ovsdb, ref: Any) -> None:
    """Take a switch port out of its switch and groups: OVN drops what nothing refers to."""
    gone = [["ports", "delete", ovs_set([ref])]]
    nb.transact(
        [
            {
                "op": "mutate",
                "table": "Port_Group",
                "where": [["ports", "includes", ovs_set([ref])]],
                "mutations": gone,
            },
            {
                "op": "mutate",
                "table": "Logical_Switch",
                "where": [["ports", "includes", ovs_set([ref])]],
                "mutations": gone,
            },
        ]
    )


def names(nb: Ovsdb, table: str, prefix: str) -> set[str]:
    """The names in a table that begin with `prefix`, without it."""
    return {r["name"].removeprefix(prefix) for r in nb.rows(table, [], ["name"]) if r["name"].startswith(prefix)}


def dhcp_options(nb: Ovsdb, key: str, id: str) -> list[dict[str, Any]]:
    """The DHCP options whose mark `virga:{key}` is this id: a `network`'s or a `subnet`'s."""
    return nb.rows(
        "DHCP_Options", [["external_ids", "includes", ovs_map({f"virga:{key}": id})]], ["_uuid", "external_ids"]
    )


def group_name(id: str) -> str:
    """What OVN calls the port group of a security group: its expressions take no hyphens."""
    return f"pg_{id.replace('-', '_')}"
