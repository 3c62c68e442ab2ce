# SPDX-License-Identifier: Apache-2.0
"""Compute's tables and queries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import sqlalchemy as sa

from virga.ground.db.engine import Tx, metadata
from virga.ground.db.rows import Prepared, Rows
from virga.services.compute import hardware as hardware_of
from virga.services.compute import model
from virga.services.compute.driver import Hardware
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
        _whole("generation"),
        _text("verb", 16),
        _whole("seen_generation"),
        sa.Column("seen_error", sa.Text),
        _text("saga_id", 36, null=True),
        _json("fault", null=True),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("updated", sa.Double, nullable=False),
        sa.Column("launched", sa.Double),
        sa.Column("boot", sa.JSON, nullable=False, server_default="{}"),
        _text("verb_image", 36, null=True),
        sa.Column("ephemeral", sa.Integer, nullable=False, server_default="0"),
        _text("locked_by", 8, null=True),
        sa.CheckConstraint("task_state is null or saga_id is not null", name="task_has_a_saga"),
        sa.Index("ix_servers_project", "project_id", "created", "id"),
        sa.Index("ix_servers_host", "host"),
    ),
    model.Server,
)
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
_STATES = Prepared(sa.select(_h.name, _h.zone, _h.enabled, _h.forced_down, _h.seen), among=_h.name)


def host_states(tx: Tx, names: Iterable[str]) -> dict[str, model.HostState]:
    """The hosts of these names, in one query however many there are in the cloud."""
    return {row[0]: model.HostState(*row) for row in _STATES.rows(tx, names)}


def seen(tx: Tx, id: str, project_id: str | None, admin: bool) -> model.Server | None:
    """The server if the project may know of it."""
    return SERVERS.by(tx, id=id) if admin else SERVERS.by(tx, id=id, project_id=project_id or "")


def boot(server: model.Server) -> model.Boot:
    """What the server was made from."""
    return msgspec.convert(server.boot, model.Boot)


def hardware(server: model.Server) -> Hardware:
    """What kind of machine the server is."""
    return hardware_of.chosen(boot(server), server.flavor.get("extra_specs") or {}, server.vcpus)


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
