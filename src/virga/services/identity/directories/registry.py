# SPDX-License-Identifier: Apache-2.0
"""Which domains have a directory: those of the settings, by name, and those whose own configuration (`/v3/domains/{id}/config`) says
`identity.driver = ldap`. Looked up in memory; read anew by the loop."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec

from virga.ground import log
from virga.ground.db.engine import Database, Tx
from virga.ground.errors import Forbidden, Unavailable
from virga.services.identity import model as rows
from virga.services.identity import settings, store
from virga.services.identity.directories.driver import Directory
from virga.services.identity.directories.settings import Ldap, of_domain
from virga.services.identity.secrets import Vault

Open = Callable[[Ldap, str], Directory]
LOOP_SLACK, AWAY_SECONDS = 0.25, 10.0


class Unusable:
    """In the place of a directory whose configuration is none: every question is answered with the reason."""

    writable = False

    def __init__(self, domain: str, why: str) -> None:
        self.domain, self.why = domain, why

    def close(self) -> None:
        """There is nothing to close."""

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        def refuse(*_: Any, **__: Any) -> Any:
            raise Unavailable(
                f"The directory of domain {self.domain} cannot be used, its configuration is wrong: {self.why}"
            )

        return refuse


def _ldap(own: Ldap, domain: str) -> Directory:
    from virga.services.identity.directories.drivers.ldap import LdapDirectory  # loaded where there is a directory

    return LdapDirectory(own, domain)


class Directories:
    """`of(domain_id)` is the directory of a domain, None for those whose users are ours alone."""

    def __init__(self, db: Database, own: settings.Identity, vault: Vault, open: Open = _ldap) -> None:
        self.db, self.own, self.vault, self.open = db, own, vault, open
        self._found: dict[str, tuple[Ldap | str, Directory | Unusable]] = {}
        self._loaded = False
        self._lock = threading.Lock()
        self.due: dict[str, float] = {}
        self._looked: dict[str, float] = {}
        self.log = log.get("directories")

    def ready(self) -> None:
        """Know who has a directory; not inside of a transaction."""
        if not self._loaded:
            with self.db.read() as tx:
                self.load(tx)

    @property
    def any(self) -> bool:
        return bool(self._found)

    def of(self, domain_id: str) -> Directory | None:
        found = self._found.get(domain_id)
        return None if found is None else cast(Directory, found[1])

    def all(self) -> list[tuple[str, Ldap, Directory]]:
        """Those that can be asked."""
        return [
            (id, own, cast(Directory, directory))
            for id, (own, directory) in self._found.items()
            if isinstance(own, Ldap)
        ]

    def look(self, domain_id: str, now: float, own: Ldap) -> bool:
        """Whether it is time to ask the directory about those who hold tokens."""
        if now < self._looked.get(domain_id, 0.0):
            return False
        self._looked[domain_id] = now + own.check_seconds - LOOP_SLACK
        return True

    def back_off(self, domain_id: str, now: float) -> None:
        """A directory that is away is left alone for a while."""
        self._looked[domain_id] = now + AWAY_SECONDS

    def make(self, tx: Tx) -> None:
        """The domains of the settings that are not there yet."""
        for name in self.own.ldap:
            if store.DOMAINS.one(tx, store.DOMAINS.c.name == name) is None:
                text = "Users and groups of a directory"
                store.DOMAINS.insert(
                    tx, id=uuid.uuid4().hex, name=name, description=text, enabled=True, extra={}, options={}, tags=[]
                )
        self.load(tx)

    def load(self, tx: Tx) -> None:
        """Read who has a directory, and open or close what changed."""
        wanted: dict[str, tuple[str, Ldap | str]] = {}
        for name, own in self.own.ldap.items():
            domain = store.DOMAINS.one(tx, store.DOMAINS.c.name == name)
            if domain is not None:
                wanted[domain.id] = (name, own)
        for domain_id, options in self._configured(tx).items():
            domain = store.DOMAINS.get(tx, domain_id)
            read: Ldap | str
            try:
                read = of_domain(options)
            except msgspec.ValidationError as e:
                read = str(e)
            if domain is not None and domain_id not in wanted:
                wanted[domain_id] = (domain.name, read)
        with self._lock:
            for id, (configured, directory) in list(self._found.items()):
                if id not in wanted or wanted[id][1] != configured:
                    directory.close()
                    del self._found[id]
            for id, (name, configured) in wanted.items():
                if id in self._found:
                    continue
                if isinstance(configured, str):
                    self.log.warning("domain_config_wrong", domain=id, why=configured)
                self._found[id] = (
                    configured,
                    Unusable(name, configured) if isinstance(configured, str) else self.open(configured, name),
                )
                self.due[id] = 0.0
            self._loaded = True

    def _configured(self, tx: Tx) -> dict[str, dict[str, Any]]:
        c = store.DOMAIN_OPTIONS.c
        by_domain: dict[str, dict[str, Any]] = {}
        drivers = store.DOMAIN_OPTIONS.find(tx, c.group == "identity", c.option == "driver")
        chosen = [o.domain_id for o in drivers if o.value == "ldap"]
        for option in store.DOMAIN_OPTIONS.within(tx, "domain_id", chosen, c.group == "ldap"):
            value = self.vault.open(option.value) if option.secret and isinstance(option.value, str) else option.value
            by_domain.setdefault(option.domain_id, {})[option.option] = value
        return {id: by_domain.get(id, {}) for id in chosen}

    def close(self) -> None:
        with self._lock:
            for _, directory in self._found.values():
                directory.close()
            self._found.clear()
            self._loaded = False


def refuse_foreign(change: Mapping[str, Any], user: rows.User) -> None:
    """A read-only directory's user keeps what is ours alone: the default project and the options. Raises Forbidden."""
    for key in change:
        if key not in {"default_project_id", "options", "domain_id"} and not (key == "extra" and not change[key]):
            raise Forbidden(
                f"LDAP does not support write operations: {key} of user {user.name} is the directory's, which is set to be read only."
            )
