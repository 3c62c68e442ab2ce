# SPDX-License-Identifier: Apache-2.0
"""Users and groups of domains with a directory: written there first, then here. Each function is v3's action of the same name with
the directory in front; a domain without one goes straight through. The directory is asked outside of transactions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from virga.authority.rules import allow
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.errors import Forbidden, Unauthorized
from virga.ground.http.call import Call, Cold
from virga.ground.wire import given
from virga.services.identity import model as rows
from virga.services.identity import policy, store, wire
from virga.services.identity.actions import domains, groups, login, users
from virga.services.identity.directories import shadow
from virga.services.identity.directories.driver import Directory, Group, User
from virga.services.identity.directories.model import Entry, public_id
from virga.services.identity.directories.registry import Directories, refuse_foreign
from virga.services.identity.directories.store import ENTRIES
from virga.services.identity.tokens import Tokens

T = TypeVar("T")


def inside(call: Call, do: Callable[..., T], *args: Any) -> T:
    """`do` in a transaction of its own, as `ApiApp` runs a row that writes. What the directory was told is not told twice."""

    def attempt(tx: Tx) -> T:
        call.open = tx
        return do(call, *args)

    try:
        return call.db.run(attempt)
    finally:
        call.open = None


def _entry(act: Act, id: str) -> tuple[Entry, Directory] | None:
    """The directory of a user or group, if it has one."""
    known = act.use(Directories)
    known.ready()
    with act.db.read() as tx:
        entry = ENTRIES.get(tx, id)
    directory = known.of(entry.domain_id) if entry is not None else None
    return None if entry is None or directory is None else (entry, directory)


def _renew(act: Act, domain_id: str, directory: Directory, user: User) -> rows.User:
    groups = directory.groups_of(user)
    return act.db.run(lambda tx: shadow.one(tx, domain_id, user, groups, act.use(Tokens).bump_generation))


# -- logging in ----------------------------------------------------------------------------------------------------


def password(call: Call, given: wire.PasswordUser, password: str) -> rows.User | None:
    """The user of a directory who has this password; None when the user's domain has no directory. Raises Unauthorized, and
    Unavailable when the directory is away."""
    known = call.use(Directories)
    known.ready()
    if not known.any:
        return None
    local_id: str | None = None
    with call.db.read() as tx:
        if isinstance(given.id, str):
            entry = ENTRIES.get(tx, given.id)
            domain_id, local_id = (entry.domain_id, entry.local_id) if entry is not None else (None, None)
        else:
            domain = login.domain_of(tx, given.domain) if isinstance(given.domain, wire.DomainRef) else None
            domain_id = domain.id if domain is not None and domain.enabled else None
            if domain_id is not None and known.of(domain_id) is not None and isinstance(given.name, str):
                user = store.USERS.one(tx, store.USERS.c.domain_id == domain_id, store.USERS.c.name == given.name)
                if user is not None and ENTRIES.get(tx, user.id) is None:
                    return None  # a user of ours in that domain
    directory = known.of(domain_id) if domain_id is not None else None
    if directory is None or domain_id is None:
        return None
    if call.hot:
        raise Cold
    directory_user = directory.user(local_id=local_id) if local_id is not None else directory.user(name=str(given.name))
    if not directory.right(directory_user, password) or directory_user is None or not directory_user.enabled:
        raise Unauthorized(login.DENIED)
    return _renew(call, domain_id, directory, directory_user)


# -- users ---------------------------------------------------------------------------------------------------------


def create_user(act: Act, body: wire.CreateUser) -> rows.User:
    """POST /v3/users"""
    domain_id = domains.domain_for(act, body.domain_id)
    known = act.use(Directories)
    known.ready()
    directory = known.of(domain_id)
    if directory is None:
        return users.create(act, body)
    allow(act, policy.CREATE_USER, target={"target.user.domain_id": domain_id, "target.user.id": None})
    if body.password is not None:
        users.check_strength(act, body.password)
    user = directory.add_user(body.name.strip(), body.password, body.enabled is not False, body.extra)
    row = _renew(act, domain_id, directory, user)
    own_columns = {k: v for k, v in (("default_project_id", body.default_project_id), ("options", body.options)) if v}

    def keep(tx: Tx) -> rows.User:
        store.USERS.put(tx, row.id, **own_columns)
        return users.found(tx, row.id)

    return act.db.run(keep) if own_columns else row


def update_user(act: Act, id: str, body: wire.UpdateUser) -> rows.User:
    """PATCH /v3/users/{id}"""
    found = _entry(act, id)
    if found is None:
        return users.update(act, id, body)
    entry, directory = found
    with act.db.read() as tx:
        user = users.found(tx, id)
    allow(act, policy.UPDATE_USER, target=policy.on_user(user))
    change = given(body)
    extra = change.pop("extra", {})
    ours: dict[str, Any] = {k: change.pop(k) for k in ("default_project_id", "options") if k in change}
    change.pop("domain_id", None)
    theirs = change | extra
    if theirs and not directory.writable:
        refuse_foreign(theirs, user)
    if theirs:
        directory_user = directory.change_user(entry.local_id, theirs)
        _renew(act, entry.domain_id, directory, directory_user)

    def keep(tx: Tx) -> rows.User:
        entries = dict(ours)
        if "options" in entries:  # with those of this moment: the directory was asked meanwhile
            entries["options"] = domains.merged(users.found(tx, id).options, entries["options"])
        if "password" in theirs:
            entries["valid_after"] = act.now()
            act.use(Tokens).bump_generation(tx)
        if entries:
            store.USERS.put(tx, id, **entries)
        return users.found(tx, id)

    return act.db.run(keep)


def delete_user(call: Call, id: str) -> None:
    """DELETE /v3/users/{id}"""
    found = _entry(call, id)
    if found is not None:
        entry, directory = found
        with call.db.read() as tx:
            user = users.found(tx, id)
        allow(call, policy.DELETE_USER, target=policy.on_user(user))
        if entry.gone is None:
            directory.remove_user(entry.local_id)
    inside(call, users.delete, id)
    _forget(call, id)


def _forget(act: Act, id: str) -> None:
    act.db.run(lambda tx: ENTRIES.delete(tx, ENTRIES.c.id == id))


def change_password(call: Call, id: str, body: wire.ChangePassword) -> None:
    """POST /v3/users/{id}/password. Raises Unauthorized, Forbidden."""
    found = _entry(call, id)
    if found is None:
        return users.change_password(call, id, body)
    entry, directory = found
    user = directory.user(local_id=entry.local_id)
    if not directory.right(user, body.original_password) or user is None:
        raise Unauthorized(login.DENIED)
    if not directory.writable:
        raise Forbidden(
            "LDAP does not support write operations: change the password where the directory's own tools are."
        )
    users.check_strength(call, body.password)
    directory.change_user(entry.local_id, {"password": body.password})

    def told(tx: Tx) -> None:
        store.USERS.put(tx, id, valid_after=call.now())
        call.use(Tokens).bump_generation(tx)

    call.db.run(told)
    return None


# -- groups --------------------------------------------------------------------------------------------------------


def _put_group(act: Act, domain_id: str, group: Group) -> rows.Group:
    entries = {e.id: e for e in ENTRIES.find(act.tx, ENTRIES.c.domain_id == domain_id, ENTRIES.c.kind == "group")}
    id = public_id(domain_id, "group", group.local_id)
    shadow.group(act.tx, domain_id, group, store.GROUPS.get(act.tx, id), entries)
    return groups.found(act.tx, id)


def create_group(call: Call, body: wire.CreateGroup) -> rows.Group:
    """POST /v3/groups"""
    domain_id = domains.domain_for(call, body.domain_id)
    known = call.use(Directories)
    known.ready()
    directory = known.of(domain_id)
    if directory is None:
        return inside(call, groups.create, body)
    allow(call, policy.CREATE_GROUP, target={"target.group.domain_id": domain_id})
    group = directory.add_group(body.name, body.description or "")
    return inside(call, _put_group, domain_id, group)


def update_group(call: Call, id: str, body: wire.UpdateGroup) -> rows.Group:
    """PATCH /v3/groups/{id}"""
    found = _entry(call, id)
    if found is None:
        return inside(call, groups.update, id, body)
    _may(call, policy.UPDATE_GROUP, id)
    change = {k: v for k, v in given(body).items() if k in {"name", "description"}}
    group = found[1].change_group(found[0].local_id, change)
    return inside(call, _put_group, found[0].domain_id, group)


def _may(act: Act, rule: Any, group_id: str, user_id: str | None = None) -> None:
    with act.db.read() as tx:
        target = dict(policy.on_group(store.GROUPS.get(tx, group_id)))
        if user_id is not None:
            target |= policy.on_user(store.USERS.get(tx, user_id))
    allow(act, rule, target=target)


def delete_group(call: Call, id: str) -> None:
    """DELETE /v3/groups/{id}"""
    found = _entry(call, id)
    if found is not None:
        _may(call, policy.DELETE_GROUP, id)
        if found[0].gone is None:
            found[1].remove_group(found[0].local_id)
    inside(call, groups.delete, id)
    _forget(call, id)


def add(call: Call, id: str, user_id: str) -> None:
    """PUT /v3/groups/{id}/users/{user}. Raises Forbidden."""
    found, user = _entry(call, id), _entry(call, user_id)
    if found is not None:
        _may(call, policy.ADD_USER_TO_GROUP, id, user_id)
        if user is None or user[0].domain_id != found[0].domain_id:
            raise Forbidden("A group of a directory holds users of that directory alone.")
        found[1].join(found[0].local_id, user[0].local_id)
    inside(call, groups.add, id, user_id)


def remove(call: Call, id: str, user_id: str) -> None:
    """DELETE /v3/groups/{id}/users/{user}"""
    found, user = _entry(call, id), _entry(call, user_id)
    if found is not None and user is not None:
        _may(call, policy.REMOVE_USER_FROM_GROUP, id, user_id)
        found[1].leave(found[0].local_id, user[0].local_id)
    inside(call, groups.remove, id, user_id)
