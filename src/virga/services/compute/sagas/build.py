# SPDX-License-Identifier: Apache-2.0
"""Create a server: place, claim ports, hand to the node, await it."""

from __future__ import annotations

import dataclasses

import msgspec

from virga.ground.errors import Conflict, Invalid, NotFound, Problem
from virga.ground.sagas import Again, Context, Saga, Step
from virga.protocol.machines import Nic, Wanted
from virga.services.compute import hosts as hosts_of
from virga.services.compute import machines, model, placement, store
from virga.services.compute.sagas import hand
from virga.services.compute.settings import Compute
from virga.services.images import api as images
from virga.services.network import api as network
from virga.services.placement import api as inventories


def verify(ctx: Context) -> str:
    """The image's signature holds against its bytes, by a certificate that is trusted now."""
    with ctx.db.read() as tx:
        row = hand.server(ctx, tx)
    if row is None or row.image_id is None:
        raise NotFound("The server is gone.")
    try:
        return images.verify(ctx, row.image_id, f"server:{row.id}")
    except Invalid as e:
        raise Unverified(f"Image {row.image_id} is not verified (compute.verify_image_signatures): {e.message}") from e


class Unverified(Problem):
    """The operator lets machines be built of signed images only, and this one is not, or not rightly."""


class NoValidHost(Problem):
    """No host takes the machine; the message names each and what it lacks."""


def place(ctx: Context) -> str | None:
    """Choose the host in the transaction that counts what is used, so that two builds never share the last room."""
    ctx.tx.hold("placement")
    row = hand.server(ctx, ctx.tx)
    if row is None:
        raise NotFound("The server is gone.")
    need = placement.Need(
        row.vcpus,
        row.ram,
        row.disk + row.ephemeral,
        zone=row.zone,
        host=ctx.args.get("host"),
        hardware=store.hardware(row),
    )
    own = ctx.doors.use(Compute)
    hosts = store.HOSTS.find(ctx.tx)
    chosen, reasons = placement.choose(hosts, hosts_of.used(ctx.tx), need, own, ctx.world.now())
    if chosen is None:
        raise NoValidHost(placement.no_valid_host(reasons))
    try:
        inventories.claim(
            ctx.tx,
            ctx.world.now(),
            row.id,
            chosen.id,
            hosts_of.amounts(row),
            project_id=row.project_id,
            user_id=row.user_id,
        )
    except Conflict as e:  # somebody else took it meanwhile, by placement's own API: look again
        raise Again(0.1) from e
    store.SERVERS.put(ctx.tx, row.id, host=chosen.name, task_state="spawning")
    return chosen.name


def unplace(ctx: Context) -> None:
    inventories.release(ctx.tx, ctx.world.now(), ctx.args["server"])
    store.SERVERS.put(ctx.tx, ctx.args["server"], host=None)


def claim_ports(ctx: Context) -> list[str]:
    """Bind the caller's ports and make the others, with addresses and security groups."""
    row = hand.server(ctx, ctx.tx)
    if row is None:
        raise NotFound("The server is gone.")
    wanted = msgspec.convert(row.wanted, list[network.Wanted])
    call = hand.as_call(ctx, ctx.tx, row.project_id)
    return network.claim(call, row.id, row.project_id, row.host or "", wanted, row.groups, row.zone or "nova")


def release_ports(ctx: Context) -> None:
    row = hand.server(ctx, ctx.tx)
    project = row.project_id if row is not None else None
    network.release(hand.as_call(ctx, ctx.tx, ""), ctx.args["server"], project)


def assign(ctx: Context) -> int:
    """Tell the node; from here on the machine may exist."""
    row = hand.server(ctx, ctx.tx)
    if row is None:
        raise NotFound("The server is gone.")
    nics = [
        Nic(port_id=n.port_id, mac=n.mac, mtu=n.mtu, network_id=n.network_id)
        for n in network.nics(ctx.tx, row.id, row.project_id)
    ]
    want = Wanted(power="running", nics=nics)
    return machines.assign(ctx.tx, ctx.doors, row.id, hand.host_id(ctx.tx, row), want).generation


def unassign(ctx: Context) -> None:
    """The host lets go of the machine, and its disks, of which there may be some, go."""
    with ctx.db.write() as tx:
        row = hand.server(ctx, tx)
        hand.withdraw(ctx, tx)
        hosts = [hand.host_id(tx, row)] if row is not None and row.host is not None else []
    hand.await_withdrawn(ctx)
    hand.destroy_disks(ctx, hosts)


def await_running(ctx: Context) -> None:
    """The node reports the generation that it was given."""
    hand.awaited(ctx, ctx.notes["assign"])


def done(ctx: Context) -> None:
    row = hand.server(ctx, ctx.tx)
    if row is None:
        return
    now = ctx.world.now()
    store.SERVERS.put(
        ctx.tx,
        row.id,
        vm_state=model.ACTIVE,
        task_state=None,
        saga_id=None,
        power_state=model.RUNNING,
        launched=now,
        updated=now,
    )
    store.end(ctx.tx, row.id, now, "compute__do_build_and_run_instance", host=row.host)
    hand.tell(ctx, ctx.tx, row, "active")


def failed(ctx: Context) -> None:
    row = hand.server(ctx, ctx.tx)
    if row is None:
        return
    now = ctx.world.now()
    store.SERVERS.put(
        ctx.tx,
        row.id,
        vm_state=model.ERROR,
        task_state=None,
        saga_id=None,
        power_state=model.NOSTATE,
        fault=hand.fault(ctx),
        updated=now,
    )
    store.end(ctx.tx, row.id, now, "compute__do_build_and_run_instance", error=ctx.error)
    hand.tell(ctx, ctx.tx, row, "error", ctx.error)


CREATE_SERVER = Saga(
    "compute.create_server",
    (
        Step(place, unplace, atomic=True),
        Step(claim_ports, release_ports, atomic=True),
        Step(assign, None, atomic=True),
        Step(await_running, unassign),
    ),
    deadline=900,
    done=done,
    failed=failed,
    superseded=hand.superseded,
)

CREATE_VERIFIED_SERVER = dataclasses.replace(
    CREATE_SERVER, name="compute.create_verified_server", steps=(Step(verify), *CREATE_SERVER.steps)
)
