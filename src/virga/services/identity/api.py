# SPDX-License-Identifier: Apache-2.0
"""Identity's API inside the program: what the composition root and other services may ask."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from virga.ground.act import Actor
from virga.ground.db.engine import Database, Tx
from virga.ground.http.table import Service
from virga.ground.registry import Registry
from virga.services.identity import model, store
from virga.services.identity.actions import ec2
from virga.services.identity.actions.credentials import key_id
from virga.services.identity.passwords import Passwords
from virga.services.identity.secrets import Vault
from virga.services.identity.tokens import Tokens

DEFAULT_DOMAIN = "default"
__all__ = [
    "AccessKey",
    "access_key",
    "bootstrap",
    "needs_bootstrap",
    "project_exists",
    "project_id",
    "register",
    "reseal",
]


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An EC2 or S3 access key that may be used now: what it signs with, and who acts by it."""

    access: str
    secret: str
    actor: Actor


def access_key(registry: Registry, access: str) -> AccessKey | None:
    """The access key `access`, None when there is none or when its user, project, roles, trust or application credential no longer
    stand. The caller checks the signature with the secret, then acts as the actor. Asked again, it answers from memory."""
    tokens = registry.use(Tokens)
    found = tokens.access(key_id(access), lambda tx: ec2.payload(tx, registry, access))
    return None if found is None else AccessKey(access, found[1], found[0])


ROLE_NAMES = ("admin", "manager", "member", "reader", "service")


def needs_bootstrap(tx: Tx, password: str | None, passwords: Passwords, admin: str = "admin") -> bool:
    """Whether `bootstrap` has something to write: nobody there yet, or another password asked for."""
    user = store.USERS.one(tx, store.USERS.c.domain_id == DEFAULT_DOMAIN, store.USERS.c.name == admin)
    return user is None or (password is not None and not passwords.verify(user.password_hash, password))


def bootstrap(
    tx: Tx, hashed: str | None, *, everything: bool = True, admin: str = "admin", project: str = "admin"
) -> None:
    """The first domain, roles, projects and the administrator; whatever is there stays. `hashed` sets the admin's password.
    Without `everything` the default domain alone: the operator makes the rest by the admin token, as in 2013."""
    if store.DOMAINS.get(tx, DEFAULT_DOMAIN) is None:
        store.DOMAINS.insert(
            tx,
            id=DEFAULT_DOMAIN,
            name="Default",
            description="The default domain",
            enabled=True,
            extra={},
            options={},
            tags=[],
        )
    if store.generation(tx) == 0:
        store.grow(tx)
    if not everything:
        return
    roles = {r.name: r for r in store.ROLES.find(tx, store.ROLES.c.domain_id.is_(None))}
    fresh: set[str] = set()
    for name in ROLE_NAMES:
        if name not in roles:
            options = {
                "immutable": True
            }  # nobody deletes by mistake what every rule is made of; Keystone's bootstrap does the same
            roles[name] = store.ROLES.insert(
                tx, id=uuid.uuid4().hex, name=name, domain_id=None, description=None, extra={}, options=options
            )
            fresh.add(name)
    for prior, implied in model.IMPLIED:
        if {prior, implied} & fresh:
            store.IMPLIED_ROLES.insert(tx, prior_id=roles[prior].id, implied_id=roles[implied].id)
    projects = {p.name: p for p in store.PROJECTS.find(tx, store.PROJECTS.c.domain_id == DEFAULT_DOMAIN)}
    for name, text in ((project, "Bootstrap project for initializing the cloud."), ("service", "Virga's own things")):
        if name not in projects:
            projects[name] = store.PROJECTS.insert(
                tx,
                id=uuid.uuid4().hex,
                name=name,
                domain_id=DEFAULT_DOMAIN,
                parent_id=DEFAULT_DOMAIN,
                description=text,
                enabled=True,
                tags=[],
                extra={},
                options={},
            )
    user = store.USERS.one(tx, store.USERS.c.domain_id == DEFAULT_DOMAIN, store.USERS.c.name == admin)
    if user is None:
        user = store.USERS.insert(
            tx,
            id=uuid.uuid4().hex,
            name=admin,
            domain_id=DEFAULT_DOMAIN,
            enabled=True,
            default_project_id=None,
            password_hash=hashed,
            password_expires_at=None,
            valid_after=0.0,
            options={},
            extra={},
            password_set=None,
            failures=0,
            failed_at=None,
            active_at=None,
        )
    elif hashed is not None:
        store.USERS.put(tx, user.id, password_hash=hashed, enabled=True)
        store.grow(tx)
    for target, target_id in (("project", projects[project].id), ("system", "system")):
        if not any(g.role_id == roles["admin"].id for g in store.grants_of(tx, user.id, target, target_id)):
            store.GRANTS.insert(
                tx, role_id=roles["admin"].id, user_id=user.id, target=target, target_id=target_id, inherited=False
            )


