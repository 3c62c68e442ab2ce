# SPDX-License-Identifier: Apache-2.0
"""Server groups: whose servers should be on one host, or on hosts apart. Who is in one is written down with the server itself."""

from __future__ import annotations

from virga.authority import limits as limit_checks
from virga.authority.rules import allow, is_admin
from virga.ground.act import Act
from virga.ground.errors import Forbidden, Invalid, NotFound
from virga.ground.http.call import Call
from virga.ground.wire import UNSET
from virga.services.compute import limits, model, policy, store, wire
from virga.services.compute.actions import names

Shown = tuple[model.ServerGroup, list[str]]
"""A group, and the ids of its members."""
SOFT_SINCE = (2, 15)
MOST = 1000
"""How many groups one answer lists."""


def found(act: Act, id: str) -> model.ServerGroup:
    """Raises NotFound for a group that there is not, or of another project unless the caller is an administrator."""
    group = store.SERVER_GROUPS.get(act.tx, id)
    if group is None or (group.project_id != act.actor.project_id and not is_admin(act.actor)):
        raise NotFound(f"Instance group {id[:64]} could not be found.")
    return group


def joining(act: Act, id: str, count: int) -> model.ServerGroup:
    """The group that `count` new servers will be in. Until this transaction ends no others join it, and it stays. Raises Invalid for
    one that the caller does not see, Forbidden when it may not have that many members."""
    store.hold_group(act.tx, id)
    try:
        group = found(act, id)
    except NotFound as e:
        raise Invalid(e.message, field="group") from None
    have, most = store.group_size(act.tx, id), limits.server_group_members(act.tx, group.project_id)
    if have + count > most:
        raise Forbidden(
            f"Quota exceeded, too many servers in group: {count} wanted, {have} are in it, at most {most}",
            limit=limits.SERVER_GROUP_MEMBERS.name,
        )
    return group


def create(call: Call, body: wire.CreateServerGroup | wire.CreateServerGroupOfPolicies) -> Shown:
    """POST /os-server-groups. Raises Invalid for rules of another policy than anti-affinity, OverQuota.
    Raises Forbidden."""
    project = call.actor.project_id
    if project is None:
        raise Forbidden("A token of a project is needed to create server groups.")
    allow(call, policy.SERVER_GROUPS_CREATE, project_id=project)
    name = names.printable(body.name)
    if isinstance(body, wire.CreateServerGroup):
        wanted, rules = body.policy, _rules(body)
    else:
        wanted, rules = body.policies[0], {}
        if wanted.startswith("soft-") and call.version < SOFT_SINCE:
            raise Invalid(
                f"Invalid input for field 'policies': {wanted} is there since microversion 2.15", field="policies"
            )
    limit_checks.check(call.tx, project, {limits.SERVER_GROUPS: 1})
    group = store.SERVER_GROUPS.insert(
        call.tx,
        id=call.world.uuid(),
        name=name,
        project_id=project,
        user_id=call.actor.user_id,
        policy=wanted,
        rules=rules,
        created=call.now(),
    )
    return group, []


def _rules(body: wire.CreateServerGroup) -> dict[str, int]:
    most = body.rules.max_server_per_host if body.rules is not UNSET else UNSET
    if most is UNSET:
        return {}
    if body.policy != model.ANTI_AFFINITY:
        raise Invalid("Only anti-affinity policy supports rules.", field="rules")
    text = str(most)
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= 2**31 - 1:
        raise Invalid(
            f"Invalid input for field 'max_server_per_host': a whole number from 1 to {2**31 - 1} is needed",
            field="max_server_per_host",
        )
    return {"max_server_per_host": int(text)}


def index(call: Call) -> list[Shown]:
    """GET /os-server-groups: those of the project, or of all for administrators who say `all_projects`, the oldest first."""
    allow(call, policy.SERVER_GROUPS, project_id=call.actor.project_id)
    c, q = store.SERVER_GROUPS.c, call.query
    where = [c.project_id == (call.actor.project_id or "")]
    if "all_projects" in q and is_admin(call.actor):
        allow(call, policy.SERVER_GROUPS_ALL)
        where = []
    offset, limit = q.whole("offset", 0) or 0, min(q.whole("limit", MOST) or MOST, MOST)
    rows = store.SERVER_GROUPS.find(call.tx, *where, order=(c.created, c.id), limit=offset + limit)[offset:]
    members = store.group_members(call.tx, (row.id for row in rows))
    return [(row, members.get(row.id, [])) for row in rows]


def show(act: Act, id: str) -> Shown:
    """GET /os-server-groups/{id}"""
    group = found(act, id)
    allow(act, policy.SERVER_GROUPS_SHOW, project_id=group.project_id)
    return group, store.group_members(act.tx, [id]).get(id, [])


def delete(act: Act, id: str) -> None:
    """DELETE /os-server-groups/{id}: its members go on as they are, in no group."""
    store.hold_group(act.tx, id)
    group = found(act, id)
    allow(act, policy.SERVER_GROUPS_DELETE, project_id=group.project_id)
    store.leave_group(act.tx, id)
    store.SERVER_GROUPS.delete(act.tx, store.SERVER_GROUPS.c.id == id)
