# SPDX-License-Identifier: Apache-2.0
"""Tokens: an encrypted payload, no row. Resolving one reads the database once per generation; after that it is a look-up in memory.
A change that takes something away grows the generation, and every process sees it within a second."""

from __future__ import annotations

import base64
import os
import threading
from collections import OrderedDict

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from virga.ground.db.engine import Database, Tx
from virga.ground.doors import Doors
from virga.ground.errors import Unauthorized
from virga.ground.http.call import Actor, Cold
from virga.ground.world import World
from virga.services.identity import model, store

CACHE = 20000
AUDIT_BYTES = 12


def audit_id() -> str:
    return base64.urlsafe_b64encode(os.urandom(AUDIT_BYTES)).rstrip(b"=").decode()


class Tokens:
    """The Authenticator of all services, and identity's own way to sessions."""

    def __init__(self, db: Database, doors: Doors) -> None:
        self.db, self.doors = db, doors
        self.generation = 0
        self._keys: dict[int, AESGCM] = {}
        self._first = 0
        self._revoked: frozenset[str] = frozenset()
        self._cache: OrderedDict[str, tuple[int, model.Session, Actor]] = OrderedDict()
        self._lock = threading.Lock()
        self._decoder = msgspec.msgpack.Decoder(model.Payload)

    # -- keys and generation ---------------------------------------------------------------------------------------

    def load(self, tx: Tx) -> None:
        """Read keys, revocations and the generation; makes the first key."""
        keys = store.KEYS.find(tx, order=store.KEYS.c.number)
        if not keys and tx.writes:
            keys = [store.KEYS.insert(tx, number=1, secret=base64.b64encode(os.urandom(32)).decode(), created=self.doors.use(World).now())]
        self._keys = {k.number: AESGCM(base64.b64decode(k.secret)) for k in keys}
        self._first = max(self._keys, default=0)
        self._revoked = frozenset(r.audit_id for r in store.REVOCATIONS.find(tx))
        self.generation = store.generation(tx)

    def refresh(self, tx: Tx) -> bool:
        """Take over a newer generation; whether there was one."""
        if store.generation(tx) == self.generation:
            return False
        self.load(tx)
        return True

    def grew(self, tx: Tx) -> None:
        """A change in `tx` takes something from tokens: this process obeys at its commit, the others within a second."""
        store.grow(tx)

        def obey() -> None:
            with self.db.read() as fresh:
                self.load(fresh)

        tx.after_commit(obey)

    # -- sealing ---------------------------------------------------------------------------------------------------

    def seal(self, payload: model.Payload) -> str:
        nonce = os.urandom(12)
        sealed = self._keys[self._first].encrypt(nonce, msgspec.msgpack.encode(payload), b"virga-token")
        return base64.urlsafe_b64encode(bytes([1, self._first & 255]) + nonce + sealed).rstrip(b"=").decode()

    def open(self, token: str) -> model.Payload | None:
        """The payload of a token that we sealed; None for anything else."""
        if not 40 < len(token) < 2048:
            return None
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            key = self._keys.get(raw[1])
            if raw[0] != 1 or key is None:
                return None
            return self._decoder.decode(key.decrypt(raw[2:14], raw[14:], b"virga-token"))
        except (ValueError, InvalidTag, msgspec.DecodeError, UnicodeEncodeError):
            return None

    # -- resolving -------------------------------------------------------------------------------------------------

    def hot(self, token: str) -> Actor | None:
        found = self.session_hot(token)
        return None if found is None else found[1]

    def cold(self, token: str) -> Actor | None:
        found = self.session(token)
        return None if found is None else found[1]

    def session_hot(self, token: str) -> tuple[model.Session, Actor] | None:
        """From memory; Cold when the database must be read."""
        entry = self._cache.get(token)
        if entry is None or entry[0] != self.generation:
            raise Cold
        if entry[2].expires <= self.doors.use(World).now():
            return None
        return entry[1], entry[2]

    def session(self, token: str) -> tuple[model.Session, Actor] | None:
        """The session and actor of a live token, None for a dead one."""
        try:
            return self.session_hot(token)
        except Cold:
            pass
        payload = self.open(token)
        if payload is None:
            return None
        generation = self.generation
        with self.db.read() as tx:
            try:
                session = self.resolve(tx, payload)
            except Unauthorized:
                return None
        actor = actor_of(session)
        with self._lock:
            self._cache[token] = (generation, session, actor)
            while len(self._cache) > CACHE:
                self._cache.popitem(last=False)
        return session, actor

    def resolve(self, tx: Tx, payload: model.Payload) -> model.Session:
        """Check the payload against what is in the database now. Raises Unauthorized with the reason."""
        if payload.expires <= self.doors.use(World).now():
            raise Unauthorized("The token has expired.")
        if not self._revoked.isdisjoint(payload.audit_ids):
            raise Unauthorized("The token has been revoked.")
        user = store.USERS.get(tx, payload.user_id)
        if user is None or not user.enabled or payload.issued < user.valid_after:
            raise Unauthorized("The user of the token is gone, disabled, or has changed the password since.")
        user_domain = store.DOMAINS.get(tx, user.domain_id)
        if user_domain is None or not user_domain.enabled:
            raise Unauthorized("The domain of the token's user is gone or disabled.")
        project = project_domain = domain = None
        names: list[model.Role] = []
        if payload.project_id is not None:
            project = store.PROJECTS.get(tx, payload.project_id)
            project_domain = store.DOMAINS.get(tx, project.domain_id) if project is not None else None
            if project is None or not project.enabled or project_domain is None or not project_domain.enabled:
                raise Unauthorized("The project of the token is gone or disabled.")
            names = roles_on_project(tx, user.id, project)
        elif payload.domain_id is not None:
            domain = store.DOMAINS.get(tx, payload.domain_id)
            if domain is None or not domain.enabled:
                raise Unauthorized("The domain of the token is gone or disabled.")
            names = roles_on(tx, user.id, "domain", domain.id)
        elif payload.system:
            names = roles_on(tx, user.id, "system", "system")
        if (payload.project_id or payload.domain_id or payload.system) and not names:
            raise Unauthorized(f"User {user.id} has no role on what the token is scoped to.")
        return model.Session(payload, user, user_domain, project, project_domain, domain, tuple(names))


