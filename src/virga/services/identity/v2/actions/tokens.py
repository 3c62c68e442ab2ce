# SPDX-License-Identifier: Apache-2.0
"""Tokens of v2.0: the same tokens as v3's, told in the `access` form."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from virga.ground.act import Act
from virga.ground.errors import Forbidden, Invalid, Unauthorized
from virga.ground.http.call import Call
from virga.ground.wire import UNSET
from virga.services.identity import model
from virga.services.identity import wire as v3
from virga.services.identity.actions import auth, users
from virga.services.identity.catalog import Catalog
from virga.services.identity.tokens import Tokens
from virga.services.identity.v2 import wire
from virga.services.identity.v2.adapter import DOMAIN, as_v3


class Issued(NamedTuple):
    """A token, whose it is, and the services that its tenant is shown, addresses as they are kept."""

    token: str
    session: model.Session
    services: list[dict[str, Any]]


RequestedScope = v3.Scope | Literal["unscoped"]


def issue(call: Call, body: wire.AuthV2) -> Issued:
    """POST /v2.0/tokens: by password or token, for a tenant by id or name. Without a tenant the token is unscoped.
    Raises Invalid."""
    if isinstance(body.password, wire.PasswordCredentials):
        if body.token is not UNSET:
            raise Invalid("Invalid input for field 'auth': passwordCredentials or token, not both", field="auth")
        methods = _password(body.password)
    elif isinstance(body.token, wire.TokenCredentials):
        methods = v3.Methods(methods=["token"], token=v3.TokenMethod(id=body.token.id))
    else:
        raise Invalid(
            "Expecting to find passwordCredentials in auth. The server could not comply with the request.", field="auth"
        )
    return told(call, auth.log_in(call, v3.Auth(identity=methods, scope=_scope(body))))


def _password(given: wire.PasswordCredentials) -> v3.Methods:
    if given.user_id is not UNSET:
        user = v3.PasswordUser(id=given.user_id, password=given.password)
    elif given.username is not UNSET and given.username:
        user = v3.PasswordUser(name=given.username, domain=v3.DomainRef(id=DOMAIN), password=given.password)
    else:
        raise Invalid("Expecting to find username or userId in passwordCredentials.", field="passwordCredentials")
    return v3.Methods(methods=["password"], password=v3.PasswordMethod(user=user))


def _scope(body: wire.AuthV2) -> RequestedScope:
    if isinstance(body.tenant_id, str):
        return v3.Scope(project=v3.ProjectRef(id=body.tenant_id))
    if isinstance(body.tenant_name, str) and body.tenant_name:
        return v3.Scope(project=v3.ProjectRef(name=body.tenant_name, domain=v3.DomainRef(id=DOMAIN)))
    return "unscoped"


def told(act: Act, issued: tuple[str, model.Session] | auth.AuthReceipt) -> Issued:
    """Refuse what v2.0 has no words for: other domains, scopes that are no tenant, logins with several factors.
    Raises Unauthorized."""
    if isinstance(issued, auth.AuthReceipt):
        raise Unauthorized("The user needs more than a password to log in, which v2.0 cannot ask for: use v3.")
    return _issued(act, issued[0], sayable(issued[1]))


def _issued(act: Act, token: str, session: model.Session) -> Issued:
    shown = act.use(Catalog).shown(session.payload.project_id) if session.project is not None else []
    return Issued(token, session, shown)


def sayable(session: model.Session) -> model.Session:
    """The session, if v2.0 has words for it: it knows the default domain, and projects in it. Raises Unauthorized."""
    if session.user.domain_id != DOMAIN or (session.project is not None and session.project.domain_id != DOMAIN):
        raise Unauthorized("The token is of another domain than the default one, which v2.0 cannot say: use v3.")
    if session.domain is not None or session.payload.system:
        raise Unauthorized("The token is scoped to a domain or the system, which v2.0 cannot say: use v3.")
    return session


def show(call: Call, token: str) -> Issued:
    """GET /v2.0/tokens/{id}, for services; `belongsTo` asks for a tenant. Raises Unauthorized."""
    session = sayable(auth.checked(as_v3(call, subject=token)))
    wanted = call.query.get("belongsTo")
    if wanted is not None and (session.project is None or session.project.id != wanted):
        raise Unauthorized("Token does not belong to specified tenant.")
    return _issued(call, token, session)


def revoke(call: Call, token: str) -> None:
    """DELETE /v2.0/tokens/{id}"""
    auth.revoke(as_v3(call, subject=token))


def endpoints(call: Call, token: str) -> Issued:
    """GET /v2.0/tokens/{id}/endpoints: the catalogue that the token carries."""
    return _issued(call, token, sayable(auth.checked(as_v3(call, subject=token))))


def change_password(call: Call, user_id: str, body: wire.OwnPassword) -> Issued:
    """PATCH /v2.0/OS-KSCRUD/users/{id}: one's own; every older token ends, so a fresh one comes back.
    Raises Forbidden."""
    if call.actor.user_id != user_id:
        raise Forbidden("Token belongs to another user")
    project = call.actor.project_id
    users.change_password(
        call, user_id, v3.ChangePassword(original_password=body.original_password, password=body.password)
    )
    user = v3.PasswordUser(id=user_id, password=body.password)
    scope: RequestedScope = v3.Scope(project=v3.ProjectRef(id=project)) if project is not None else "unscoped"
    methods = v3.Methods(methods=["password"], password=v3.PasswordMethod(user=user))
    return told(call, auth.log_in(call, v3.Auth(identity=methods, scope=scope)))


def own(call: Call) -> model.Session | None:
    """The session of the caller; None for the admin token."""
    found = call.use(Tokens).session(call.request.headers.get("x-auth-token", ""))
    return None if found is None else found[0]
