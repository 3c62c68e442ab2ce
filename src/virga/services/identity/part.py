# SPDX-License-Identifier: Apache-2.0
"""Identity as a part of a process: tokens, the catalogue, the keys that seal, directories and providers."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from virga.authority.overrides import Overrides
from virga.ground.http.call import Authenticator
from virga.ground.http.table import Service
from virga.ground.loops.loop import Loop
from virga.ground.registry import Registry
from virga.services.identity import api, loops, policy, routes
from virga.services.identity.actions.login import ExternalPasswords
from virga.services.identity.catalog import Catalog
from virga.services.identity.directories import actions as directories
from virga.services.identity.directories import loops as directory_loops
from virga.services.identity.directories.registry import Directories
from virga.services.identity.federation import policy as federation_policy
from virga.services.identity.federation.registry import Providers
from virga.services.identity.federation.saml.issuer import SamlKey
from virga.services.identity.oauth import oauth1
from virga.services.identity.passwords import Passwords
from virga.services.identity.secrets import Vault
from virga.services.identity.settings import Identity
from virga.services.identity.tokens import Tokens
from virga.services.part import Part, Site, rules_of


def first_password(state: Path | None) -> str:
    """The administrator's password: VIRGA_ADMIN_PASSWORD, or one that is made once and kept in the state folder, readable by its owner;
    `admin` where nothing is kept."""
    given = os.environ.get("VIRGA_ADMIN_PASSWORD")
    if given:
        return given
    if state is None:
        return "admin"
    file = state / "admin-password"
    if not file.exists():
        fresh = file.with_suffix(".new")
        fd = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        os.write(fd, secrets.token_urlsafe(15).encode())
        os.close(fd)
        fresh.rename(file)
    return file.read_text().strip()


def hashed_password(site: Site, admin: str = "admin") -> str | None:
    """The first password of `admin`, hashed, where it is to be written: nobody of that name yet, or another password. Hashing takes long,
    so it is done outside of the transaction that writes, and only then."""
    password, passwords = first_password(site.state), site.registry.use(Passwords)
    with site.db.read() as tx:
        wanted = api.needs_bootstrap(tx, password, passwords, admin)
    return passwords.hash(password) if wanted else None


def _apis(registry: Registry) -> tuple[Service, ...]:
    return (routes.identity_service(registry.use(Identity).v2),)


def _loops(_: Registry) -> tuple[Loop, ...]:
    return (*loops.LOOPS, *directory_loops.LOOPS)


def _furnish(site: Site) -> None:
    registry, own = site.registry, site.registry.use(Identity)
    registry.put(Passwords, Passwords())
    tokens = registry.put(Tokens, Tokens(site.db, registry, registry.use(Overrides)))
    registry.put(Authenticator, tokens)
    catalog = registry.put(Catalog, Catalog(site.db))
    catalog.before(site.apis, ports=site.classic_ports)
    vault = registry.put(Vault, Vault(site.file("credential.keys", own.credential_keys)))
    registry.put(Directories, Directories(site.db, own, vault))
    registry.put(ExternalPasswords, directories.password)
    registry.put(Providers, Providers(own.oidc, own.saml))
    registry.put(SamlKey, SamlKey(site.file("saml.pem", own.saml_idp.keyfile)))


def _prepare(site: Site) -> None:
    """The first administrator, the catalogue, the first token key, the domains of directories."""
    registry, own = site.registry, site.registry.use(Identity)
    hashed = hashed_password(site) if own.bootstrap else None
    with site.db.write() as tx:
        api.bootstrap(tx, hashed, everything=own.bootstrap)
        api.register(tx, site.apis, site.region)
        registry.use(Tokens).load(tx)
        registry.use(Directories).make(tx)


def _load(site: Site) -> None:
    with site.db.read() as tx:
        site.registry.use(Tokens).load(tx)
        site.registry.use(Directories).load(tx)


def _stop(site: Site) -> None:
    site.registry.use(Directories).close()


PART = Part(
    name="identity",
    apis=_apis,
    rules=rules_of(policy, federation_policy, oauth1),
    settings=Identity,
    loops=_loops,
    furnish=_furnish,
    prepare=_prepare,
    load=_load,
    stop=_stop,
)