def actor_of(session: model.Session) -> Actor:
    """Who asks, by a session. Roles in small letters: policies have always read `role:member` as the guide's `Member` too."""
    p = session.payload
    return Actor(
        user_id=p.user_id, user_name=session.user.name, user_domain_id=session.user.domain_id, roles=frozenset(r.name.lower() for r in session.roles),
        project_id=p.project_id, domain_id=p.domain_id, system=p.system, token_id=p.audit_ids[0], expires=p.expires,
    )  # fmt: skip


def _with_implied(tx: Tx, ids: set[str]) -> list[model.Role]:
    if not ids:
        return []
    all_roles = store.ROLES.find(tx, store.ROLES.c.domain_id.is_(None) | store.ROLES.c.id.in_(ids), order=store.ROLES.c.name)
    names = model.implied({r.name.lower() for r in all_roles if r.id in ids})
    return [r for r in all_roles if r.id in ids or (r.domain_id is None and r.name in names)]


def roles_on(tx: Tx, user_id: str, target: str, target_id: str) -> list[model.Role]:
    """The roles that a user has on a domain or the system, the implied ones with them."""
    return _with_implied(tx, {g.role_id for g in store.grants_of(tx, user_id, target, target_id)})


def roles_on_project(tx: Tx, user_id: str, project: model.Project) -> list[model.Role]:
    """Direct grants, and those inherited from the domain and the parent projects."""
    ids = {g.role_id for g in store.grants_of(tx, user_id, "project", project.id)}
    ids |= {g.role_id for g in store.grants_of(tx, user_id, "domain", project.domain_id, inherited=True)}
    at, depth = project, 0
    while at.parent_id != at.domain_id and depth < 16:
        parent = store.PROJECTS.get(tx, at.parent_id)
        if parent is None:
            break
        ids |= {g.role_id for g in store.grants_of(tx, user_id, "project", parent.id, inherited=True)}
        at, depth = parent, depth + 1
    return _with_implied(tx, ids)
