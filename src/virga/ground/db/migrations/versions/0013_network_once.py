# SPDX-License-Identifier: Apache-2.0
"""Network: one gateway a router, one leg a subnet, one floating IP an address, one default group a project."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("port_ips", sa.Column("router_id", sa.String(length=36), nullable=True))
    op.execute(
        "update port_ips set router_id = (select p.device_id from ports p where p.id = port_ips.port_id) where port_id in"
        " (select p.id from ports p join routers r on r.id = p.device_id where p.device_owner = 'network:router_interface')"
    )
    op.execute(  # a second leg in one subnet stays until it is taken off
        "update port_ips set router_id = null where exists (select 1 from port_ips o where o.router_id = port_ips.router_id"
        " and o.subnet_id = port_ips.subnet_id and (o.port_id < port_ips.port_id"
        " or (o.port_id = port_ips.port_id and o.ip < port_ips.ip)))"
    )
    left = "select id from ports where device_owner = 'network:router_gateway' and id not in (select gateway_port_id from routers where gateway_port_id is not null)"
    for table in ("port_ips", "port_security_groups"):
        op.execute(f"delete from {table} where port_id in ({left})")
    op.execute(f"delete from ports where id in ({left})")
    op.execute(
        "update floating_ips set fixed_port_id = null, fixed_ip = null, router_id = null, status = 'DOWN' where exists"
        " (select 1 from floating_ips o where o.fixed_port_id = floating_ips.fixed_port_id and o.fixed_ip = floating_ips.fixed_ip"
        " and o.id < floating_ips.id)"
    )
    op.execute(
        "update security_groups set is_default = false where is_default and exists (select 1 from security_groups o"
        " where o.project_id = security_groups.project_id and o.is_default and o.id < security_groups.id)"
    )
    op.create_index("uq_port_ips_router_id", "port_ips", ["router_id", "subnet_id"], unique=True)
    op.create_index("uq_floating_ips_fixed", "floating_ips", ["fixed_port_id", "fixed_ip"], unique=True)
    for name, table, column, where in (
        ("uq_ports_gateway", "ports", "device_id", "device_owner = 'network:router_gateway'"),
        ("uq_ports_metadata", "ports", "network_id", "device_owner = 'network:distributed'"),
        ("uq_security_groups_default", "security_groups", "project_id", "is_default"),
    ):
        op.create_index(
            name, table, [column], unique=True, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
        )
