# SPDX-License-Identifier: Apache-2.0
"""The ways to prove who one is: one function a method of `POST /v3/auth/tokens`. Who fails reads the same sentence, after the same
work, whatever was wrong."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.db.rows import Where
from virga.ground.errors import Forbidden, Invalid, NotFound, Unauthorized
from virga.ground.http.call import Call
from virga.ground.wire import UNSET
from virga.services.identity import model, settings, store, wire
from virga.services.identity.passwords import Passwords
from virga.services.identity.secrets import Vault
from virga.services.identity.tokens import Tokens

DENIED = "The request you have made requires authentication."
DAY = 86400.0
TOTP_SECONDS, TOTP_DIGITS = 30, 6
TOTP_TRIES, TOTP_WINDOW = 10, 300
"""How many passcodes of one user are looked at in so many seconds: each try of a guesser has two chances in a million, so a day of
guessing has one in 170. A user has ten codes in that time, and each works once."""


@dataclass(frozen=True)
class Proof:
    """What a passed method says: who it is; `methods` that a token handed on; the first token's end and audit id; what the token to
    be made is bound to."""

    user: model.User
    methods: tuple[str, ...] = ()
    expires: float | None = None
    audit_id: str | None = None
    project_id: str | None = None
    app_credential_id: str | None = None
    via: tuple[str, str] | None = None
    oauth: tuple[str, str] | None = None
    before: model.Payload | None = field(default=None, compare=False)


class ExternalPasswords(Protocol):
    """Whoever keeps the passwords of some domains: the user who has this one, None where passwords are ours; raises Unauthorized."""

    def __call__(self, act: Act, given: wire.PasswordUser, password: str) -> model.User | None: ...


def user_of(tx: Tx, id: object, name: object, domain: object) -> model.User | None:
    """A user by id, or by name in a domain; None for one who is not there. Raises Invalid."""
    if isinstance(id, str):
        return store.USERS.get(tx, id)
    if not isinstance(name, str) or not isinstance(domain, wire.DomainRef):
        raise Invalid(
            "Invalid input for field 'auth.identity': a user's id, or name with domain, is needed", field="user"
        )
    found = domain_of(tx, domain)
    return None if found is None else store.USERS.by(tx, domain_id=found.id, name=name)


def domain_of(tx: Tx, ref: wire.DomainRef) -> model.Domain | None:
    """The domain that a login names, by id or name; None when there is none. Raises Invalid."""
    if ref.id is not UNSET:
        return store.DOMAINS.get(tx, str(ref.id))
    if ref.name is UNSET:
        raise Invalid("Invalid input for field 'domain': an id or a name is needed", field="domain")
    return store.DOMAINS.by(tx, name=ref.name)


def project_of(tx: Tx, ref: wire.ProjectRef) -> model.Project | None:
    """The project that a scope names, by id, or by name and domain; None when there is none. Raises Invalid."""
    if ref.id is not UNSET:
        return store.PROJECTS.get(tx, str(ref.id))
    if ref.name is UNSET or not isinstance(ref.domain, wire.DomainRef):
        raise Invalid(
            "Invalid input for field 'auth.scope.project': an id, or a name with a domain, is needed", field="project"
        )
    domain = domain_of(tx, ref.domain)
    return None if domain is None else store.PROJECTS.by(tx, domain_id=domain.id, name=ref.name)


def _locked(own: settings.Identity, user: model.User, now: float) -> bool:
    if not own.lockout_attempts or user.options.get("ignore_lockout_failure_attempts"):
        return False
    return (
        user.failures >= own.lockout_attempts
        and user.failed_at is not None
        and now < user.failed_at + own.lockout_seconds
    )


def idle(own: settings.Identity, user: model.User, now: float) -> bool:
    """Whether a user has been away for longer than the operator allows."""
    since = user.active_at or user.password_set
    if not own.inactive_days or since is None or user.options.get("ignore_user_inactivity"):
        return False
    return now - since > own.inactive_days * DAY


def right(call: Call, user: model.User | None, password: str) -> bool:
    """Whether this is the user's password; counts the wrong ones. Nobody, and who is locked out, costs the same work."""
    own, now = call.use(settings.Identity), call.now()
    usable = user is not None and user.enabled and not _locked(own, user, now) and not idle(own, user, now)
    fits = call.use(Passwords).verify(
        user.password_hash if user is not None and usable else None, password, hot=call.hot
    )
    if user is not None and usable:
        count(call, user, fits)
    return fits and usable


