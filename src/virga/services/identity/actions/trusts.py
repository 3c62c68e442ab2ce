# SPDX-License-Identifier: Apache-2.0
"""Trusts: a user lets another act with some of the user's roles on a project. A trust may be handed on as often as it says, and never
for more, longer or with more uses than itself."""

from __future__ import annotations

import uuid

from virga.authority.rules import allow
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.errors import Forbidden, Invalid, NotFound
from virga.ground.http.call import Call
from virga.services.identity import model, policy, settings, store, wire
from virga.services.identity.actions import delegation, projects, users
from virga.services.identity.times import moment
from virga.services.identity.tokens import Tokens, roles_on_project

TrustWithRoles = tuple[model.Trust, list[model.Role]]


def found(tx: Tx, id: str, now: float) -> model.Trust:
    """A trust that can still be used; spent, expired and deleted ones are not there. Raises NotFound."""
    trust = store.TRUSTS.get(tx, id)
    if (
        trust is None
        or trust.deleted_at is not None
        or (trust.remaining_uses is not None and trust.remaining_uses <= 0)
    ):
        raise NotFound(f"Could not find trust: {id}.")
    if trust.expires is not None and trust.expires <= now:
        raise NotFound(f"Could not find trust: {id}.")
    return trust


def _refused(action: str) -> Forbidden:
    return Forbidden(f"You are not authorized to perform the requested action: {action}.")


def _open(act: Act) -> None:
    if act.actor.restricted:
        raise _refused("Using method 'application_credential' is not allowed for managing trusts")


def role_ids(tx: Tx, given: list[wire.RoleRef]) -> list[str]:
    """The ids of roles named by id or by name. Raises NotFound, Invalid."""
    out = []
    for ref in given:
        if isinstance(ref.id, str):
            role = store.ROLES.get(tx, ref.id)
        elif isinstance(ref.name, str):
            role = store.ROLES.one(tx, store.ROLES.c.name == ref.name, store.ROLES.c.domain_id.is_(None))
        else:
            raise Invalid("Invalid input for field 'roles': each needs an id or a name", field="roles")
        if role is None:
            raise NotFound(f"Could not find role: {ref.id if isinstance(ref.id, str) else ref.name}.")
        out.append(role.id)
    return list(dict.fromkeys(out))


def create(act: Act, body: wire.CreateTrust) -> TrustWithRoles:
    """POST /v3/OS-TRUST/trusts: by the trustor, for roles that the trustor has. Raises Invalid, NotFound, Forbidden."""
    tx, actor, own = act.tx, act.actor, act.use(settings.Identity)
    allow(act, policy.CREATE_TRUST, target=policy.on_trust(body.trustor_user_id, body.trustee_user_id))
    _open(act)
    if body.project_id and not body.roles:
        raise _refused("At least one role should be specified")
    if actor.user_id != body.trustor_user_id:
        raise _refused("The authenticated user should match the trustor")
    if actor.delegated and actor.trust_id is None:  # said before anything is looked up
        raise _refused("Redelegation allowed for delegated by trust only")
    users.found(tx, body.trustee_user_id)
    roles = role_ids(tx, body.roles)
    expires = moment(body.expires_at, "expires_at") if isinstance(body.expires_at, str) else None
    if expires is not None and expires <= act.now():
        raise Invalid("Invalid input for field 'trust.expires_at': it is in the past", field="expires_at")
    parent = None
    if actor.trust_id is not None:
        parent = found(tx, actor.trust_id, act.now())
    if body.project_id:
        have = {r.id for r in roles_on_project(tx, body.trustor_user_id, projects.found(tx, body.project_id))}
        if not have:  # nobody learns from naming another's project whether it exists
            raise NotFound(f"Could not find project: {body.project_id}.")
        for id in roles:
            if id not in have:
                raise NotFound(f"Could not find role: {id}.")
    redelegates = body.allow_redelegation and body.redelegation_count != 0
    if redelegates and body.remaining_uses is not None:
        raise Invalid("remaining_uses must not be set if redelegation is allowed", field="remaining_uses")
    if redelegates and body.redelegation_count is not None and body.redelegation_count > own.max_redelegations:
        raise Forbidden(
            f"Requested redelegation depth of {body.redelegation_count} is greater than allowed {own.max_redelegations}"
        )
    count = (body.redelegation_count or own.max_redelegations) if redelegates else 0
    if parent is not None:
        expires = _handed_on(parent, body, roles, expires)
        if redelegates:
            if body.redelegation_count and body.redelegation_count != parent.redelegation_count - 1:
                raise Forbidden(
                    'Modifying "redelegation_count" upon redelegation is forbidden. Omitting this parameter is advised.'
                )
            count = parent.redelegation_count - 1
    trust = store.TRUSTS.insert(
        tx,
        id=uuid.uuid4().hex,
        trustor_id=body.trustor_user_id,
        trustee_id=body.trustee_user_id,
        project_id=body.project_id or None,
        impersonation=body.impersonation,
        roles=roles,
        expires=expires,
        remaining_uses=body.remaining_uses,
        redelegated_id=None if parent is None else parent.id,
        redelegation_count=count,
        allow_redelegation=redelegates,
        deleted_at=None,
        extra=body.extra,
    )
    return trust, _roles(tx, trust)


