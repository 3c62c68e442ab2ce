# SPDX-License-Identifier: Apache-2.0
"""What all nouns of the network share: whose it is, what is seen, how a list is filtered, and the columns each row begins with."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from virga.authority import limits
from virga.authority.limits import Limit
from virga.authority.rules import Rule, allow, is_admin, may
from virga.ground.act import Act
from virga.ground.db.rows import Row, Rows, tagged
from virga.ground.errors import Forbidden, Invalid, NotFound
from virga.ground.http.call import Call, Query
from virga.ground.http.pages import Page, page_request, paginate
from virga.ground.wire import UNSET, Wire
from virga.services.network import policy
from virga.services.network.wire import ORDERS, PAGES

T = TypeVar("T", bound=Row)
CONTROL = {"fields", "limit", "marker", "sort_key", "sort_dir", "page_reverse"}


def project_of(act: Act, body: Any) -> str:
    """The project that will own the new thing: the caller's, or for administrators the one named.
    Raises Invalid, Forbidden."""
    named = body.project_id if body.project_id is not UNSET else body.tenant_id
    if body.project_id is not UNSET and body.tenant_id is not UNSET and body.project_id != body.tenant_id:
        raise Invalid("Invalid input for field 'tenant_id': it differs from project_id", field="tenant_id")
    own = act.actor.project_id
    if named is UNSET or not named:
        if own is None and not is_admin(act.actor):
            raise Forbidden("A token of a project is needed to create network things.")
        return own or ""
    if named != own and not is_admin(act.actor):
        raise Forbidden(
            f"Only administrators create things for another project; yours is {own}.",
            type="PolicyNotAuthorized",
            rule="create:project_id",
        )
    return str(named)


def common_columns(act: Act, body: Any, project_id: str) -> dict[str, Any]:
    """id, name, owner, times: the columns every row begins and ends with."""
    now = act.now()
    return {
        "id": act.world.uuid(),
        "name": body.name if body.name is not UNSET else "",
        "project_id": project_id,
        "description": body.description if body.description is not UNSET else "",
        "tags": [],
        "revision": 0,
        "created": now,
        "updated": now,
    }


def visibility(act: Act, rule: Rule) -> tuple[str | None, bool]:
    """What `rule` lets the caller see: the caller's project if its things are, and whether everybody's are."""
    own = act.actor.project_id
    if may(act.actor, rule):
        return own, True
    return (own if own is not None and may(act.actor, rule, project_id=own) else None), False


def found(act: Act, rows: Rows[T], seen: Any, noun: str, id: str) -> T:
    """The row if the caller may see it; otherwise it does not exist."""
    row = rows.one(act.tx, rows.c.id == id, seen)
    if row is None:
        raise missing(noun, id)
    return row


def found_all(act: Act, rows: Rows[T], seen: Any, noun: str, ids: Iterable[str]) -> dict[str, T]:
    """As `found`, of many in one query: id → row. Raises NotFound for the first that is not seen."""
    named = list(dict.fromkeys(ids))
    there = {row.id: row for row in rows.within(act.tx, "id", named, seen)}  # type: ignore[attr-defined]
    for id in named:
        if id not in there:
            raise missing(noun, id)
    return there


def missing(noun: str, id: str) -> NotFound:
    words = "".join(w.capitalize() for w in noun.split())
    return NotFound(f"{noun.capitalize()} {id[:64]} could not be found.", type=f"{words}NotFound")


def admin_only(act: Act, **asked_for: bool) -> None:
    """Attributes that only administrators set; each named with its rule."""
    rules = {
        "shared": policy.SET_SHARED,
        "external": policy.SET_EXTERNAL,
        "provider": policy.SET_PROVIDER,
        "binding": policy.SET_BINDING,
    }
    for name, set_it in asked_for.items():
        if set_it:
            allow(act, rules[name])


def room(act: Act, limit: Limit, projects: Iterable[str]) -> None:
    """Raise OverQuota unless every project that is named has room for one more, as often as it is named."""
    for project, more in Counter(projects).items():
        limits.check(act.tx, project, {limit: more})


def _offered(call: Call) -> Call:
    """The call without the parameters of its query that its row does not declare: they are of an extension that there is not."""
    declared = call.query.declared
    read = (*call.query.items, *PAGES, *ORDERS)
    if declared is None or all(name in declared for name in read):
        return call
    stored = Query({name: values for name, values in call.query.items.items() if name in declared})
    return dataclasses.replace(call, request=dataclasses.replace(call.request, query=stored))


def listed(call: Call, rows: Rows[T], seen: Any, filters: Mapping[str, str], *more: Any) -> Page[T]:
    """A list by the columns in `filters` (name on the wire → column), each given once or many times."""
    declared = call.query.declared
    call = _offered(call)
    sortable = {n: c for n, c in filters.items() if declared is None or n in declared} | {"id": "id"}
    page = page_request(call, sortable=sortable, default=(("created", "asc"),), most=10000, default_way="asc")
    where = [*more]
    for name, values in call.query.items.items():
        column = filters.get(name)
        if column is None:
            continue
        col = rows.c[column]
        if col.type.python_type is bool:
            where.append(col.is_(bool(call.query.yes(name))))
        elif col.type.python_type is int:
            where.append(col == call.query.whole(name))
        else:
            where.append(col.in_(values))
    if "tags" in rows.c:
        where += tagged(call.tx, rows.c.tags, call.query.items)
    return paginate(
        rows.page(
            call.tx, *where, seen=seen, sort=page.sort, marker=page.marker, limit=page.limit + 1, reverse=page.reverse
        ),
        page,
    )


def never_active(call: Call) -> bool:
    """Whether the list is asked for things in another status than the one that networks and routers have, ACTIVE."""
    status = call.query.all("status")
    return bool(status) and "ACTIVE" not in status


def given(body: Wire, names: dict[str, str]) -> dict[str, Any]:
    """The fields that the caller sent and that are columns: name in the code → column."""
    return {column: v for name, column in names.items() if (v := getattr(body, name)) is not UNSET}


def newer_all(act: Act, rows: Rows[Any], ids: Iterable[str]) -> None:
    """The next revision of many, of which nothing else changes."""
    rows.change(act.tx, rows.c.id.in_(list(ids)), revision=rows.c.revision + 1, updated=act.now())


def bump_revision(act: Act, rows: Rows[Any], id: str, change: dict[str, Any]) -> None:
    """Write a change with the next revision."""
    rows.put(act.tx, id, **change, revision=rows.c.revision + 1, updated=act.now())
