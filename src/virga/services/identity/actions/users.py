# SPDX-License-Identifier: Apache-2.0
"""Users and what their passwords must be like."""

from __future__ import annotations

import math
import re
import uuid
from typing import Any

from virga.authority.rules import allow
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.db.rows import Where
from virga.ground.errors import Conflict, Forbidden, Invalid, NotFound, Unauthorized
from virga.ground.http.call import Call
from virga.ground.http.pages import Page
from virga.ground.wire import given
from virga.services.identity import filters, model, policy, settings, store, wire
from virga.services.identity.actions import domains, login
from virga.services.identity.passwords import Passwords
from virga.services.identity.times import moment
from virga.services.identity.tokens import Tokens

DAY = 86400.0
FLAGS = (
    "ignore_change_password_upon_first_use",
    "ignore_password_expiry",
    "ignore_lockout_failure_attempts",
    "lock_password",
    "ignore_user_inactivity",
    "multi_factor_auth_enabled",
)


def found(tx: Tx, id: str) -> model.User:
    """The user of this id. Raises NotFound."""
    user = store.USERS.get(tx, id)
    if user is None:
        raise NotFound(f"Could not find user: {id}.", type="UserNotFound")
    return user


def check_strength(act: Act, password: str) -> None:
    """Whether a new password is as the operator wants it: length and pattern. Raises Invalid."""
    own = act.use(settings.Identity)
    if len(password) < own.password_min:
        raise Invalid(f"Invalid input for field 'password': at least {own.password_min} characters", field="password")
    if own.password_regex and not re.match(own.password_regex, password):
        detail = own.password_regex_text or own.password_regex
        raise Invalid(f"The password does not match the requirements: {detail}.", field="password")


def _hash(act: Act, password: str | None) -> str | None:
    if password is None:
        return None
    check_strength(act, password)
    return act.use(Passwords).hash(password)


def _options(old: dict[str, Any], new: object) -> dict[str, Any]:
    """A user's options after a change: null takes one away."""
    if not isinstance(new, dict):
        return old
    for name, value in new.items():
        if value is None:
            continue
        if name == "multi_factor_auth_rules":
            fine = isinstance(value, list) and all(
                isinstance(r, list) and r and all(isinstance(m, str) for m in r) for r in value
            )
            if not fine:
                raise Invalid(
                    "Invalid input for field 'options.multi_factor_auth_rules': a list of lists of methods", field=name
                )
        elif name not in FLAGS:
            raise Invalid(f"Invalid input for field 'options': there is no option '{str(name)[:64]}'", field="options")
        elif not isinstance(value, bool):
            raise Invalid(f"Invalid input for field 'options.{name}': true or false", field=name)
    return domains.merged(old, new)


def expiry(act: Act, options: dict[str, Any], by_user: bool) -> float | None:
    """When a password that is set now ends; at once for one that the user must change at first use."""
    own = act.use(settings.Identity)
    if not by_user and own.password_first_use and not options.get("ignore_change_password_upon_first_use"):
        return act.now()
    if own.password_days and not options.get("ignore_password_expiry"):
        return act.now() + own.password_days * DAY
    return None


def _project(tx: Tx, id: object) -> None:
    if isinstance(id, str) and store.DOMAINS.get(tx, id) is not None:
        raise Invalid("User's default project ID cannot be a domain ID: " + id, field="default_project_id")


def create(act: Act, body: wire.CreateUser) -> model.User:
    """POST /v3/users. The password is hashed before the transaction opens."""
    domain_id = domains.domain_for(act, body.domain_id)
    named = (
        body.domain_id if isinstance(body.domain_id, str) else None
    )  # who may in one domain only must say which, as in Keystone
    allow(act, policy.CREATE_USER, target={"target.user.domain_id": named, "target.user.id": None})
    options, hashed, now = _options({}, body.options), _hash(act, body.password), act.now()
    name = body.name.strip()
    with act.db.write() as tx:
        _free(tx, domain_id, name)
        _project(tx, body.default_project_id)
        return store.USERS.insert(
            tx,
            id=uuid.uuid4().hex,
            name=name,
            domain_id=domain_id,
            enabled=body.enabled is not False,
            default_project_id=body.default_project_id,
            password_hash=hashed,
            password_expires_at=expiry(act, options, by_user=False) if hashed else None,
            valid_after=0.0,
            options=options,
            extra=_free_attributes(body.extra),
            password_set=now if hashed else None,
            failures=0,
            failed_at=None,
            active_at=None,
        )