def count(act: Act, user: model.User, passed: bool) -> None:
    """Keep the number of failures in a row, and the day of the last login, as far as the operator's settings use them."""
    own, now = act.use(settings.Identity), act.now()
    change: dict[str, object] = {}
    if own.lockout_attempts and not passed:
        over = user.failed_at is not None and now >= user.failed_at + own.lockout_seconds
        with act.db.write() as tx:
            # Counted by the database: of many that fail at once none is forgotten. The first of a new count begins it for all.
            begun = over and store.USERS.swap(
                tx, {"id": user.id, "failed_at": user.failed_at}, failures=1, failed_at=now
            )
            if not begun:
                store.USERS.put(tx, user.id, failures=store.USERS.c.failures + 1, failed_at=now)
        return
    if passed and user.failures:
        change |= {"failures": 0, "failed_at": None}
    if passed and own.inactive_days and (user.active_at is None or now - user.active_at > DAY / 2):
        change["active_at"] = now
    if change:
        with act.db.write() as tx:
            store.USERS.put(tx, user.id, **change)


def password(call: Call, auth: wire.Methods) -> Proof:
    """`{"user": {"id" | "name" + "domain", "password"}}`. Raises Unauthorized."""
    assert isinstance(auth.password, wire.PasswordMethod)
    given = auth.password.user
    foreign = call.use(ExternalPasswords)(call, given, given.password)
    if foreign is not None:
        return Proof(foreign)
    with call.db.read() as tx:
        user = user_of(tx, given.id, given.name, given.domain)
    if not right(call, user, given.password) or user is None:
        raise Unauthorized(DENIED)
    if user.password_expires_at is not None and user.password_expires_at <= call.now():
        raise Unauthorized(f"The password is expired and needs to be changed for user: {user.id}.")
    return Proof(user)


def token(act: Act, auth: wire.Methods) -> Proof:
    """`{"id": token}`: the new token ends no later than the first, and delegated authority is not handed on.
    Raises NotFound."""
    assert isinstance(auth.token, wire.TokenMethod)
    found = act.use(Tokens).session(auth.token.id)
    if found is None:
        raise NotFound("Could not find token.")
    session, before = found[0], found[0].payload
    if before.oauth is not None:
        raise refused("Using an OAuth-scoped token to create another token. Create a new OAuth-scoped token instead")
    if before.trust_id is not None:
        raise refused("Using trust-scoped token to create another token. Create a new trust-scoped token instead")
    if before.key is not None:
        raise refused("Using a token of an access key to create another token. Sign another request instead")
    return Proof(
        session.user,
        tuple(before.methods),
        before.expires,
        before.audit_ids[-1],
        before.project_id if before.app_credential_id else None,
        before.app_credential_id,
        before.via,
        None,
        before,
    )


def refused(action: str) -> Forbidden:
    return Forbidden(f"You are not authorized to perform the requested action: {action}.")


def application_credential(call: Call, auth: wire.Methods) -> Proof:
    """`{"id" | "name" + "user", "secret"}`: the scope is the credential's own. Raises Unauthorized, Invalid."""
    given = auth.application_credential
    assert isinstance(given, wire.AppCredentialMethod)
    if auth.token is UNSET and call.notes.get("scoped"):
        raise Unauthorized(
            "Error authenticating with application credential: Application credentials cannot request a scope."
        )
    with call.db.read() as tx:
        if isinstance(given.id, str):
            app = store.APP_CREDENTIALS.get(tx, given.id)
        else:
            if not isinstance(given.name, str) or not isinstance(given.user, wire.UserRef):
                raise Invalid(
                    "Invalid input for field 'application_credential': an id, or a name with a user, is needed",
                    field="application_credential",
                )
            owner = user_of(tx, given.user.id, given.user.name, given.user.domain)
            app = store.APP_CREDENTIALS.by(tx, user_id=owner.id, name=given.name) if owner is not None else None
        user = store.USERS.get(tx, app.user_id) if app is not None else None
    fits = call.use(Passwords).verify(app.secret_hash if app is not None else None, given.secret, hot=call.hot)
    if (
        app is None
        or user is None
        or not fits
        or not user.enabled
        or (app.expires is not None and app.expires <= call.now())
    ):
        raise Unauthorized(DENIED)
    return Proof(user, expires=app.expires, project_id=app.project_id, app_credential_id=app.id)


