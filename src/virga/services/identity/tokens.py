# SPDX-License-Identifier: Apache-2.0
"""Tokens: an encrypted payload, no row. Resolving one reads the database once per generation; after that it is a look-up in memory.
A change that takes something away grows the generation, and every process sees it within a second."""

from __future__ import annotations

import base64
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import msgspec
import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from virga.ground import typed
from virga.ground.act import NO_OVERRIDES, Actor, Overrides
from virga.ground.db.engine import Database, Tx
from virga.ground.errors import Unauthorized
from virga.ground.http.call import Cold
from virga.ground.registry import Registry
from virga.ground.world import World
from virga.services.identity import external_grants, model, store
from virga.services.identity.secrets import TOKEN_KEY, Vault

CACHE = 20000
AUDIT_BYTES = 12
BARE = 44
"""The length of a key's text that is not sealed, as databases of older programs have it."""
SPREAD = 5.0
"""Seconds after which every process has read a new key; only then are tokens sealed with it."""


def audit_id() -> str:
    return base64.urlsafe_b64encode(os.urandom(AUDIT_BYTES)).rstrip(b"=").decode()


class Tokens:
    """The Authenticator of all services, and identity's own way to sessions."""

    def __init__(self, db: Database, registry: Registry, overrides: Overrides = NO_OVERRIDES) -> None:
        self.db, self.registry, self.overrides = db, registry, overrides
        self.generation = 0
        self._keys: dict[int, AESGCM] = {}
        self._ages: list[tuple[float, int]] = []
        self._revoked: frozenset[str] = frozenset()
        self._cache: OrderedDict[str, tuple[int, model.Session, Actor]] = OrderedDict()
        # Of what is no token (access keys), by the credential's id: never looked at for a token, whatever its text.
        self._keyed: OrderedDict[str, tuple[int, Actor, str]] = OrderedDict()
        self._lock = threading.Lock()
        typed.know(model.Payload)
        self._decoder = msgspec.msgpack.Decoder(model.Payload)

    # -- keys and generation ---------------------------------------------------------------------------------------

    def load(self, tx: Tx) -> None:
        """Read keys, revocations and the generation; makes the first key."""
        keys = store.KEYS.find(tx, order=store.KEYS.c.number)
        if not keys and tx.writes:
            keys = [store.KEYS.insert(tx, number=1, secret=self._fresh_key(), created=self.registry.use(World).now())]
        if tx.writes:
            self._seal_bare(tx, keys)
        self._keys = {k.number & 255: AESGCM(self._opened(k)) for k in keys}
        self._ages = [(k.created, k.number & 255) for k in reversed(keys)]
        self._revoked = frozenset(r.audit_id for r in store.REVOCATIONS.find(tx))
        self.generation = store.generation(tx)

    def _fresh_key(self) -> str:
        """A new key, sealed for the database."""
        return self._sealed_key(os.urandom(32))

    def _sealed_key(self, key: bytes) -> str:
        return self.registry.use(Vault).seal(base64.b64encode(key).decode(), TOKEN_KEY)

    def _opened(self, key: model.Key) -> bytes:
        return base64.b64decode(
            key.secret if len(key.secret) == BARE else self.registry.use(Vault).open(key.secret, TOKEN_KEY)
        )

    def _seal_bare(self, tx: Tx, keys: list[model.Key]) -> None:
        """Keys that an older program left open in the database are sealed."""
        for key in keys:
            if len(key.secret) == BARE:
                store.KEYS.change(tx, store.KEYS.c.number == key.number, secret=self._sealed_key(self._opened(key)))

    def forget(self, tx: Tx) -> None:
        """Begin with a new key in the place of all: whoever is logged in must log in again."""
        store.KEYS.delete(tx, sa.true())
        self.load(tx)
        store.grow(tx)

    def reseal(self, tx: Tx) -> int:
        """Seal every token key with the vault's first key; how many."""
        keys = store.KEYS.find(tx)
        for key in keys:
            store.KEYS.change(tx, store.KEYS.c.number == key.number, secret=self._sealed_key(self._opened(key)))
        return len(keys)

    def rotate(self, tx: Tx) -> int:
        """A new key; tokens are sealed with it once every process has read it, and the old ones go on. Gives its number."""
        last = tx.conn.execute(sa.select(sa.func.max(store.KEYS.c.number))).scalar() or 0
        store.KEYS.insert(tx, number=last + 1, secret=self._fresh_key(), created=self.registry.use(World).now())
        self.bump_generation(tx)
        return int(last) + 1

    def refresh(self, tx: Tx) -> bool:
        """Take over a newer generation; whether there was one."""
        if store.generation(tx) == self.generation:
            return False
        self.load(tx)
        return True

    def bump_generation(self, tx: Tx) -> None:
        """A change in `tx` takes something from tokens: this process obeys at its commit, the others within a second."""
        store.grow(tx)

        def obey() -> None:
            with self.db.read() as fresh:
                self.load(fresh)

        tx.after_commit(obey)

    # -- sealing ---------------------------------------------------------------------------------------------------

    def _newest(self) -> int:
        """The newest key that every process has had time to read."""
        known = self.registry.use(World).now() - SPREAD
        return next((number for made, number in self._ages if made <= known), self._ages[-1][1])

    def _seal(self, value: msgspec.Struct, label: bytes) -> str:
        nonce, number = os.urandom(12), self._newest()
        sealed = self._keys[number].encrypt(nonce, msgspec.msgpack.encode(value), label)
        return base64.urlsafe_b64encode(bytes([1, number]) + nonce + sealed).rstrip(b"=").decode()

    def _unseal(self, text: str, label: bytes) -> bytes | None:
        if not 40 < len(text) < 2048:
            return None
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            key = self._keys.get(raw[1])
            return None if raw[0] != 1 or key is None else key.decrypt(raw[2:14], raw[14:], label)
        except (ValueError, InvalidTag, UnicodeEncodeError):
            return None

    def seal(self, payload: model.Payload) -> str:
        return self._seal(payload, b"virga-token")

    def open(self, token: str) -> model.Payload | None:
        """The payload of a token that we sealed; None for anything else."""
        raw = self._unseal(token, b"virga-token")
        try:
            return None if raw is None else self._decoder.decode(raw)
        except msgspec.DecodeError:
            return None

    def seal_receipt(self, receipt: model.Receipt) -> str:
        return self._seal(receipt, b"virga-receipt")

    def open_receipt(self, text: str) -> model.Receipt | None:
        """An authentication receipt of ours that is still good; None for anything else. It never passes for a token."""
        raw = self._unseal(text, b"virga-receipt")
        if raw is None:
            return None
        receipt = typed.decode_packed(raw, model.Receipt)
        return receipt if receipt.expires > self.registry.use(World).now() else None

    # -- resolving -------------------------------------------------------------------------------------------------

    def hot(self, token: str) -> Actor | None:
        found = self.session_hot(token)
        return None if found is None else found[1]

    def cold(self, token: str) -> Actor | None:
        found = self.session(token)
        return None if found is None else found[1]

    def users(self) -> set[str]:
        """The ids of the users whose tokens are in memory."""
        with self._lock:
            actors = [entry[2] for entry in self._cache.values() if entry[0] == self.generation]
            actors += [entry[1] for entry in self._keyed.values() if entry[0] == self.generation]
        return {actor.user_id for actor in actors}

    def session_hot(self, token: str) -> tuple[model.Session, Actor] | None:
        """From memory; Cold when the database must be read."""
        entry = self._cache.get(token)
        if entry is None or entry[0] != self.generation:
            raise Cold
        if entry[2].expires <= self.registry.use(World).now():
            return None
        return entry[1], entry[2]

    def session(self, token: str, late: float = 0.0) -> tuple[model.Session, Actor] | None:
        """The session and actor of a live token, None for a dead one; `late`: also of one that ended at most so many seconds ago."""
        try:
            hot = self.session_hot(token)
            if hot is not None or not late:
                return hot
        except Cold:
            pass
        payload = self.open(token)
        if payload is None:
            return None
        generation = self.generation
        with self.db.read() as tx:
            try:
                session = self.resolve(tx, payload, late)
            except Unauthorized:
                return None
        actor = self.actor(session)
        if not late:
            self._remember(token, generation, session, actor)
        return session, actor

    def _remember(self, name: str, generation: int, session: model.Session, actor: Actor) -> None:
        with self._lock:
            self._cache[name] = (generation, session, actor)
            while len(self._cache) > CACHE:
                self._cache.popitem(last=False)

    def issue(self, payload: model.Payload, tx: Tx | None = None) -> tuple[str, model.Session]:
        """A token for the payload, checked as it will be when it is used; its first use finds it in memory. Raises Unauthorized.
        `tx` is the caller's transaction, which only reads: what it wrote could still be taken back."""
        if tx is None:
            with self.db.read() as own:
                return self.issue(payload, own)
        generation = store.generation(tx)
        session = self.resolve(tx, payload)
        sealed = self.seal(payload)
        self._remember(sealed, generation, session, self.actor(session))
        return sealed, session

    def note(self, tx: Tx, facts: dict[str, Any]) -> None:
        """Remember for the revocation list what ended tokens."""
        now = self.registry.use(World).now()
        store.add_event(tx, facts | {"issued_before": now, "revoked_at": now}, now)

    def actor(self, session: model.Session) -> Actor:
        return actor_of(session, self.overrides)

    def access(self, id: str, load: Callable[[Tx], tuple[model.Payload, str] | None]) -> tuple[Actor, str] | None:
        """The actor and the secret of a credential that is no token (an EC2 key), by its `id`: from memory, or `load`ed."""
        known = self._keyed.get(id)
        if known is not None and known[0] == self.generation and known[1].expires > self.registry.use(World).now():
            return known[1], known[2]
        generation = self.generation
        with self.db.read() as tx:
            made = load(tx)
            if made is None:
                return None
            try:
                session = self.resolve(tx, made[0])
            except Unauthorized:
                return None
        actor = self.actor(session)
        with self._lock:
            self._keyed[id] = (generation, actor, made[1])
            while len(self._keyed) > CACHE:
                self._keyed.popitem(last=False)
        return actor, made[1]

    def resolve(self, tx: Tx, payload: model.Payload, late: float = 0.0) -> model.Session:
        """Check the payload against what is in the database now. Raises Unauthorized with the reason."""
        now = self.registry.use(World).now()
        if payload.expires + late <= now:
            raise Unauthorized("The token has expired.")
        if not self._revoked.isdisjoint(payload.audit_ids):
            raise Unauthorized("The token has been revoked.")
        user, user_domain = _live_user(tx, payload.user_id, payload.issued)
        project = project_domain = domain = None
        if payload.project_id is not None:
            project = store.PROJECTS.get(tx, payload.project_id)
            if project is not None:
                project_domain = (
                    user_domain if project.domain_id == user_domain.id else store.DOMAINS.get(tx, project.domain_id)
                )
            if project is None or not project.enabled or project_domain is None or not project_domain.enabled:
                raise Unauthorized("The project of the token is gone or disabled.")
        elif payload.domain_id is not None:
            domain = store.DOMAINS.get(tx, payload.domain_id)
            if domain is None or not domain.enabled:
                raise Unauthorized("The domain of the token is gone or disabled.")
        roles = roles_of(tx, user.id, project, domain, payload.system)
        trust = app = rules = None
        if payload.trust_id is not None:
            trust = live_trust(tx, payload.trust_id, now)
            _live_user(tx, trust.trustee_id, payload.issued)
            acting = trust.trustor_id if trust.impersonation else trust.trustee_id
            if (payload.user_id, payload.project_id) != (acting, trust.project_id):
                raise Unauthorized("The trust is for another user, or for another project.")
            if payload.key is not None and trust.remaining_uses is not None:
                raise Unauthorized("The uses of the trust are counted, and a key's are not.")
            if trust.trustor_id != user.id:
                _live_user(tx, trust.trustor_id, 0.0)
                roles = roles_of(tx, trust.trustor_id, project, None, False)
            if not set(trust.roles) <= {r.id for r in roles}:
                raise Unauthorized("The trustor no longer has the roles of the trust.")
            role_ids = store.all_implied(tx, trust.roles)
            roles = [r for r in roles if r.id in role_ids]
        lent = external_grants.lent(tx, payload) if payload.via is not None else ()
        if payload.oauth is not None:
            roles = external_grants.handed(tx, payload, roles, now)
        if payload.app_credential_id is not None:
            app = store.APP_CREDENTIALS.get(tx, payload.app_credential_id)
            if (
                app is None
                or app.user_id != user.id
                or app.project_id != payload.project_id
                or (app.expires is not None and app.expires <= now)
            ):
                raise Unauthorized("The application credential is gone or has expired.")
            roles = [r for r in roles if r.id in app.roles]
            if app.access_rules is not None:
                rules = tuple(store.ACCESS_RULES.within(tx, "id", app.access_rules))
        if payload.key is not None:
            key = store.CREDENTIALS.get(tx, payload.key)
            if key is None or key.type != "ec2" or (key.user_id, key.project_id) != (user.id, payload.project_id):
                raise Unauthorized("The access key is gone.")
        if (payload.project_id or payload.domain_id or payload.system) and not roles:
            raise no_role(user.id)
        return model.Session(
            payload, user, user_domain, project, project_domain, domain, tuple(roles), trust, app, rules, lent
        )