def _free_attributes(extra: dict[str, Any]) -> dict[str, Any]:
    """What a caller adds; our own columns are not among it."""
    return {k: v for k, v in extra.items() if k not in {"id", "links", "password_expires_at", "password_hash"}}


def _free(tx: Tx, domain_id: str, name: str) -> None:
    domains.found(tx, domain_id)
    if store.USERS.by(tx, domain_id=domain_id, name=name) is not None:
        raise Conflict(
            f"Conflict occurred attempting to store user - Duplicate entry found with name {name} at domain ID {domain_id}."
        )


def show(act: Act, id: str) -> model.User:
    """GET /v3/users/{id}"""
    allow(act, policy.GET_USER, target=policy.on_user(store.USERS.get(act.tx, id)))
    return found(act.tx, id)


def index(call: Call) -> Page[model.User]:
    """GET /v3/users, by name, domain_id, enabled, password_expires_at; a domain's token sees its own."""
    own = call.actor.domain_id
    allow(call, policy.LIST_USERS, target={"target.domain_id": own} if own else None)
    where = filters.where(call, store.USERS, "name", "domain_id", "enabled", "default_project_id") + _expiring(call)
    if own:
        where.append(store.USERS.c.domain_id == own)
    return filters.listed(call, store.USERS, *where)


def _expiring(call: Call) -> list[Where]:
    """`password_expires_at=lt:2026-01-01T00:00:00Z`, and gt, lte, gte, eq, neq."""
    text = call.query.get("password_expires_at")
    if text is None:
        return []
    way, colon, when = text.partition(":")
    c = store.USERS.c.password_expires_at
    ways = {"lt": c.__lt__, "lte": c.__le__, "gt": c.__gt__, "gte": c.__ge__, "eq": c.__eq__, "neq": c.__ne__}
    if not colon or way not in ways:
        raise Invalid(
            "Invalid input for query parameter 'password_expires_at': lt, lte, gt, gte, eq or neq, a colon, a time",
            field="password_expires_at",
        )
    condition: Where = ways[way](moment(when, "password_expires_at"))
    return [condition]


def update(act: Act, id: str, body: wire.UpdateUser) -> model.User:
    """PATCH /v3/users/{id}: a new password, or disabling, ends the user's tokens. Raises Invalid."""
    with act.db.read() as tx:
        allow(act, policy.UPDATE_USER, target=policy.on_user(store.USERS.get(tx, id)))
        found(tx, id)
    hashed = _hash(act, body.password) if isinstance(body.password, str) else None
    with act.db.write() as tx:
        user = found(tx, id)
        change = given(body)
        extra = _free_attributes(change.pop("extra"))
        if change.pop("domain_id", user.domain_id) != user.domain_id:
            raise Invalid("Cannot change Domain ID", field="domain_id")
        if "name" in change:
            change["name"] = change["name"].strip()
            if change["name"] != user.name:
                _free(tx, user.domain_id, change["name"])
        _project(tx, change.get("default_project_id"))
        if "options" in change:
            change["options"] = _options(user.options, change["options"])
        if "password" in change:
            change.pop("password")
            change |= set_password(tx, act, user, hashed, by_user=False)
        if change.get("enabled") and not user.enabled:
            change |= {"active_at": None, "failures": 0, "failed_at": None}
        store.USERS.put(tx, id, **change, extra=domains.merged(user.extra, extra))
        if "password_hash" in change or change.get("enabled", user.enabled) != user.enabled or "name" in change:
            if "password_hash" in change or change.get("enabled") is False:
                act.use(Tokens).note(tx, {"user_id": id})
            act.use(Tokens).bump_generation(tx)
        return found(tx, id)