def totp(call: Call, auth: wire.Methods) -> Proof:
    """`{"user": {"id" | "name" + "domain", "passcode"}}` against the user's credentials of type totp (RFC 6238, six digits, this half
    minute or the one before). A passcode works once in the whole cloud. Raises Unauthorized."""
    assert isinstance(auth.totp, wire.TotpMethod)
    given, now = auth.totp.user, call.now()
    with call.db.read() as tx:
        user = user_of(tx, given.id, given.name, given.domain)
    if user is not None:
        _try(call, user)
    with call.db.read() as tx:
        c = store.CREDENTIALS.c
        rows = store.CREDENTIALS.find(tx, c.user_id == user.id, c.type == "totp") if user is not None else []
    own = call.use(settings.Identity)
    usable = user is not None and user.enabled and not _locked(own, user, now) and not idle(own, user, now)
    window = int(now // TOTP_SECONDS)
    fits = None
    for row in rows:
        for at in (window, window - 1):
            code = passcode(call.use(Vault).open(row.blob), at)
            if code is not None and hmac.compare_digest(code, given.passcode.encode()):
                fits = (row.id, at)
    if user is None or not usable:
        raise Unauthorized(DENIED)
    if fits is not None:
        with call.db.write() as tx:
            if not store.spend(tx, "totp", f"{fits[0]} {fits[1]}", (fits[1] + 3) * TOTP_SECONDS):
                fits = None
    count(call, user, fits is not None)
    if fits is None:
        raise Unauthorized(DENIED)
    return Proof(user)


def _try(call: Call, user: model.User) -> None:
    """One more passcode of a user is tried, in the whole cloud: TOTP_TRIES in TOTP_WINDOW seconds, then none until the window is
    over. Who has given the password in the same request is counted apart from who has not, so that nobody who only guesses keeps
    the user out. Raises Unauthorized."""
    window = int(call.now() // TOTP_WINDOW)
    receipt = call.use(Tokens).open_receipt(call.request.headers.get("openstack-auth-receipt", ""))
    proven = call.notes.get("proven") or (receipt is not None and receipt.user_id == user.id)
    who = "proven" if proven else "anybody"
    with call.db.write() as tx:
        for n in range(TOTP_TRIES):
            if store.spend(tx, "totp-try", f"{user.id} {who} {window} {n}", (window + 1) * TOTP_WINDOW):
                return
    raise Unauthorized(DENIED)


def passcode(secret: str, window: int) -> bytes | None:
    """The six digits of a base32 secret for a half minute; None if the secret is none."""
    text = secret.strip().upper()
    try:
        key = base64.b32decode(text + "=" * (-len(text) % 8))
    except binascii.Error:
        return None
    digest = hmac.new(key, struct.pack(">Q", window), hashlib.sha1).digest()
    at = digest[-1] & 15
    number = struct.unpack(">I", digest[at : at + 4])[0] & 0x7FFFFFFF
    return f"{number % 10**TOTP_DIGITS:0{TOTP_DIGITS}d}".encode()


Method = Callable[[Call, wire.Methods], Proof]
QUICK = frozenset({"password", "application_credential", "token"})
"""Methods that may be tried from memory: they write nothing before they know."""
METHODS: dict[str, Method] = {
    "password": password,
    "token": token,
    "application_credential": application_credential,
    "totp": totp,
}


def projects_of(tx: Tx, user_id: str, *where: Where) -> list[model.Project]:
    """The projects on which a user has a role: own or by a group, direct or inherited."""
    mine = store.groups_of(tx, user_id)
    grants = [(g.target, g.target_id, g.inherited) for g in store.GRANTS.find(tx, store.GRANTS.c.user_id == user_id)]
    grants += [(g.target, g.target_id, g.inherited) for g in store.GROUP_GRANTS.within(tx, "group_id", mine)]
    found = {
        p.id: p
        for p in store.PROJECTS.within(
            tx, "id", {t for kind, t, inherited in grants if kind == "project" and not inherited}, *where
        )
    }
    found |= {
        p.id: p
        for p in store.PROJECTS.within(
            tx, "domain_id", {t for kind, t, inherited in grants if kind == "domain" and inherited}, *where
        )
    }
    level = {t for kind, t, inherited in grants if kind == "project" and inherited}
    while level:
        children = store.PROJECTS.within(tx, "parent_id", level)
        wanted = store.PROJECTS.within(tx, "id", {c.id for c in children}, *where) if where else children
        found |= {p.id: p for p in wanted}
        level = {c.id for c in children}
    return sorted(found.values(), key=lambda p: (p.name, p.id))


def domains_of(tx: Tx, user_id: str) -> list[model.Domain]:
    """The domains on which a user has a role, inherited ones not counted."""
    c, g = store.GRANTS.c, store.GROUP_GRANTS.c
    ids = {
        x.target_id for x in store.GRANTS.find(tx, c.user_id == user_id, c.target == "domain", c.inherited.is_(False))
    }
    for x in store.GROUP_GRANTS.within(
        tx, "group_id", store.groups_of(tx, user_id), g.target == "domain", g.inherited.is_(False)
    ):
        ids.add(x.target_id)
    return store.DOMAINS.within(tx, "id", ids)