def _live_user(tx: Tx, id: str, issued: float) -> tuple[model.User, model.Domain]:
    user = store.USERS.get(tx, id)
    if user is None or not user.enabled or (issued and issued < user.valid_after):
        raise Unauthorized("The user of the token is gone, disabled, or has changed the password since.")
    domain = store.DOMAINS.get(tx, user.domain_id)
    if domain is None or not domain.enabled:
        raise Unauthorized("The domain of the token's user is gone or disabled.")
    return user, domain


def live_trust(tx: Tx, id: str, now: float) -> model.Trust:
    """A trust that stands, as do those that it was handed on from. Raises Unauthorized."""
    trust = store.TRUSTS.get(tx, id)
    if trust is None or trust.deleted_at is not None or (trust.expires is not None and trust.expires <= now):
        raise Unauthorized("The trust is gone or has expired.")
    if trust.redelegated_id is not None:
        live_trust(tx, trust.redelegated_id, now)
    return trust


def actor_of(session: model.Session, overrides: Overrides = NO_OVERRIDES) -> Actor:
    """Who asks, by a session. Roles in small letters: policies have always read `role:member` as the guide's `Member` too."""
    names = {r.name.lower() for r in session.roles}
    if "member" in names and not any(r.name == "member" for r in session.roles):
        names.add("reader")  # a role made as in 2013 implies nothing, and its members did read
    p, project, app = session.payload, session.project, session.app_credential
    return Actor(
        user_id=p.user_id,
        user_name=session.user.name,
        user_domain_id=session.user.domain_id,
        roles=frozenset(names),
        project_id=p.project_id,
        domain_id=p.domain_id,
        system=p.system,
        token_id=p.audit_ids[0],
        expires=p.expires,
        project_domain_id=project.domain_id if project is not None else None,
        trust_id=p.trust_id,
        app_credential_id=p.app_credential_id,
        restricted=p.oauth is not None or p.key is not None or (app is not None and not app.unrestricted),
        oauth_token_id=p.oauth[1] if p.oauth is not None else None,
        access_key_id=p.key,
        access_rules=None if session.access_rules is None else (model.Narrowed(session.access_rules),),
        overrides=overrides,
    )