def set_password(tx: Tx, act: Act, user: model.User, hashed: str | None, *, by_user: bool) -> dict[str, Any]:
    """The change of a row that gives a user another password; the old one goes into the history, as far as that is kept."""
    own, now = act.use(settings.Identity), act.now()
    if user.password_hash is not None and own.password_history > 1:
        c = store.OLD_PASSWORDS.c
        store.remember_password(tx, user.id, user.password_hash, user.password_set or now, by_user)
        old = store.OLD_PASSWORDS.find(tx, c.user_id == user.id, order=c.id.desc())
        for row in old[own.password_history - 1 :]:
            store.OLD_PASSWORDS.delete(tx, c.id == row.id)
    expires = expiry(act, user.options, by_user) if hashed is not None else None
    return {
        "password_hash": hashed,
        "valid_after": now,
        "password_set": now,
        "password_expires_at": expires,
        "failures": 0,
        "failed_at": None,
    }


def delete(act: Act, id: str) -> None:
    """DELETE /v3/users/{id}, with everything that the user had."""
    allow(act, policy.DELETE_USER, target=policy.on_user(store.USERS.get(act.tx, id)))
    found(act.tx, id)
    store.forget_user(act.tx, id)
    store.USERS.delete(act.tx, store.USERS.c.id == id)
    act.use(Tokens).note(act.tx, {"user_id": id})
    act.use(Tokens).bump_generation(act.tx)


def change_password(call: Call, id: str, body: wire.ChangePassword) -> None:
    """POST /v3/users/{id}/password: by the user, who knows the old one; needs no token.
    Raises Unauthorized, Invalid, Forbidden."""
    own, passwords = call.use(settings.Identity), call.use(Passwords)
    with call.db.read() as tx:
        user = store.USERS.get(tx, id)
        past = store.OLD_PASSWORDS.find(tx, store.OLD_PASSWORDS.c.user_id == id, order=store.OLD_PASSWORDS.c.id.desc())
    if not login.right(call, user, body.original_password) or user is None:
        raise Unauthorized(login.DENIED)
    if user.options.get("lock_password"):
        raise Invalid(
            "Password validation error: You are not allowed to change your password due to it being locked.",
            field="password",
        )
    if own.password_min_days and user.password_set is not None and user.password_expires_at is None:
        left = user.password_set + own.password_min_days * DAY - call.now()
        if left > 0:
            raise Invalid(
                f"Password validation error: Cannot change password before minimum age {own.password_min_days} days is met; "
                f"{math.ceil(left / DAY)} day(s) left.",
                field="password",
            )
    check_strength(call, body.password)
    if own.password_history:
        password_hashes = [user.password_hash, *(p.password_hash for p in past[: own.password_history - 1])]
        if any(h is not None and passwords.verify(h, body.password) for h in password_hashes):
            raise Invalid(
                "Password validation error: The new password cannot be identical to a previous password. The total number which "
                f"includes the new password must be unique is {own.password_history}.",
                field="password",
            )
    hashed = passwords.hash(body.password)
    with call.db.write() as tx:
        checked, user = user, found(tx, id)
        if user.password_set != checked.password_set:  # another was given meanwhile: the old one opens nothing any more
            raise Unauthorized(login.DENIED)
        if not user.enabled:
            raise Forbidden("The user is disabled.")
        store.USERS.put(tx, id, **set_password(tx, call, user, hashed, by_user=True))
        call.use(Tokens).note(tx, {"user_id": id})
        call.use(Tokens).bump_generation(tx)


def projects(call: Call, id: str) -> list[model.Project]:
    """GET /v3/users/{id}/projects, by name, domain_id, enabled"""
    allow(call, policy.LIST_USER_PROJECTS, target=policy.on_user(store.USERS.get(call.tx, id)))
    found(call.tx, id)
    return login.projects_of(call.tx, id, *filters.where(call, store.PROJECTS, "name", "domain_id", "enabled"))
