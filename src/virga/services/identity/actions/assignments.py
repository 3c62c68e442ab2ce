# SPDX-License-Identifier: Apache-2.0
"""Who has which role where: the grants as they were made, or (`effective`) what comes of them for each user."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from virga.authority.rules import allow
from virga.ground.db.engine import Tx
from virga.ground.db.rows import Rows
from virga.ground.errors import Invalid
from virga.ground.http.call import Call
from virga.services.identity import policy, store
from virga.services.identity.actions import projects


@dataclass(frozen=True)
class Assignment:
    """A role of a user or a group on a target. For an effective one, `group_id` is the group it came by, `from_target` where an
    inherited grant was made, `prior_id` the role that implies it."""

    role_id: str
    user_id: str | None
    group_id: str | None
    target: str
    target_id: str
    inherited: bool
    from_target: tuple[str, str] | None = None
    prior_id: str | None = None
    effective: bool = field(default=False, compare=False)


def _flag(call: Call, name: str) -> bool:
    return name in call.query and bool(call.query.yes(name))


class Named(NamedTuple):
    """What an id stands for: its name, and the domain it is in (id and name), if it is in one."""

    name: str
    domain: tuple[str, str] | None


def index(call: Call) -> tuple[list[Assignment], dict[str, Named]]:
    """GET /v3/role_assignments: those that are asked for, and what their ids stand for where `include_names` is said."""
    rows = _asked(call)
    return rows, _names(call.tx, rows) if _flag(call, "include_names") else {}


def _names(tx: Tx, rows: Iterable[Assignment]) -> dict[str, Named]:
    """Every id that occurs, in as many questions as there are kinds of things."""
    ids = {id for r in rows for id in (r.user_id, r.group_id, r.role_id, r.target_id) if id is not None}
    tables: tuple[Rows[Any], ...] = (store.USERS, store.GROUPS, store.PROJECTS, store.ROLES)
    things = [thing for table in tables for thing in table.within(tx, "id", ids)]
    homes = {thing.domain_id for thing in things if thing.domain_id is not None}
    domains = {d.id: d.name for d in store.DOMAINS.within(tx, "id", ids | homes)}
    out = {id: Named(name, None) for id, name in domains.items() if id in ids}
    for thing in things:
        home = domains.get(thing.domain_id)
        out[thing.id] = Named(thing.name, None if home is None else (thing.domain_id, home))
    return out


def _asked(call: Call) -> list[Assignment]:
    """By role.id, user.id, group.id, scope.project.id, scope.domain.id, scope.system,
    scope.OS-INHERIT:inherited_to, effective, include_subtree."""
    q, own = call.query, call.actor.domain_id
    subtree, effective = _flag(call, "include_subtree"), _flag(call, "effective")
    project_id, domain_id, system = q.get("scope.project.id"), q.get("scope.domain.id"), q.get("scope.system")
    user_id, group_id, role_id = q.get("user.id"), q.get("group.id"), q.get("role.id")
    inherited = q.get("scope.OS-INHERIT:inherited_to") == "projects" if "scope.OS-INHERIT:inherited_to" in q else None
    if subtree:
        root = store.PROJECTS.get(call.tx, project_id or "")
        target = {"target.domain_id": root.domain_id, "target.project.id": root.id} if root is not None else None
        as_domain = (
            store.DOMAINS.get(call.tx, project_id or "") is not None
        )  # a domain acts as the project above its projects
        allow(call, policy.LIST_ROLE_ASSIGNMENTS_FOR_TREE, target=target)
        if not project_id:
            raise Invalid(
                "scope.project.id must be specified if include_subtree is also specified", field="scope.project.id"
            )
        if not as_domain:
            projects.found(call.tx, project_id)
    else:
        allow(call, policy.LIST_ROLE_ASSIGNMENTS, target={"target.domain_id": own} if own else None)
    for one, other, words in (
        (domain_id, project_id, "Specify a domain or project, not both"),
        (domain_id, system, "Specify system or domain, not both"),
        (project_id, system, "Specify system or project, not both"),
        (user_id, group_id, "Specify a user or group, not both"),
        (effective and group_id, True, "Combining effective and group filter will always result in an empty list."),
        (
            effective and inherited and domain_id,
            True,
            "Combining effective, domain and inherited filters will always result in an empty list.",
        ),
    ):
        if one and other:
            raise Invalid(words)
    wanted: set[tuple[str, str]] | None = None
    if project_id:
        wanted = {("project", project_id)}
        if subtree:
            wanted |= {("project", p.id) for p in projects.below(call.tx, project_id)}
    elif domain_id:
        wanted = {("domain", domain_id)}
    elif system:
        wanted = {("system", "system")}
    rows = list(
        _effective(call.tx, user_id, wanted, inherited)
        if effective
        else _direct(call.tx, user_id, group_id, wanted, inherited)
    )
    if role_id:
        rows = [r for r in rows if r.role_id == role_id]
    if own is not None:
        inside = {
            p.id for p in store.PROJECTS.within(call.tx, "id", {r.target_id for r in rows}) if p.domain_id == own
        } | {own}
        rows = [r for r in rows if r.target_id in inside]
    return sorted(rows, key=lambda r: (r.target, r.target_id, r.user_id or "", r.group_id or "", r.role_id))


def _direct(
    tx: Tx, user_id: str | None, group_id: str | None, wanted: set[tuple[str, str]] | None, inherited: bool | None
) -> Iterator[Assignment]:
    sides: tuple[tuple[str, Rows[Any], str | None, str | None], ...] = (
        ("user", store.GRANTS, user_id, group_id),
        ("group", store.GROUP_GRANTS, group_id, user_id),
    )
    for who, rows, id, other in sides:
        if other:
            continue
        where = [rows.c[f"{who}_id"] == id] if id else []
        if inherited is not None:
            where.append(rows.c.inherited.is_(inherited))
        if wanted is None:
            found = rows.find(tx, *where)
        else:
            kind = next(iter(wanted))[0]
            found = rows.within(tx, "target_id", [t for _, t in wanted], rows.c.target == kind, *where)
        for g in found:
            yield Assignment(
                g.role_id,
                g.user_id if who == "user" else None,
                g.group_id if who == "group" else None,
                g.target,
                g.target_id,
                g.inherited,
            )


def _effective(
    tx: Tx, user_id: str | None, wanted: set[tuple[str, str]] | None, inherited: bool | None
) -> Iterator[Assignment]:
    """Groups become their members, inherited grants the projects below, roles what they imply."""
    rows = [*_direct(tx, user_id, None, None, None)]
    if user_id:
        mine = set(store.groups_of(tx, user_id))
        rows += [r for r in _direct(tx, None, None, None, None) if r.group_id in mine]
    roles = {r.id: r for r in store.ROLES.find(tx)}
    brings: dict[str, list[str]] = {}
    for pair in store.IMPLIED_ROLES.find(tx):
        brings.setdefault(pair.prior_id, []).append(pair.implied_id)
    seen: set[Assignment] = set()
    for row in rows:
        if inherited is not None and row.inherited is not inherited:
            continue
        for placed in _placed(tx, row):
            if wanted is not None and (placed.target, placed.target_id) not in wanted:
                continue
            for person in _people(tx, placed, user_id):
                for whole in _with_implied(person, brings):
                    role = roles.get(whole.role_id)
                    if role is not None and role.domain_id is None and whole not in seen:
                        seen.add(whole)
                        yield whole


def _placed(tx: Tx, row: Assignment) -> Iterable[Assignment]:
    if not row.inherited:
        return [replace(row, effective=True)]
    if row.target == "domain":
        inside = store.PROJECTS.find(tx, store.PROJECTS.c.domain_id == row.target_id)
    else:
        inside = projects.below(tx, row.target_id)
    return [
        replace(row, target="project", target_id=p.id, from_target=(row.target, row.target_id), effective=True)
        for p in inside
    ]


def _people(tx: Tx, row: Assignment, user_id: str | None) -> Iterable[Assignment]:
    if row.group_id is None:
        return [row]
    members = [user_id] if user_id else tx.conn.execute(store.member_ids(row.group_id)).scalars()
    return [replace(row, user_id=m) for m in members]


def _with_implied(row: Assignment, brings: dict[str, list[str]]) -> Iterator[Assignment]:
    yield row
    todo, seen = [row.role_id], {row.role_id}
    while todo:
        prior = todo.pop()
        for implied in brings.get(prior, ()):
            if implied not in seen:
                seen.add(implied)
                todo.append(implied)
                yield replace(row, role_id=implied, prior_id=prior)