def register(tx: Tx, services: Iterable[Service], region: str) -> int:
    """Put our own services into the catalogue, once each; how many were added."""
    added = 0
    if store.REGIONS.get(tx, region) is None:
        store.REGIONS.insert(tx, id=region, description="", parent_region_id=None, extra={})
    for service in services:
        row = store.SERVICES.one(tx, store.SERVICES.c.type == service.type)
        if row is None:
            row = store.SERVICES.insert(
                tx, id=uuid.uuid4().hex, type=service.type, name=service.name, description=None, enabled=True, extra={}
            )
        for interface in ("public", "internal", "admin"):
            c = store.ENDPOINTS.c
            if store.ENDPOINTS.one(tx, c.service_id == row.id, c.interface == interface) is None:
                store.ENDPOINTS.insert(
                    tx,
                    id=uuid.uuid4().hex,
                    service_id=row.id,
                    interface=interface,
                    region_id=region,
                    url=service.catalog,
                    enabled=True,
                    extra={},
                )
                added += 1
    return added


def point(tx: Tx, type: str, url: str, region: str) -> bool:
    """Have a service's endpoints of a region at `url` (`%(project_id)s` is filled in for each caller); whether that changed anything."""
    row, c = store.SERVICES.one(tx, store.SERVICES.c.type == type), store.ENDPOINTS.c
    if row is None or not store.ENDPOINTS.change(
        tx, c.service_id == row.id, c.region_id == region, c.url != url, url=url
    ):
        return False
    store.grow(tx)
    return True


def census(tx: Tx) -> dict[str, int]:
    """How many of each noun there are."""
    rows = {
        "domains": store.DOMAINS,
        "projects": store.PROJECTS,
        "users": store.USERS,
        "roles": store.ROLES,
        "grants": store.GRANTS,
        "regions": store.REGIONS,
        "services": store.SERVICES,
        "endpoints": store.ENDPOINTS,
    }
    return {noun: table.count(tx) for noun, table in rows.items()}  # type: ignore[attr-defined]


def project_id(tx: Tx, name: str) -> str | None:
    """The id of a project of the default domain by its name."""
    found = store.PROJECTS.one(tx, store.PROJECTS.c.domain_id == DEFAULT_DOMAIN, store.PROJECTS.c.name == name)
    return None if found is None else found.id


def project_exists(tx: Tx, id: str) -> bool:
    return store.PROJECTS.get(tx, id) is not None


def reseal(db: Database, registry: Registry) -> int:
    """Seal every credential, every secret of domains' configurations and every token key with a new key; how many. Killed in between,
    all can still be opened, and the next run does the rest."""
    vault, done = registry.use(Vault), 0
    vault.rotate()
    with db.read() as tx:
        rows = store.CREDENTIALS.find(tx)
        options = store.DOMAIN_OPTIONS.find(tx, store.DOMAIN_OPTIONS.c.secret.is_(True))
    for row in rows:
        with db.write() as tx:
            store.CREDENTIALS.put(tx, row.id, blob=vault.seal(vault.open(row.blob)))
        done += 1
    c = store.DOMAIN_OPTIONS.c
    for option in options:
        with db.write() as tx:
            where = (c.domain_id == option.domain_id, c.group == option.group, c.option == option.option)
            store.DOMAIN_OPTIONS.change(tx, *where, value=vault.seal(vault.open(str(option.value))))
        done += 1
    with db.write() as tx:
        done += registry.use(Tokens).reseal(tx)
    vault.forget_old()
    return done


def new_token_key(tx: Tx, registry: Registry) -> int:
    """Make a token key that seals from now on; its number. Tokens of the older keys go on."""
    tokens = registry.use(Tokens)
    tokens.load(tx)
    return tokens.rotate(tx)


def forget_token_keys(tx: Tx, registry: Registry) -> None:
    """Drop all token keys for a new one: everybody logs in anew."""
    registry.use(Tokens).forget(tx)


def endpoint(tx: Tx, type: str, region: str, interface: str) -> str | None:
    """The address of a service's endpoint as the catalogue has it: a path where it is one of ours."""
    s, e = store.SERVICES, store.ENDPOINTS
    service = s.one(tx, s.c.type == type, s.c.enabled.is_(True))
    if service is None:
        return None
    found = e.one(
        tx, e.c.service_id == service.id, e.c.region_id == region, e.c.interface == interface, e.c.enabled.is_(True)
    )
    return None if found is None else found.url


def project_name(tx: Tx, id: str) -> tuple[str, str]:
    """(name, domain id) of a project; two empty words when there is none."""
    found = store.PROJECTS.get(tx, id)
    return ("", "") if found is None else (found.name, found.domain_id)


def ensure_role(tx: Tx, name: str) -> None:
    """A role that a service gives a meaning to, if there is none of that name yet."""
    if store.ROLES.one(tx, store.ROLES.c.name == name, store.ROLES.c.domain_id.is_(None)) is None:
        store.ROLES.insert(tx, id=uuid.uuid4().hex, name=name, domain_id=None, description=None, extra={}, options={})
