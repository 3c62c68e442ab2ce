# SPDX-License-Identifier: Apache-2.0
"""Create a server: place, claim ports, hand to the node, await it."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence

from virga.ground import typed
from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict, Invalid, NotFound, Problem
from virga.ground.sagas import Again, Context, Saga, Step
from virga.protocol.machines import DesiredState, Nic
from virga.services.compute import hosts as hosts_of
from virga.services.compute import machines, model, store
from virga.services.compute.sagas import node_steps
from virga.services.compute.scheduler import ask, choose, filters, hints
from virga.services.compute.settings import Compute
from virga.services.images import api as images
from virga.services.network import api as network
from virga.services.placement import api as inventories


def verify(ctx: Context) -> str:
    """The image's signature holds against its bytes, by a certificate that is trusted now. Raises NotFound."""
    with ctx.db.read() as tx:
        row = node_steps.server(ctx, tx)
    if row is None or row.image_id is None:
        raise NotFound("The server is gone.")
    try:
        return images.verify(ctx, row.image_id, f"server:{row.id}")
    except Invalid as e:
        raise Unverified(f"Image {row.image_id} is not verified (compute.verify_image_signatures): {e.message}") from e


class Unverified(Problem):
    """The operator lets machines be built of signed images only, and this one is not, or not rightly."""


class NoValidHost(Problem):
    """No host takes the machine. The first line of the message is for everybody: how many hosts lack what; the others, for
    administrators, name each host."""


def place(ctx: Context) -> str | None:
    """Choose a host and claim what the machine takes of it, in the transaction that writes it down. Placement gives the hosts that have
    room, a lot at a time; filters and weighers order a lot; the first whose generation is still what was seen is taken. Who loses a
    host to another build tries the next, and looks anew when all were lost: a build is refused for want of room alone. Builds of one
    server group are placed one after the other: each sees where those before it are. Raises NotFound."""
    if ctx.args.get("group") is not None:
        store.hold_group(ctx.tx, ctx.args["group"])
    row = node_steps.server(ctx, ctx.tx)
    if row is None:
        raise NotFound("The server is gone.")
    spec, own = _spec(ctx, row), ctx.registry.use(Compute)
    using = filters.named(own.enabled_filters)
    multipliers = {
        "RAMWeigher": own.ram_weight_multiplier,
        "CPUWeigher": own.cpu_weight_multiplier,
        "DiskWeigher": own.disk_weight_multiplier,
    }
    for _ in range(LOOKS):
        lost = False
        # What is looked at and not taken is no matter of this transaction: on PostgreSQL a claim of another host would undo it.
        with ctx.db.read() as view:
            left = _offers(view, spec.need)
            while lot := list(itertools.islice(left, LOT)):
                offers = {offer.host: offer for offer in reversed(lot)}  # of several ways in one host, the first
                states = hosts_of.states(view, {offer.host: offer.inventories for offer in offers.values()})
                for state in choose.ranked(states, spec, row.id, filters=using, multipliers=multipliers):
                    if _claimed(ctx, row, offers[state.host.id]):
                        store.SERVERS.put(ctx.tx, row.id, host=state.host.name, task_state="spawning")
                        return state.host.name
                    lost = True
            if not lost:
                raise NoValidHost(_why(ctx, view, spec, using))
    raise Again(0.05)


LOT = 32
"""How many hosts are weighed against each other: those of all with room that have the most memory free."""
MOST_PREFERRED = 8
"""How many hosts that have members of a server group are looked at before all others."""
LOOKS = 4
"""How often a build whose every candidate was taken meanwhile looks again before it lets others run."""
MOST_EXPLAINED = 1000
"""How many hosts a refusal looks at."""


def _offers(tx: Tx, need: ask.Need) -> Iterator[inventories.Offer]:
    """What the hosts that may do offer. Where some are better than others for who else is there, those are asked first, so that they are
    weighed against the first of the others; they are asked again among these, which does no harm."""
    if need.only is not None:
        return _offers_of(tx, need, need.only)
    rather = need.group.rather[:MOST_PREFERRED] if need.group is not None else []
    return itertools.chain(_offers_of(tx, need, rather), inventories.offers(tx, ask.request(need), LOT))


def _offers_of(tx: Tx, need: ask.Need, names: Iterable[str]) -> Iterator[inventories.Offer]:
    for _, id in sorted(store.host_ids(tx, names).items()):
        yield from inventories.offers(tx, ask.request(need, id), LOT)


def _claimed(ctx: Context, row: model.Server, offer: inventories.Offer) -> bool:
    now = ctx.world.now()
    try:
        inventories.accept(ctx.tx, now, row.id, offer, project_id=row.project_id, user_id=row.user_id)
    except inventories.Raced:
        return False
    except Conflict as e:
        # somebody changes the inventory itself at this moment: look again, in a transaction of its own
        raise Again(0.05) from e
    return True


