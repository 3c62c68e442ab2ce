# SPDX-License-Identifier: Apache-2.0
"""Application credentials: a name and a secret that log in to one project with some of the user's roles, and the access rules that
narrow what they may ask."""

from __future__ import annotations

import secrets
import time
import uuid
from dataclasses import dataclass

from virga.authority.rules import allow
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict, Forbidden, Invalid, NotFound
from virga.ground.http.call import Call
from virga.services.identity import filters, model, policy, store, wire
from virga.services.identity.actions import trusts, users
from virga.services.identity.actions.credentials import unrestricted
from virga.services.identity.passwords import Passwords
from virga.services.identity.times import moment
from virga.services.identity.tokens import Tokens, roles_on_project


@dataclass(frozen=True)
class AppCredentialDetails:
    """A credential with the rows it names; `secret` only when it was just made."""

    row: model.AppCredential
    roles: list[model.Role]
    rules: list[model.AccessRule] | None
    secret: str | None = None


def _own(act: Act) -> None:
    """A trust's token neither makes, sees nor ends what could outlive the trust."""
    if act.actor.trust_id is not None:
        raise Forbidden("Cannot manage application credentials with a token issued via delegation.")


def _details(tx: Tx, row: model.AppCredential, secret: str | None = None) -> AppCredentialDetails:
    rules = None
    if row.access_rules is not None:
        there = {r.id: r for r in store.ACCESS_RULES.within(tx, "id", row.access_rules)}
        rules = [there[id] for id in row.access_rules if id in there]
    return AppCredentialDetails(row, store.ROLES.within(tx, "id", row.roles), rules, secret)


def create(act: Act, user_id: str, body: wire.CreateAppCredential) -> AppCredentialDetails:
    """POST /v3/users/{id}/application_credentials: for oneself, with roles of one's token. The secret is shown once.
    Raises Forbidden, Invalid, Conflict."""
    actor = act.actor
    allow(act, policy.CREATE_APP_CREDENTIAL, user_id=user_id)
    _own(act)
    unrestricted(act, "application credentials")
    if actor.user_id != user_id:
        raise Forbidden(
            "You are not authorized to perform the requested action: Cannot create an application credential for another user."
        )
    if actor.project_id is None:
        raise Invalid("An application credential is for a project: use a token of one", field="project_id")
    expires = moment(body.expires_at, "expires_at") if isinstance(body.expires_at, str) else None
    if expires is not None and expires <= act.now():
        raise Invalid(
            "Invalid input for field 'application_credential.expires_at': it is in the past", field="expires_at"
        )
    secret = body.secret or secrets.token_urlsafe(64)
    hashed = act.use(Passwords).hash(secret)
    with act.db.write() as tx:
        users.found(tx, user_id)
        project = store.PROJECTS.get(tx, actor.project_id)
        mine = (
            [r for r in roles_on_project(tx, user_id, project) if r.name in actor.roles] if project is not None else []
        )
        unassigned = Invalid(
            "Invalid application credential: Cannot create an application credential with unassigned role",
            field="roles",
        )
        try:
            roles = store.all_implied(tx, trusts.role_ids(tx, body.roles)) if body.roles else {r.id for r in mine}
        except NotFound:  # said of a role that is not there as of one that is another's
            raise unassigned from None
        if not roles <= {r.id for r in mine}:
            raise unassigned
        c = store.APP_CREDENTIALS.c
        if store.APP_CREDENTIALS.one(tx, c.user_id == user_id, c.name == body.name) is not None:
            raise Conflict(
                f"Conflict occurred attempting to store application_credential - Duplicate entry found with name {body.name}."
            )
        if actor.app_credential_id is not None:
            # One made with another ends no later than that: what was lent for a time is not kept for ever.
            parent = store.APP_CREDENTIALS.get(tx, actor.app_credential_id)
            if parent is not None and parent.expires is not None:
                expires = min(expires or parent.expires, parent.expires)
        rules = None if body.access_rules is None else [_rule(tx, user_id, r) for r in body.access_rules]
        if actor.access_rules is not None:
            own = [r.id for n in actor.access_rules if isinstance(n, model.Narrowed) for r in n.rules]
            if rules is None:
                rules = own
            elif not set(rules) <= set(own):
                raise Forbidden(
                    "You are not authorized to perform the requested action: the access rules go beyond those of the token."
                )
        row = store.APP_CREDENTIALS.insert(
            tx,
            id=uuid.uuid4().hex,
            name=body.name,
            user_id=user_id,
            project_id=actor.project_id,
            description=body.description,
            secret_hash=hashed,
            expires=expires,
            unrestricted=body.unrestricted,
            roles=sorted(roles),
            access_rules=rules,
            made_by=actor.app_credential_id,
        )
        return _details(tx, row, secret)


def _later_id() -> str:
    """An id that sorts behind those made before: rules are listed in the order in which they were made."""
    return f"{time.time_ns():016x}{secrets.token_hex(8)}"


