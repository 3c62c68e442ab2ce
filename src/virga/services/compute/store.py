# SPDX-License-Identifier: Apache-2.0
"""Compute's tables and queries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from virga.ground import typed
from virga.ground.db.engine import Tx, metadata
from virga.ground.db.rows import Lookup, Prepared, Rows, among
from virga.protocol.machines import Hardware
from virga.services.compute import hardware as hardware_of
from virga.services.compute import model
from virga.services.compute.model import Used

_id = sa.String(36)


def _text(name: str, size: int = 255, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(size), nullable=null)


def _whole(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False)


def _json(name: str, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.JSON(none_as_null=True), nullable=null)


FLAVORS = Rows(
    sa.Table(
        "flavors",
        metadata,
        sa.Column("id", sa.String(255), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False, unique=True),
        _whole("vcpus"),
        _whole("ram"),
        _whole("disk"),
        _whole("ephemeral"),
        _whole("swap"),
        sa.Column("rxtx_factor", sa.Double, nullable=False),
        sa.Column("is_public", sa.Boolean, nullable=False),
        sa.Column("description", sa.Text),
        _json("extra_specs"),
        sa.Column("created", sa.Double, nullable=False),
    ),
    model.Flavor,
)
KEYPAIRS = Rows(
    sa.Table(
        "keypairs",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        _text("user_id", 64),
        _text("name"),
        _text("type", 8),
        sa.Column("public_key", sa.Text, nullable=False),
        _text("fingerprint"),
        sa.Column("created", sa.Double, nullable=False),
        sa.UniqueConstraint("user_id", "name"),
    ),
    model.Keypair,
)
HOSTS = Rows(
    sa.Table(
        "hosts",
        metadata,
        sa.Column("id", _id, primary_key=True),
        sa.Column("name", sa.String(255), nullable=False, unique=True),
        _text("zone"),
        _whole("vcpus"),
        _whole("memory_mb"),
        _whole("disk_gb"),
        _json("hypervisor"),
        sa.Column("enabled", sa.Boolean, nullable=False),
        _text("disabled_reason", null=True),
        sa.Column("forced_down", sa.Boolean, nullable=False),
        sa.Column("seen", sa.Double, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        _whole("number"),
        sa.Column("storages", sa.JSON, nullable=False, server_default="[]"),
        sa.Column("claimed", sa.Boolean, nullable=False, server_default=sa.false()),
    ),
    model.Host,
)
SERVERS = Rows(
    sa.Table(
        "servers",
        metadata,
        sa.Column("id", _id, primary_key=True),
        _text("name"),
        _text("project_id", 64),
        _text("user_id", 64),
        _text("vm_state", 16),
        _text("task_state", 32, null=True),
        _whole("power_state"),
        _text("host", null=True),
        _text("flavor_id"),
        _whole("vcpus"),
        _whole("ram"),
        _whole("disk"),
        _json("flavor"),
        _text("image_id", 36, null=True),
        _text("key_name", null=True),
        sa.Column("key_data", sa.Text),
        sa.Column("user_data", sa.Text),
        _json("metadata"),
        sa.Column("config_drive", sa.Boolean, nullable=False),
        _text("zone", null=True),
        _text("description", null=True),
        _text("hostname"),
        sa.Column("locked", sa.Boolean, nullable=False),
        _text("locked_reason", null=True),
        _json("tags"),
        _text("access_v4", 64),
        _text("access_v6", 64),
        _text("disk_config", 8),
        _json("wanted"),
        _json("groups"),
        _text("reservation_id", 32),
        _whole("launch_index"),
        _text("saga_id", 36, null=True),
        _json("fault", null=True),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("updated", sa.Double, nullable=False),
        sa.Column("launched", sa.Double),
        sa.Column("boot", sa.JSON, nullable=False, server_default="{}"),
        sa.Column("ephemeral", sa.Integer, nullable=False, server_default="0"),
        _text("locked_by", 8, null=True),
        _json("hints", null=True),
        _text("server_group_id", 36, null=True),
        sa.CheckConstraint("task_state is null or saga_id is not null", name="task_has_a_saga"),
        sa.Index("ix_servers_project", "project_id", "created", "id"),
        sa.Index("ix_servers_host", "host"),
        sa.Index("ix_servers_server_group", "server_group_id"),
    ),
    model.Server,
)
SERVER_GROUPS = Rows(
    sa.Table(
        "server_groups",
        metadata,
        sa.Column("id", _id, primary_key=True),
        _text("name"),
        _text("project_id", 64),
        _text("user_id", 64),
        _text("policy", 32),
        _json("rules"),
        sa.Column("created", sa.Double, nullable=False),
        sa.Index("ix_server_groups_project", "project_id", "created", "id"),
    ),
    model.ServerGroup,
)
MACHINES = Rows(
    sa.Table(
        "machines",
        metadata,
        sa.Column("id", _id, primary_key=True),
        sa.Column("server_id", _id, nullable=False),
        sa.Column("host_id", _id, nullable=False),
        _text("role", 16),
        _json("wanted"),
        _whole("generation"),
        _whole("seen"),
        sa.Column("error", sa.Text),
        _text("power", 16, null=True),
        _json("found", null=True),
        sa.Column("reported", sa.Double, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.UniqueConstraint("server_id", "host_id"),
        sa.Index("ix_machines_host", "host_id"),
    ),
    model.MachineRow,
)
sa.Index("ix_machines_undone", MACHINES.c.host_id, MACHINES.c.server_id, sqlite_where=sa.text("seen < generation"))
sa.Index("uq_machines_run", MACHINES.c.server_id, unique=True, sqlite_where=sa.text("role = 'run'"))
ORDERS = Rows(
    sa.Table(
        "orders",
        metadata,
        sa.Column("id", _id, primary_key=True),
        sa.Column("server_id", _id, nullable=False, index=True),
        sa.Column("host_id", _id, nullable=False),
        _text("kind", 32),
        _json("arguments"),
        _text("state", 16),
        _json("progress", null=True),
        _json("result", null=True),
        sa.Column("error", sa.Text),
        sa.Column("saga_id", _id, index=True),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("ended", sa.Double, index=True),
    ),
    model.OrderRow,
)
sa.Index("ix_orders_undone", ORDERS.c.host_id, ORDERS.c.server_id, sqlite_where=sa.text("state = 'wanted'"))
LISTED = SERVERS.narrow(model.ListedServer)
ACTIONS = Rows(
    sa.Table(
        "server_actions",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("server_id", _id, nullable=False, index=True),
        _text("project_id", 64),
        _text("user_id", 64),
        _text("action"),
        _text("request_id", 64),
        sa.Column("start", sa.Double, nullable=False),
        sa.Column("finish", sa.Double),
        sa.Column("message", sa.Text),
        _json("events"),
    ),
    model.ActionRow,
)
c = SERVERS.c


_h = HOSTS.c
_HOSTS = Prepared(sa.select(HOSTS.table), among=_h.id)
_STATES = Prepared(sa.select(_h.name, _h.zone, _h.enabled, _h.forced_down, _h.seen), among=_h.name)


def hosts(tx: Tx, ids: Iterable[str]) -> dict[str, model.Host]:
    """id → host."""
    return {row[0]: model.Host(*row) for row in _HOSTS.rows(tx, ids)}


def host_states(tx: Tx, names: Iterable[str]) -> dict[str, model.HostState]:
    """The hosts of these names, in one query however many there are in the cloud."""
    return {row[0]: model.HostState(*row) for row in _STATES.rows(tx, names)}


def seen(tx: Tx, id: str, project_id: str | None, admin: bool) -> model.Server | None:
    """The server if the project may know of it."""
    return SERVERS.by(tx, id=id) if admin else SERVERS.by(tx, id=id, project_id=project_id or "")


def group_members(tx: Tx, group_ids: Iterable[str]) -> dict[str, list[str]]:
    """Server group → the ids of its members, the oldest first."""
    out: dict[str, list[str]] = {}
    keys = set(group_ids)
    if keys:
        query = sa.select(c.server_group_id, c.id).where(among(tx, c.server_group_id, keys))
        for group_id, id in tx.conn.execute(query.order_by(c.created, c.launch_index, c.id)):
            out.setdefault(group_id, []).append(id)
    return out


def hold_group(tx: Tx, group_id: str) -> None:
    """Until this transaction ends nobody else joins the group, or is placed in it, or takes it away. Best said first."""
    tx.hold(f"server-group:{group_id}")


def group_size(tx: Tx, group_id: str) -> int:
    """How many members a server group has."""
    return SERVERS.count(tx, c.server_group_id == group_id)


def group_hosts(tx: Tx, group_id: str, but: str) -> dict[str, int]:
    """Host name → how many members of a server group are placed there, not counting the server `but`."""
    query = sa.select(c.host, sa.func.count()).where(c.server_group_id == group_id, c.host.is_not(None), c.id != but)
    return {row[0]: int(row[1]) for row in tx.conn.execute(query.group_by(c.host))}


def leave_group(tx: Tx, group_id: str) -> int:
    """Its members are in no group any more: how many there were."""
    return SERVERS.change(tx, c.server_group_id == group_id, server_group_id=None)


def hosts_of_servers(tx: Tx, server_ids: Iterable[str]) -> set[str]:
    """The names of the hosts that these servers are placed on."""
    return {row.host for row in SERVERS.within(tx, "id", server_ids) if row.host is not None}


def host_ids(tx: Tx, names: Iterable[str]) -> dict[str, str]:
    """Host name → id."""
    return {row.name: row.id for row in HOSTS.within(tx, "name", names)}


def boot(server: model.Server) -> model.Boot:
    """What the server was made from."""
    return typed.convert(server.boot, model.Boot)


def hardware(server: model.Server) -> Hardware:
    """What kind of machine the server is."""
    return hardware_of.hardware_for(boot(server), server.flavor.get("extra_specs") or {}, server.vcpus)


_node = sa.bindparam("node", type_=sa.String)
_HEARD = Lookup(
    sa.select(
        HOSTS.c.id,
        sa.or_(
            sa.exists().where(MACHINES.c.host_id == _node, MACHINES.c.seen < MACHINES.c.generation),
            sa.exists().where(ORDERS.c.host_id == _node, ORDERS.c.state == sa.literal_column("'wanted'")),
        ),
    ).where(HOSTS.c.id == _node)
)


def heard(tx: Tx, host_id: str) -> list[str] | None:
    """Servers for which the host has something to do, mostly none; None for a host that is not known. Asked at every beat of every node."""
    row = _HEARD.first(tx, node=host_id)
    if row is None:
        return None
    return undone(tx, host_id) if row[1] else []


def undone(tx: Tx, host_id: str) -> list[str]:
    """Servers for which the host has something to do."""
    m, o = MACHINES.c, ORDERS.c
    query = sa.union(
        sa.select(m.server_id).where(m.host_id == host_id, m.seen < m.generation),
        sa.select(o.server_id).where(o.host_id == host_id, o.state == model.WANTED),
    )
    return [row[0] for row in tx.conn.execute(query)]


def standing(tx: Tx, server_id: str, host_id: str) -> list[model.OrderRow]:
    """What the host should do once for the server, in the order in which it was asked."""
    o = ORDERS.c
    return ORDERS.find(
        tx,
        o.server_id == server_id,
        o.host_id == host_id,
        o.state == model.WANTED,
        order=[o.created, o.id],
    )


def last_order(tx: Tx, server_id: str) -> float:
    """When the newest order for the server was made; 0 when there is none."""
    query = sa.select(sa.func.max(ORDERS.c.created)).where(ORDERS.c.server_id == server_id)
    return float(tx.conn.execute(query).scalar() or 0.0)


def orders_of(tx: Tx, server_id: str, host_id: str, kind: str, saga_id: str) -> list[model.OrderRow]:
    """What a saga ordered of one kind, oldest first."""
    return ORDERS.every(
        tx,
        order=("created", "id"),
        server_id=server_id,
        host_id=host_id,
        kind=kind,
        saga_id=saga_id,
    )


def ordered_by(tx: Tx, saga_id: str, kind: str) -> list[model.OrderRow]:
    """What a saga ordered of one kind, of whichever host."""
    return ORDERS.every(tx, order=("created", "id"), saga_id=saga_id, kind=kind)


def forget_orders(tx: Tx, server_id: str) -> None:
    """Orders for a server that are over; one that a host still has to do stays."""
    ORDERS.delete(tx, ORDERS.c.server_id == server_id, ORDERS.c.state != model.WANTED)


def forget_old_orders(tx: Tx, before: float) -> int:
    """Orders that were over at that time."""
    return ORDERS.delete(tx, ORDERS.c.ended < before)


def servers_on(tx: Tx, host_id: str) -> list[model.Server]:
    """Servers that have a machine on the host."""
    here = sa.select(MACHINES.c.server_id).where(MACHINES.c.host_id == host_id)
    return SERVERS.find(tx, c.id.in_(here))


def images_of(server: model.Server) -> set[str]:
    """The images that a machine of the server is made of: its disk, its kernel, its initial RAM disk."""
    made = boot(server)
    return {id for id in (server.image_id, made.kernel_id, made.ramdisk_id) if id}


def saw(tx: Tx, host_ids: list[str], now: float) -> None:
    """These hosts were heard of."""
    HOSTS.change(tx, HOSTS.c.id.in_(host_ids), seen=now)


def unsettled(tx: Tx) -> list[str]:
    """Servers in no task that are shown otherwise than their machine was last reported."""
    m = MACHINES.c
    runs = m.power.in_(("running", "paused"))
    query = (
        sa.select(c.id)
        .join(MACHINES.table, (m.server_id == c.id) & (m.role == model.RUN))
        .where(
            c.task_state.is_(None),
            m.seen == m.generation,
            m.reported > 0,
            sa.or_(
                (c.vm_state == model.ACTIVE) & sa.not_(sa.func.coalesce(runs, sa.false())),
                (c.vm_state == model.STOPPED) & runs,
            ),
        )
    )
    return [row[0] for row in tx.conn.execute(query)]


def used(tx: Tx) -> dict[str, Used]:
    """What the machines on each host take."""
    query = (
        sa.select(c.host, sa.func.sum(c.vcpus), sa.func.sum(c.ram), sa.func.sum(c.disk + c.ephemeral), sa.func.count())
        .where(c.host.is_not(None))
        .group_by(c.host)
    )
    return {row[0]: Used(int(row[1]), int(row[2]), int(row[3]), int(row[4])) for row in tx.conn.execute(query)}


def begin(tx: Tx, server: model.Server, action: str, request_id: str, user_id: str, now: float) -> None:
    """Open an entry of the server's action log."""
    tx.conn.execute(
        sa.insert(ACTIONS.table).values(
            server_id=server.id,
            project_id=server.project_id,
            user_id=user_id,
            action=action,
            request_id=request_id,
            start=now,
            finish=None,
            message=None,
            events=[],
        )
    )


def end(tx: Tx, server_id: str, now: float, event: str, error: str | None = None, host: str | None = None) -> None:
    """Close the newest open entry of the server's action log, with what happened."""
    a = ACTIONS.c
    row = ACTIONS.one(
        tx, a.id == sa.select(sa.func.max(a.id)).where(a.server_id == server_id, a.finish.is_(None)).scalar_subquery()
    )
    if row is None:
        return
    note = {
        "event": event,
        "start": row.start,
        "finish": now,
        "result": "Error" if error else "Success",
        "host": host,
        "details": error,
    }
    ACTIONS.change(tx, a.id == row.id, finish=now, message="Error" if error else None, events=[*row.events, note])


def new_keypair(tx: Tx, **values: Any) -> model.Keypair:
    id = tx.conn.execute(sa.insert(KEYPAIRS.table).values(**values).returning(KEYPAIRS.c.id)).scalar_one()
    return model.Keypair(id=id, **values)


def next_number(tx: Tx) -> int:
    return int(tx.conn.execute(sa.select(sa.func.coalesce(sa.func.max(HOSTS.c.number), 0))).scalar_one()) + 1