def with_implied(tx: Tx, ids: set[str]) -> list[model.Role]:
    """The roles with what they imply, by name. A domain's own roles stay behind: only what they imply reaches a token."""
    if not ids:
        return []
    wanted = store.all_implied(tx, ids)
    rows = (
        store.ROLES.within(tx, "id", wanted)
        if len(wanted) > 16
        else [r for id in wanted if (r := store.ROLES.get(tx, id)) is not None]
    )
    return sorted((r for r in rows if r.domain_id is None), key=lambda r: r.name)


def roles_on(tx: Tx, user_id: str, target: str, target_id: str) -> list[model.Role]:
    """The roles that a user has on a domain or the system, the implied ones with them."""
    return with_implied(tx, store.role_ids(tx, user_id, (target, [target_id], False)))


def parents_of(tx: Tx, project: model.Project) -> list[model.Project]:
    """The projects above, nearest first."""
    above: list[model.Project] = []
    at = project
    while at.parent_id != at.domain_id and len(above) < 16:
        parent = store.PROJECTS.get(tx, at.parent_id)
        if parent is None:
            break
        above.append(parent)
        at = parent
    return above


def no_role(user_id: str) -> Unauthorized:
    """What is said to a user without a role on a scope, whether there is such a scope or not."""
    return Unauthorized(f"User {user_id} has no role on what the token is scoped to.")


def roles_on_project(tx: Tx, user_id: str, project: model.Project) -> list[model.Role]:
    """Direct grants, and those inherited from the domain and the parent projects."""
    targets: list[store.RoleTarget] = [("project", [project.id], False), ("domain", [project.domain_id], True)]
    above = parents_of(tx, project)
    if above:
        targets.append(("project", [p.id for p in above], True))
    return with_implied(tx, store.role_ids(tx, user_id, *targets))


def roles_of(
    tx: Tx, user_id: str, project: model.Project | None, domain: model.Domain | None, system: bool
) -> list[model.Role]:
    if project is not None:
        return roles_on_project(tx, user_id, project)
    if domain is not None:
        return roles_on(tx, user_id, "domain", domain.id)
    return roles_on(tx, user_id, "system", "system") if system else []
