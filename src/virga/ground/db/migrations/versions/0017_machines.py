# SPDX-License-Identifier: Apache-2.0
"""Machines beside servers: what each host should run, and what it was ordered once. Servers of before keep their machines."""

import json
import time
import uuid
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0014"
branch_labels = None
depends_on = None

ID = sa.String(length=36)


def upgrade() -> None:
    op.create_table(
        "machines",
        sa.Column("id", ID, nullable=False),
        sa.Column("server_id", ID, nullable=False),
        sa.Column("host_id", ID, nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("wanted", sa.JSON(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("power", sa.String(length=16), nullable=True),
        sa.Column("found", sa.JSON(), nullable=True),
        sa.Column("reported", sa.Double(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_machines")),
        sa.UniqueConstraint("server_id", "host_id", name=op.f("uq_machines_server_id")),
    )
    op.create_index("ix_machines_host", "machines", ["host_id"], unique=False)
    _partial("ix_machines_undone", "machines", ["host_id", "server_id"], "seen < generation", unique=False)
    _partial("uq_machines_run", "machines", ["server_id"], "role = 'run'", unique=True)
    op.create_table(
        "orders",
        sa.Column("id", ID, nullable=False),
        sa.Column("server_id", ID, nullable=False),
        sa.Column("host_id", ID, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=True),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("saga_id", ID, nullable=True),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("ended", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
    )
    for column in ("server_id", "saga_id", "ended"):
        op.create_index(op.f(f"ix_orders_{column}"), "orders", [column], unique=False)
    _partial("ix_orders_undone", "orders", ["host_id", "server_id"], "state = 'wanted'", unique=False)
    with op.batch_alter_table("hosts") as table:
        table.add_column(sa.Column("storages", sa.JSON(), nullable=False, server_default="[]"))
        table.add_column(sa.Column("claimed", sa.Boolean(), nullable=False, server_default=sa.false()))
    _machines_of_servers()
    with op.batch_alter_table("servers") as table:
        for name in ("generation", "verb", "seen_generation", "seen_error", "verb_image"):
            table.drop_column(name)


def _partial(name: str, table: str, columns: list[str], where: str, *, unique: bool) -> None:
    op.create_index(
        name,
        table,
        columns,
        unique=unique,
        sqlite_where=sa.text(where),
        postgresql_where=sa.text(where),
    )


POWER = {"run": "running", "reboot_soft": "running", "reboot_hard": "running", "stop": "stopped", "remove": "gone"}
"""What a verb of before asked for; snapshot and tidy left the machine as it was."""


def _machines_of_servers() -> None:
    """A machine for each server that was handed to a host, with the nics that its ports are."""
    conn = op.get_bind()
    nics = _nics(conn)
    query = sa.text(
        "select s.id, h.id, s.generation, s.verb, s.seen_generation, s.seen_error, s.power_state, s.project_id, s.created "
        "from servers s join hosts h on h.name = s.host where s.generation > 0"
    )
    rows = []
    for id, host, generation, verb, seen, error, power, project, created in conn.execute(query):
        wanted = POWER.get(verb) or ("running" if power == 1 else "stopped")
        rows.append(
            {
                "id": str(uuid.uuid4()),
                "server_id": id,
                "host_id": host,
                "role": "withdrawn" if wanted == "gone" else "run",
                "wanted": json.dumps({"power": wanted, "nics": nics.get((id, project), []), "disks": []}),
                "generation": generation,
                "seen": min(seen, generation),
                "error": error,
                "power": None,
                "found": None,
                "reported": 0.0,
                "created": created or time.time(),
            }
        )
    if rows:
        json_ = "" if conn.dialect.name == "sqlite" else "::json"
        conn.execute(
            sa.text(
                "insert into machines (id, server_id, host_id, role, wanted, generation, seen, error, power, found, reported, created) "
                f"values (:id, :server_id, :host_id, :role, (:wanted){json_}, :generation, :seen, :error, :power, (:found){json_}, "
                ":reported, :created)"
            ),
            rows,
        )


def _nics(conn: sa.Connection) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """(server, project) → its nics, in the order in which they were made."""
    query = sa.text(
        "select p.device_id, p.project_id, p.id, p.mac, n.mtu, p.network_id from ports p join networks n on n.id = p.network_id "
        "where p.device_owner like 'compute:%' order by p.created, p.id"
    )
    out: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for device, project, port, mac, mtu, network in conn.execute(query):
        nic = {"port_id": port, "mac": mac, "mtu": mtu, "network_id": network}
        out.setdefault((device, project), []).append(nic)
    return out
