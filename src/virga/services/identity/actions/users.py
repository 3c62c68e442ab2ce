# SPDX-License-Identifier: Apache-2.0
"""Users."""

from __future__ import annotations

import uuid

from virga.authority.rules import allow
from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict, Invalid, NotFound, Unauthorized
from virga.ground.http.call import Call
from virga.ground.wire import UNSET, given
from virga.services.identity import model, policy, settings, store, wire
from virga.services.identity.actions import auth
from virga.services.identity.passwords import Passwords
from virga.services.identity.tokens import Tokens


def found(tx: Tx, id: str) -> model.User:
    user = store.USERS.get(tx, id)
    if user is None:
        raise NotFound(f"Could not find user: {id}.", type="UserNotFound")
    return user


def _hash(call: Call, password: str | None) -> str | None:
    if password is None:
        return None
    least = call.use(settings.Identity).password_min
    if len(password) < least:
        raise Invalid(f"Invalid input for field 'password': at least {least} characters", field="password")
    return call.use(Passwords).hash(password)


def create(call: Call, body: wire.CreateUser) -> model.User:
    """POST /v3/users. The password is hashed before the transaction opens."""
    allow(call, policy.CREATE_USER)
    hashed = _hash(call, body.password)
    domain_id = str(body.domain_id) if body.domain_id is not UNSET else call.actor.domain_id or call.actor.user_domain_id
    with call.db.write() as tx:
        _free(tx, domain_id, body.name)
        return store.USERS.insert(
            tx, id=uuid.uuid4().hex, name=body.name, domain_id=domain_id, enabled=body.enabled, default_project_id=body.default_project_id,
            password_hash=hashed, password_expires_at=None, valid_after=0.0, options=body.options, extra=body.extra,
        )  # fmt: skip


def _free(tx: Tx, domain_id: str, name: str) -> None:
    if store.DOMAINS.get(tx, domain_id) is None:
        raise NotFound(f"Could not find domain: {domain_id}.")
    if store.USERS.one(tx, store.USERS.c.domain_id == domain_id, store.USERS.c.name == name) is not None:
        raise Conflict(f"Conflict occurred attempting to store user - Duplicate entry found with name {name} at domain ID {domain_id}.")


def show(call: Call, id: str) -> model.User:
    """GET /v3/users/{id}"""
    allow(call, policy.GET_USER, user_id=id)
    return found(call.tx, id)


def index(call: Call) -> list[model.User]:
    """GET /v3/users, by name, domain_id, enabled."""
    allow(call, policy.LIST_USERS)
    q, c = call.query, store.USERS.c
    where = [column == q.get(key) for key, column in (("name", c.name), ("domain_id", c.domain_id)) if key in q]
    enabled = q.yes("enabled")
    if enabled is not None:
        where.append(c.enabled.is_(enabled))
    return store.USERS.page(call.tx, *where, sort=(("name", "asc"),), marker=q.get("marker"), limit=q.whole("limit"))


def update(call: Call, id: str, body: wire.UpdateUser) -> model.User:
    """PATCH /v3/users/{id}: a new password, or disabling, ends the user's tokens."""
    allow(call, policy.UPDATE_USER)
    hashed = _hash(call, body.password) if isinstance(body.password, str) else None
    with call.db.write() as tx:
        user = found(tx, id)
        change = given(body)
        extra = change.pop("extra")
        if change.get("domain_id", user.domain_id) != user.domain_id:
            raise Invalid("Cannot change Domain ID", field="domain_id")
        if "name" in change and change["name"] != user.name:
            _free(tx, user.domain_id, change["name"])
        if "password" in change:
            change.pop("password")
            change |= {"password_hash": hashed, "valid_after": call.now()}
        if extra:
            change["extra"] = {k: v for k, v in (user.extra | extra).items() if v is not None}
        if change:
            store.USERS.put(tx, id, **change)
        if "password_hash" in change or change.get("enabled") is False:
            call.use(Tokens).grew(tx)
        return found(tx, id)


def delete(call: Call, id: str) -> None:
    """DELETE /v3/users/{id}, with the roles that the user had."""
    allow(call, policy.DELETE_USER)
    found(call.tx, id)
    store.forget_grants(call.tx, user_id=id)
    store.USERS.delete(call.tx, store.USERS.c.id == id)
    call.use(Tokens).grew(call.tx)


def change_password(call: Call, id: str, body: wire.ChangePassword) -> None:
    """POST /v3/users/{id}/password: by the user, who knows the old one; needs no token."""
    with call.db.read() as tx:
        user = store.USERS.get(tx, id)
    if not call.use(Passwords).verify(user.password_hash if user is not None else None, body.original_password) or user is None:
        raise Unauthorized(auth.DENIED)
    hashed = _hash(call, body.password)
    with call.db.write() as tx:
        store.USERS.put(tx, id, password_hash=hashed, valid_after=call.now())
        call.use(Tokens).grew(tx)


def projects(call: Call, id: str) -> list[model.Project]:
    """GET /v3/users/{id}/projects"""
    allow(call, policy.LIST_USER_PROJECTS, user_id=id)
    found(call.tx, id)
    return auth.projects_of(call.tx, id)