def _spec(ctx: Context, row: model.Server) -> filters.Spec:
    """What the scheduler is to know of a machine. Raises NotFound for a host that is gone."""
    name = ctx.args.get("host")
    if name is not None and store.HOSTS.by(ctx.tx, name=name) is None:
        raise NotFound(f"Compute host {name} could not be found.")
    told = hints.read(row.hints or {})
    need = ask.Need(
        vcpus=row.vcpus,
        ram=row.ram,
        disk=row.disk + row.ephemeral,
        zone=row.zone,
        host=name,
        specs=row.flavor.get("extra_specs") or {},
        properties=store.boot(row).properties,
        same=frozenset(store.hosts_of_servers(ctx.tx, told.same_host)) if told.same_host is not None else None,
        different=frozenset(store.hosts_of_servers(ctx.tx, told.different_host)),
        group=_companions(ctx.tx, row),
        near=told.near,
        query=told.query,
    )
    return filters.Spec(need, ctx.world.now(), store.hardware(row))


def _companions(tx: Tx, row: model.Server) -> ask.Companions | None:
    """Where the others of the server's group are."""
    group = store.SERVER_GROUPS.get(tx, row.server_group_id) if row.server_group_id is not None else None
    if group is None:
        return None
    return ask.Companions(group.policy, store.group_hosts(tx, group.id, but=row.id), group.most_on_a_host)


def _why(ctx: Context, view: Tx, spec: filters.Spec, using: Sequence[filters.Filter]) -> str:
    states, hosts = hosts_of.looked_at(view, MOST_EXPLAINED, spec.need.host)
    return choose.no_valid_host(choose.reasons(states, spec, using), hosts)


def unplace(ctx: Context) -> None:
    inventories.release(ctx.tx, ctx.args["server"])
    store.SERVERS.put(ctx.tx, ctx.args["server"], host=None)


def claim_ports(ctx: Context) -> list[str]:
    """Bind the caller's ports and make the others, with addresses and security groups. Raises NotFound."""
    row = node_steps.server(ctx, ctx.tx)
    if row is None:
        raise NotFound("The server is gone.")
    requested = typed.convert(row.wanted, list[network.RequestedNetwork])
    call = node_steps.as_act(ctx, ctx.tx, row.project_id)
    return network.claim(
        call,
        row.id,
        row.project_id,
        host=row.host or "",
        requested=requested,
        group_ids=row.groups,
        zone=row.zone or "nova",
    )


def release_ports(ctx: Context) -> None:
    row = node_steps.server(ctx, ctx.tx)
    project = row.project_id if row is not None else None
    network.release(node_steps.as_act(ctx, ctx.tx, ""), ctx.args["server"], project)


def assign(ctx: Context) -> int:
    """Tell the node; from here on the machine may exist. Raises NotFound."""
    row = node_steps.server(ctx, ctx.tx)
    if row is None:
        raise NotFound("The server is gone.")
    nics = [
        Nic(port_id=n.port_id, mac=n.mac, mtu=n.mtu, network_id=n.network_id)
        for n in network.nics(ctx.tx, row.id, row.project_id)
    ]
    want = DesiredState(power="running", nics=nics)
    return machines.assign(ctx.tx, ctx.registry, row.id, node_steps.host_id(ctx.tx, row), want).generation


def unassign(ctx: Context) -> None:
    """The host lets go of the machine, and its disks, of which there may be some, go."""
    with ctx.db.write() as tx:
        row = node_steps.server(ctx, tx)
        node_steps.withdraw(ctx, tx)
        hosts = [node_steps.host_id(tx, row)] if row is not None and row.host is not None else []
    node_steps.await_withdrawn(ctx)
    node_steps.destroy_disks(ctx, hosts)


def await_running(ctx: Context) -> None:
    """The node reports the generation that it was given."""
    node_steps.await_report(ctx, ctx.notes["assign"])


def done(ctx: Context) -> None:
    row = node_steps.server(ctx, ctx.tx)
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
    node_steps.emit_changed(ctx, ctx.tx, row, "active")


def failed(ctx: Context) -> None:
    row = node_steps.server(ctx, ctx.tx)
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
        fault=node_steps.fault(ctx),
        updated=now,
    )
    store.end(ctx.tx, row.id, now, "compute__do_build_and_run_instance", error=ctx.error)
    node_steps.emit_changed(ctx, ctx.tx, row, "error", ctx.error)


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
    superseded=node_steps.superseded,
)

CREATE_VERIFIED_SERVER = dataclasses.replace(
    CREATE_SERVER, name="compute.create_verified_server", steps=(Step(verify), *CREATE_SERVER.steps)
)