def _handed_on(parent: model.Trust, body: wire.CreateTrust, roles: list[str], expires: float | None) -> float | None:
    """What a trust made from `parent` may be. Gives its end."""
    if parent.redelegation_count < 1:
        raise Forbidden(
            f"Remaining redelegation depth of {parent.redelegation_count} out of allowed range: trust {parent.id} may not be handed on."
        )
    if body.remaining_uses is not None:
        raise Forbidden('Field "remaining_uses" must not be set in order to redelegate a trust')
    if body.project_id != parent.project_id:
        raise Forbidden("Some of requested roles are not in redelegated trust: it is for another project")
    if not set(roles) <= set(parent.roles):
        raise Forbidden("Some of requested roles are not in redelegated trust")
    if body.impersonation and not parent.impersonation:
        raise Forbidden(
            f"Impersonation is not allowed because redelegated trust does not specify impersonation. Redelegated trust id: {parent.id}"
        )
    if parent.expires is None:
        return expires
    if expires is not None and expires > parent.expires:
        raise Forbidden("Requested expiration time is more than redelegated trust can provide")
    return expires or parent.expires


def _roles(tx: Tx, trust: model.Trust) -> list[model.Role]:
    return store.ROLES.within(tx, "id", trust.roles)


def _one(act: Act, id: str) -> model.Trust:
    return found(act.tx, id, act.now())


def show(act: Act, id: str) -> TrustWithRoles:
    """GET /v3/OS-TRUST/trusts/{id}"""
    trust = _one(act, id)
    allow(act, policy.GET_TRUST, target=policy.on_trust(trust.trustor_id, trust.trustee_id))
    _open(act)
    delegation.hold_trust(act, trust)
    return trust, _roles(act.tx, trust)


def index(call: Call) -> list[model.Trust]:
    """GET /v3/OS-TRUST/trusts, by trustor_user_id or trustee_user_id"""
    trustor, trustee = call.query.get("trustor_user_id"), call.query.get("trustee_user_id")
    c = store.TRUSTS.c
    where = [c.deleted_at.is_(None)]
    if trustor:
        allow(call, policy.LIST_TRUSTS_FOR_TRUSTOR, target=policy.on_trust(trustor))
        where.append(c.trustor_id == trustor)
    elif trustee:
        allow(call, policy.LIST_TRUSTS_FOR_TRUSTEE, target=policy.on_trust(None, trustee))
        where.append(c.trustee_id == trustee)
    else:
        allow(call, policy.LIST_TRUSTS)
    _open(call)
    rows = store.TRUSTS.find(call.tx, *where, order=c.id)
    return [row for row in rows if delegation.reaches_trust(call.tx, call.actor, row)]


def delete(act: Act, id: str) -> None:
    """DELETE /v3/OS-TRUST/trusts/{id}, with those that were made from it."""
    trust = _one(act, id)
    allow(act, policy.DELETE_TRUST, target=policy.on_trust(trust.trustor_id, trust.trustee_id))
    _open(act)
    delegation.hold_trust(act, trust)
    level = [trust.id]
    while level:
        for each in level:
            store.TRUSTS.put(act.tx, each, deleted_at=act.now())
            act.use(Tokens).note(act.tx, {"OS-TRUST:trust_id": each})
        level = [
            t.id for t in store.TRUSTS.within(act.tx, "redelegated_id", level, store.TRUSTS.c.deleted_at.is_(None))
        ]
    act.use(Tokens).bump_generation(act.tx)


def roles(act: Act, id: str) -> TrustWithRoles:
    """GET /v3/OS-TRUST/trusts/{id}/roles"""
    trust = _one(act, id)
    allow(act, policy.LIST_ROLES_FOR_TRUST, target=policy.on_trust(trust.trustor_id, trust.trustee_id))
    _open(act)
    delegation.hold_trust(act, trust)
    return trust, _roles(act.tx, trust)


def role(act: Act, id: str, role_id: str) -> model.Role:
    """GET /v3/OS-TRUST/trusts/{id}/roles/{role}. Raises NotFound."""
    trust = _one(act, id)
    allow(act, policy.GET_ROLE_FOR_TRUST, target=policy.on_trust(trust.trustor_id, trust.trustee_id))
    _open(act)
    delegation.hold_trust(act, trust)
    known = store.ROLES.get(act.tx, role_id)
    if known is None or role_id not in trust.roles:
        raise NotFound(f"Could not find role: {role_id}.")
    return known