def _rule(tx: Tx, user_id: str, given: wire.NewAccessRule) -> str:
    """The id of a rule of the user: by id, or the same rule that is there already, or a new one."""
    c = store.ACCESS_RULES.c
    if isinstance(given.id, str):
        known = store.ACCESS_RULES.one(tx, c.id == given.id, c.user_id == user_id)
        if known is None:
            raise NotFound(f"Could not find Access Rule: {given.id}.")
        return known.id
    if not (isinstance(given.service, str) and isinstance(given.method, str) and isinstance(given.path, str)):
        raise Invalid(
            "Invalid input for field 'access_rules': each needs an id, or service, method and path",
            field="access_rules",
        )
    tx.hold(f"identity:access rules {user_id}")
    same = (c.user_id == user_id, c.service == given.service, c.method == given.method, c.path == given.path)
    row = store.ACCESS_RULES.one(tx, *same) or store.ACCESS_RULES.insert(
        tx, id=_later_id(), user_id=user_id, service=given.service, method=given.method, path=given.path
    )
    return row.id


def index(call: Call, user_id: str) -> list[AppCredentialDetails]:
    """GET /v3/users/{id}/application_credentials, by name"""
    allow(call, policy.LIST_APP_CREDENTIALS, user_id=user_id)
    _own(call)
    users.found(call.tx, user_id)
    where = filters.where(call, store.APP_CREDENTIALS, "name")
    rows = store.APP_CREDENTIALS.find(
        call.tx, store.APP_CREDENTIALS.c.user_id == user_id, *where, order=store.APP_CREDENTIALS.c.name
    )
    return [_details(call.tx, r) for r in rows]


def _found(act: Act, user_id: str, id: str) -> model.AppCredential:
    row = store.APP_CREDENTIALS.get(act.tx, id)
    if row is None or row.user_id != user_id:
        raise NotFound(f"Could not find Application Credential: {id}.")
    return row


def show(act: Act, user_id: str, id: str) -> AppCredentialDetails:
    """GET /v3/users/{id}/application_credentials/{id}: whose it is decides, not whose path was written."""
    row = store.APP_CREDENTIALS.get(act.tx, id)
    allow(act, policy.GET_APP_CREDENTIAL, user_id=row.user_id if row is not None else user_id)
    _own(act)
    return _details(act.tx, _found(act, user_id, id))


def delete(act: Act, user_id: str, id: str) -> None:
    """DELETE /v3/users/{id}/application_credentials/{id}, with those that were made with it."""
    row = store.APP_CREDENTIALS.get(act.tx, id)
    allow(act, policy.DELETE_APP_CREDENTIAL, user_id=row.user_id if row is not None else user_id)
    _own(act)
    unrestricted(act, "application credentials")
    level = [_found(act, user_id, id)]
    while level:
        for each in level:
            store.APP_CREDENTIALS.delete(act.tx, store.APP_CREDENTIALS.c.id == each.id)
            act.use(Tokens).note(act.tx, {"application_credential_id": each.id})
        level = store.APP_CREDENTIALS.within(act.tx, "made_by", {each.id for each in level})
    act.use(Tokens).bump_generation(act.tx)


def rules(call: Call, user_id: str) -> list[model.AccessRule]:
    """GET /v3/users/{id}/access_rules, by service, method, path"""
    allow(call, policy.LIST_ACCESS_RULES, target=policy.on_user(store.USERS.get(call.tx, user_id)))
    _own(call)
    c = store.ACCESS_RULES.c
    return store.ACCESS_RULES.find(
        call.tx, c.user_id == user_id, *filters.where(call, store.ACCESS_RULES, "service", "method", "path"), order=c.id
    )


def _found_rule(act: Act, user_id: str, id: str) -> model.AccessRule:
    row = store.ACCESS_RULES.get(act.tx, id)
    if row is None or row.user_id != user_id:
        raise NotFound(f"Could not find Access Rule: {id}.")
    return row


def rule(act: Act, user_id: str, id: str) -> model.AccessRule:
    """GET /v3/users/{id}/access_rules/{id}"""
    allow(act, policy.GET_ACCESS_RULE, target=policy.on_user(store.USERS.get(act.tx, user_id)))
    _own(act)
    return _found_rule(act, user_id, id)


def delete_rule(act: Act, user_id: str, id: str) -> None:
    """DELETE /v3/users/{id}/access_rules/{id}: not while a credential has it. Raises Forbidden."""
    allow(act, policy.DELETE_ACCESS_RULE, target=policy.on_user(store.USERS.get(act.tx, user_id)))
    _own(act)
    row = _found_rule(act, user_id, id)
    used = [
        a.id
        for a in store.APP_CREDENTIALS.find(act.tx, store.APP_CREDENTIALS.c.user_id == user_id)
        if id in (a.access_rules or [])
    ]
    if used:
        raise Forbidden(
            f"Access rule {id} is used by application credentials {', '.join(used)}: delete them first.", blocking=used
        )
    store.ACCESS_RULES.delete(act.tx, store.ACCESS_RULES.c.id == row.id)
