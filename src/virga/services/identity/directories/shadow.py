# SPDX-License-Identifier: Apache-2.0
"""From what a directory has to our rows: written when it differs, never taken away. Who is gone there is disabled here and keeps the
roles, so that a wrong filter or a half-restored directory costs nobody anything; coming back is enough."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from virga.ground import log
from virga.ground.db.engine import Tx
from virga.services.identity import model as rows
from virga.services.identity import store
from virga.services.identity.directories.driver import Group, User
from virga.services.identity.directories.model import Entry, public_id
from virga.services.identity.directories.store import ENTRIES

BumpGeneration = Callable[[Tx], None]
SLICE = 400


def whole(
    tx: Tx,
    domain_id: str,
    directory_users: Sequence[User],
    directory_groups: Sequence[Group],
    now: float,
    bump_generation: BumpGeneration,
) -> int:
    """Make the rows of a domain like its whole directory; how many changed."""
    entries = {e.id: e for e in ENTRIES.find(tx, ENTRIES.c.domain_id == domain_id)}
    known = [e for e in entries.values() if e.kind == "user" and e.gone is None]
    if known and not directory_users:
        raise ValueError(
            f"the directory of domain {domain_id} has no users at all, and had {len(known)}: nothing is believed of that"
        )
    users = {
        u.id: u
        for u in store.USERS.within(tx, "id", [public_id(domain_id, "user", p.local_id) for p in directory_users])
    }
    groups = {
        g.id: g
        for g in store.GROUPS.within(tx, "id", [public_id(domain_id, "group", c.local_id) for c in directory_groups])
    }
    changed, ended = 0, False
    for user in directory_users:
        changed_, ended_ = _user(tx, domain_id, user, users.get(public_id(domain_id, "user", user.local_id)), entries)
        changed, ended = changed + changed_, ended or ended_
    for directory_group in directory_groups:
        changed += group(
            tx, domain_id, directory_group, groups.get(public_id(domain_id, "group", directory_group.local_id)), entries
        )
        changed_, ended_ = _members(tx, domain_id, directory_group)
        changed, ended = changed + changed_, ended or ended_
    here = {public_id(domain_id, "user", p.local_id) for p in directory_users} | {
        public_id(domain_id, "group", c.local_id) for c in directory_groups
    }
    for entry in entries.values():
        if entry.id not in here and entry.gone is None:
            ENTRIES.put(tx, entry.id, gone=now)
            changed, ended = changed + 1, True
            if entry.kind == "user":
                store.USERS.put(tx, entry.id, enabled=False)
            else:
                store.MEMBERSHIPS.delete(tx, store.MEMBERSHIPS.c.group_id == entry.id)
    if ended:
        bump_generation(tx)
    return changed


def disabled(tx: Tx, now: float, off: Iterable[str], gone: Iterable[str], bump_generation: BumpGeneration) -> int:
    """Switch off the users with these ids, who are disabled or gone in their directory; how many were not yet."""
    changed = 0
    for id, lost in [*((i, False) for i in off), *((i, True) for i in gone)]:
        user = store.USERS.get(tx, id)
        if user is not None and user.enabled:
            store.USERS.put(tx, id, enabled=False)
            changed += 1
        if lost:
            ENTRIES.put(tx, id, gone=now)
    if changed:
        bump_generation(tx)
    return changed


def one(tx: Tx, domain_id: str, user: User, groups: Iterable[Group], bump_generation: BumpGeneration) -> rows.User:
    """Make the row of one user, and the groups the user is in, like the directory; the row."""
    id = public_id(domain_id, "user", user.local_id)
    entries = {e.id: e for e in ENTRIES.find(tx, ENTRIES.c.domain_id == domain_id, ENTRIES.c.kind == "group")}
    entry = ENTRIES.get(tx, id)
    if entry is not None:
        entries[id] = entry
    _, ended = _user(tx, domain_id, user, store.USERS.get(tx, id), entries)
    wanted = set()
    for directory_group in groups:
        group_id = public_id(domain_id, "group", directory_group.local_id)
        group(tx, domain_id, directory_group, store.GROUPS.get(tx, group_id), entries)
        wanted.add(group_id)
    have = set(store.groups_of(tx, id)) & {e.id for e in entries.values() if e.kind == "group"}
    for group_id in wanted - have:
        store.MEMBERSHIPS.insert(tx, group_id=group_id, user_id=id)
    for group_id in have - wanted:
        store.MEMBERSHIPS.delete(tx, store.MEMBERSHIPS.c.group_id == group_id, store.MEMBERSHIPS.c.user_id == id)
        ended = True
    if ended or wanted - have:
        bump_generation(tx)
    made = store.USERS.get(tx, id)
    assert made is not None
    return made


def _free_name(tx: Tx, table: type[rows.User] | type[rows.Group], domain_id: str, name: str, id: str) -> str:
    """The name, with the id behind it when another row of the domain has it."""
    here = store.USERS if table is rows.User else store.GROUPS
    other = here.one(tx, here.c.domain_id == domain_id, here.c.name == name)
    if other is None or other.id == id:
        return name
    log.get("directories").warning("name_taken", domain=domain_id, name=name, by=other.id)
    return f"{name[:180]}#{id}"


def _entry(tx: Tx, entries: dict[str, Entry], id: str, domain_id: str, kind: str, local_id: str) -> None:
    entry = entries.get(id)
    if entry is None:
        entries[id] = ENTRIES.insert(tx, id=id, domain_id=domain_id, kind=kind, local_id=local_id, gone=None)
    elif entry.gone is not None:
        ENTRIES.put(tx, id, gone=None)


def _user(tx: Tx, domain_id: str, user: User, row: rows.User | None, entries: dict[str, Entry]) -> tuple[int, bool]:
    """Whether something changed, and whether that ends tokens."""
    id = public_id(domain_id, "user", user.local_id)
    _entry(tx, entries, id, domain_id, "user", user.local_id)
    extra = dict(user.extra)
    if row is None:
        name = _free_name(tx, rows.User, domain_id, user.name, id)
        store.insert_passwordless(tx, id=id, name=name, domain_id=domain_id, enabled=user.enabled, extra=extra)
        return 1, False
    if row.name == user.name and row.enabled == user.enabled and row.extra == extra:
        return 0, False
    name = _free_name(tx, rows.User, domain_id, user.name, id)
    if row.name == name and row.enabled == user.enabled and row.extra == extra:
        return 0, False
    store.USERS.put(tx, id, name=name, enabled=user.enabled, extra=extra)
    return 1, row.enabled and not user.enabled


def group(tx: Tx, domain_id: str, group: Group, row: rows.Group | None, entries: dict[str, Entry]) -> int:
    id = public_id(domain_id, "group", group.local_id)
    _entry(tx, entries, id, domain_id, "group", group.local_id)
    if row is not None and (row.name, row.description) == (group.name, group.description):
        return 0
    name = _free_name(tx, rows.Group, domain_id, group.name, id)
    if row is None:
        store.GROUPS.insert(tx, id=id, name=name, domain_id=domain_id, description=group.description, extra={})
    else:
        store.GROUPS.put(tx, id, name=name, description=group.description)
    return 1


def _members(tx: Tx, domain_id: str, group: Group) -> tuple[int, bool]:
    id, c = public_id(domain_id, "group", group.local_id), store.MEMBERSHIPS.c
    wanted = {public_id(domain_id, "user", m) for m in group.members}
    have = {m.user_id for m in store.MEMBERSHIPS.find(tx, c.group_id == id)}
    store.MEMBERSHIPS.insert_many(tx, [{"group_id": id, "user_id": user} for user in sorted(wanted - have)])
    for part in _slices(sorted(have - wanted)):
        store.MEMBERSHIPS.delete(tx, c.group_id == id, c.user_id.in_(part))
    return len(wanted ^ have), bool(wanted ^ have)


def _slices(ids: Collection[str]) -> Iterable[list[str]]:
    rows = list(ids)
    return (rows[n : n + SLICE] for n in range(0, len(rows), SLICE))
