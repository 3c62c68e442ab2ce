# SPDX-License-Identifier: Apache-2.0
"""From a Keystone's tables to ours: ids stay, so that what belongs to a project or a user still does; password hashes stay, and verify.

What is here already under the same id stays as it is. Global roles and regions with equal names are one and the same. Anything else with
an equal name and another id is a conflict: it is named, and nothing at all is written, unless `keep` says that ours is meant."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict
from virga.services.identity import store
from virga.services.identity.imports.source import Row, Tables

ROOT = "<<keystone.domain.root>>"
USER_OPTIONS = {
    "1000": "ignore_change_password_upon_first_use",
    "1001": "ignore_password_expiry",
    "1002": "ignore_lockout_failure_attempts",
    "1003": "lock_password",
    "1004": "ignore_user_inactivity",
    "MFAR": "multi_factor_auth_rules",
    "MFAE": "multi_factor_auth_enabled",
}
HASHES = ("$2a$", "$2b$", "$2y$", "$bcrypt-sha256$", "$scrypt$", "$pbkdf2-sha512$", "$argon2")


@dataclass
class Report:
    """What was done, by noun: `made`, `there` (kept as it was), `left` with the reason; `conflicts` stopped everything."""

    made: Counter[str] = field(default_factory=Counter)
    there: Counter[str] = field(default_factory=Counter)
    left: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        nouns = dict.fromkeys([*self.made, *self.there])
        return [f"{noun}: {self.made[noun]} new, {self.there[noun]} there already" for noun in nouns] + [
            f"left out: {x}" for x in self.left
        ]


class KeystoneImport:
    """One import in one transaction."""

    def __init__(self, tx: Tx, tables: Tables, ours: set[str], keep: bool) -> None:
        self.tx, self.tables, self.ours, self.keep = tx, tables, ours, keep
        self.report = Report()
        self.same: dict[str, str] = {}
        """Ids of theirs that are ours under another id."""

    def rows(self, table: str) -> list[Row]:
        return self.tables.get(table, [])

    def id(self, theirs: Any) -> str:
        return self.same.get(str(theirs), str(theirs))

    def all(self) -> Report:
        """Bring everything, in the order in which it refers to each other; what was brought. Nothing is written when anything is in the way.
        Raises Conflict."""
        for step in (self.domains, self.projects, self.roles, self.users, self.groups, self.grants, self.catalog):
            step()
        if self.report.conflicts:
            raise Conflict("Nothing was written. " + " ".join(self.report.conflicts), blocking=self.report.conflicts)
        return self.report

    def put(self, noun: str, rows: Any, id: str, twin: Any, name: str, make: Callable[[], dict[str, Any]]) -> None:
        """One thing with an id of its own: made, there, or in conflict with `twin`, which has its name and another id."""
        if rows.get(self.tx, id) is not None:
            self.report.there[noun] += 1
        elif twin is None:
            rows.insert(self.tx, id=id, **make())
            self.report.made[noun] += 1
        elif self.keep:
            self.same[id] = twin.id
            self.report.there[noun] += 1
        else:
            self.report.conflicts.append(f"{noun} '{name}' is here as {twin.id} and there as {id}.")

    # -- domains and projects --------------------------------------------------------------------------------------

    def domains(self) -> None:
        old = [r for r in self.rows("domain") if r["id"] != ROOT]
        new = [r for r in self.rows("project") if _yes(r.get("is_domain")) and r["id"] != ROOT]
        for r in {r["id"]: r for r in old + new}.values():
            twin = store.DOMAINS.one(self.tx, store.DOMAINS.c.name == r["name"])
            self.put("domains", store.DOMAINS, r["id"], twin, r["name"], partial(self._domain, r))

    def _domain(self, r: Row) -> dict[str, Any]:
        return self._place(r) | {"tags": self._tags(r["id"])}

    def _place(self, r: Row) -> dict[str, Any]:
        extra = _extra(r)
        description = r.get("description") or extra.pop("description", None) or ""
        return {
            "name": r["name"],
            "description": description,
            "enabled": _yes(r.get("enabled"), True),
            "extra": extra,
            "options": {"immutable": True}
            if self._option("project_option", "project_id", r["id"]).get("IMMU") is True
            else {},
        }

    def _option(self, table: str, key: str, id: str) -> dict[str, Any]:
        return {str(o["option_id"]): _json(o["option_value"]) for o in self.rows(table) if o[key] == id}

    def _tags(self, project_id: str) -> list[str]:
        return sorted(t["name"] for t in self.rows("project_tag") if t["project_id"] == project_id)

    def projects(self) -> None:
        rows = {r["id"]: r for r in self.rows("project") if not _yes(r.get("is_domain")) and r["id"] != ROOT}
        c = store.PROJECTS.c
        done: set[str] = set()

        def bring(r: Row) -> None:
            if r["id"] in done:
                return
            done.add(r["id"])
            if r.get("parent_id") in rows:
                bring(rows[r["parent_id"]])
            domain = self.id(r["domain_id"])
            parent = self.id(r["parent_id"]) if r.get("parent_id") else domain
            twin = store.PROJECTS.one(self.tx, c.domain_id == domain, c.name == r["name"])
            more = {"domain_id": domain, "parent_id": parent, "tags": self._tags(r["id"])}
            self.put("projects", store.PROJECTS, r["id"], twin, r["name"], lambda: self._place(r) | more)

        for r in rows.values():
            bring(r)

    # -- roles -----------------------------------------------------------------------------------------------------

    def roles(self) -> None:
        c = store.ROLES.c
        for r in self.rows("role"):
            domain = r.get("domain_id")
            domain = None if domain in (None, "", "<<null>>") else self.id(domain)
            twin = store.ROLES.one(
                self.tx, c.name == r["name"], c.domain_id.is_(None) if domain is None else c.domain_id == domain
            )
            if twin is not None and twin.id != r["id"]:
                self.same[r["id"]] = twin.id  # roles are what they are called
                self.report.there["roles"] += 1
                continue
            extra = _extra(r)
            description = r.get("description") or extra.pop("description", None)
            immutable = self._option("role_option", "role_id", r["id"]).get("IMMU") is True
            values = {"name": r["name"], "domain_id": domain, "description": description, "extra": extra}
            values["options"] = {"immutable": True} if immutable else {}
            self.put(
                "roles",
                store.ROLES,
                r["id"],
                None,
                r["name"],
                values.copy,
            )
        for r in self.rows("implied_role"):
            prior, implied = self.id(r["prior_role_id"]), self.id(r["implied_role_id"])
            i = store.IMPLIED_ROLES.c
            if store.IMPLIED_ROLES.one(self.tx, i.prior_id == prior, i.implied_id == implied) is None:
                store.IMPLIED_ROLES.insert(self.tx, prior_id=prior, implied_id=implied)
                self.report.made["implied roles"] += 1
            else:
                self.report.there["implied roles"] += 1

    # -- users and groups ------------------------------------------------------------------------------------------

    def users(self) -> None:
        local = {r["user_id"]: r for r in self.rows("local_user")}
        foreign = {r["user_id"]: r for r in self.rows("nonlocal_user")}
        federated = {r["user_id"]: r for r in self.rows("federated_user")}
        passwords: dict[Any, Row] = {}
        for p in self.rows("password"):
            known = passwords.get(p["local_user_id"])
            if known is None or (p.get("created_at_int") or 0, p["id"]) > (
                known.get("created_at_int") or 0,
                known["id"],
            ):
                passwords[p["local_user_id"]] = p
        c = store.USERS.c
        for r in self.rows("user"):
            who = local.get(r["id"]) or foreign.get(r["id"])
            name = who["name"] if who else r.get("name") or (federated.get(r["id"]) or {}).get("display_name")
            if not name:
                self.report.left.append(f"user {r['id']}: it has no name")
                continue
            domain = self.id((who or r).get("domain_id") or r.get("domain_id") or "default")
            twin = store.USERS.one(self.tx, c.domain_id == domain, c.name == name)
            password = passwords.get(local[r["id"]]["id"]) if r["id"] in local else None
            self.put("users", store.USERS, r["id"], twin, name, partial(self._user, r, name, domain, password))

    def _user(self, r: Row, name: str, domain: str, password: Row | None) -> dict[str, Any]:
        hashed = (password.get("password_hash") or password.get("password")) if password else r.get("password")
        if hashed and not str(hashed).startswith(HASHES):
            self.report.left.append(
                f"the password of user {name}: its hash is of a kind that is no longer taken; set a new one"
            )
            hashed = None
        options = {
            USER_OPTIONS[k]: v
            for k, v in self._option("user_option", "user_id", r["id"]).items()
            if k in USER_OPTIONS and v is not None
        }
        project = r.get("default_project_id")
        return {
            "name": name,
            "domain_id": domain,
            "enabled": _yes(r.get("enabled"), True),
            "default_project_id": self.id(project) if project else None,
            "password_hash": hashed,
            "password_expires_at": _moment(password, "expires_at") if password else None,
            "valid_after": 0.0,
            "options": options,
            "extra": _extra(r),
            "password_set": _moment(password, "created_at") if password else None,
            "failures": 0,
            "failed_at": None,
            "active_at": None,
        }

    def groups(self) -> None:
        c = store.GROUPS.c
        for r in self.rows("group"):
            domain, extra = self.id(r["domain_id"]), _extra(r)
            twin = store.GROUPS.one(self.tx, c.domain_id == domain, c.name == r["name"])
            values = {"name": r["name"], "domain_id": domain, "description": r.get("description") or "", "extra": extra}
            self.put("groups", store.GROUPS, r["id"], twin, r["name"], values.copy)
        m = store.MEMBERSHIPS.c
        for r in self.rows("user_group_membership"):
            user, group = self.id(r["user_id"]), self.id(r["group_id"])
            if store.USERS.get(self.tx, user) is None or store.GROUPS.get(self.tx, group) is None:
                continue
            if store.MEMBERSHIPS.one(self.tx, m.group_id == group, m.user_id == user) is None:
                store.MEMBERSHIPS.insert(self.tx, group_id=group, user_id=user)
                self.report.made["memberships"] += 1
            else:
                self.report.there["memberships"] += 1

    # -- grants ----------------------------------------------------------------------------------------------------

    def grants(self) -> None:
        for r in self.rows("assignment") + self.rows("system_assignment"):
            kind = str(r["type"])
            target = "project" if kind.endswith("Project") else "domain" if kind.endswith("Domain") else "system"
            place: Any = {"project": store.PROJECTS, "domain": store.DOMAINS}.get(target)
            who, target_id, role = (
                self.id(r["actor_id"]),
                "system" if target == "system" else self.id(r["target_id"]),
                self.id(r["role_id"]),
            )
            rows: Any = store.GRANTS if kind.startswith("User") else store.GROUP_GRANTS
            people: Any = store.USERS if kind.startswith("User") else store.GROUPS
            key = "user_id" if kind.startswith("User") else "group_id"
            there = (
                people.get(self.tx, who),
                store.ROLES.get(self.tx, role),
                place.get(self.tx, target_id) if place is not None else True,
            )
            if None in there:
                if not self.report.conflicts:
                    self.report.left.append(
                        f"a grant of role {role} to {who} on {target} {target_id}: one of them is not there"
                    )
                continue
            c, inherited = rows.c, _yes(r.get("inherited"))
            where = (
                c[key] == who,
                c.role_id == role,
                c.target == target,
                c.target_id == target_id,
                c.inherited.is_(inherited),
            )
            if rows.one(self.tx, *where) is None:
                rows.insert(
                    self.tx, role_id=role, target=target, target_id=target_id, inherited=inherited, **{key: who}
                )
                self.report.made["grants"] += 1
            else:
                self.report.there["grants"] += 1

    # -- the catalogue ---------------------------------------------------------------------------------------------

    def catalog(self) -> None:
        """Regions; services that this cloud does not run itself, with their endpoints."""
        pending = {r["id"]: r for r in self.rows("region")}
        while pending:
            ready = [r for r in pending.values() if r.get("parent_region_id") not in pending] or list(pending.values())
            for r in ready:
                del pending[r["id"]]
                parent = r.get("parent_region_id")
                values = {"description": r.get("description") or "", "parent_region_id": parent, "extra": _extra(r)}
                self.put("regions", store.REGIONS, r["id"], None, r["id"], values.copy)
        stored: set[str] = set()
        for r in self.rows("service"):
            if r["type"] in self.ours:
                self.report.left.append(f"service {r['type']} and its endpoints: this cloud runs its own")
                continue
            stored.add(r["id"])
            extra = _extra(r)
            values = {"type": r["type"], "name": extra.pop("name", None), "description": extra.pop("description", None)}
            values |= {"enabled": _yes(r.get("enabled"), True), "extra": extra}
            self.put("services", store.SERVICES, r["id"], None, r["type"], values.copy)
        for r in self.rows("endpoint"):
            if r["service_id"] not in stored:
                continue
            extra, region = _extra(r), r.get("region_id") or r.get("region")
            if region and store.REGIONS.get(self.tx, region) is None:
                store.REGIONS.insert(self.tx, id=region, description="", parent_region_id=None, extra={})
                self.report.made["regions"] += 1
            values = {
                "service_id": r["service_id"],
                "interface": r["interface"],
                "region_id": region or None,
                "url": r["url"],
            }
            values |= {"enabled": _yes(r.get("enabled"), True), "extra": extra}
            self.put("endpoints", store.ENDPOINTS, r["id"], None, r["url"], values.copy)


def bring(tx: Tx, tables: Tables, ours: set[str], keep: bool = False) -> Report:
    """Write what the tables have and we lack. `ours` are the types of the services that this cloud runs itself. Raises Conflict, with
    each one named; then the transaction is to be rolled back."""
    report = KeystoneImport(tx, tables, ours, keep).all()
    if report.made:
        store.grow(tx)
    return report


def _yes(value: Any, default: bool = False) -> bool:
    return default if value is None else bool(value)


def _json(value: Any) -> Any:
    if not isinstance(value, (str, bytes)):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return None


def _extra(r: Row) -> dict[str, Any]:
    """The free attributes; what has a column of its own is not among them."""
    found = _json(r.get("extra") or "{}")
    return {k: v for k, v in found.items() if v is not None and k not in r} if isinstance(found, dict) else {}


def _moment(row: Row, name: str) -> float | None:
    """Seconds since 1970 from the microseconds of newer schemas, or from the text or date of older ones (UTC)."""
    exact = row.get(f"{name}_int")
    if exact:
        return float(exact) / 1e6
    value = row.get(name)
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError:
            return None
    return value.replace(tzinfo=dt.UTC).timestamp() if isinstance(value, dt.datetime) else None
