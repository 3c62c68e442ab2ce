# SPDX-License-Identifier: Apache-2.0
"""OAuth 1 (OS-OAUTH1): consumers ask, users grant roles on a project, and the consumer gets tokens with these roles and no more."""

from __future__ import annotations

import hmac
import secrets
import uuid
from typing import Annotated, Any
from urllib.parse import urlencode

from virga.authority.rules import ADMIN, READ_ALL, Rule, allow
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.errors import Forbidden, Invalid, NotFound, Unauthorized
from virga.ground.http.call import Answer, Call
from virga.ground.http.table import Route
from virga.ground.wire import UNSET, Meta, Name, Text, UnsetType, Wire, refers
from virga.ground.world import iso_micro
from virga.services.identity import store as identity
from virga.services.identity import wire as v3
from virga.services.identity.actions import delegation, login, projects
from virga.services.identity.oauth import model, signed, store
from virga.services.identity.secrets import Vault
from virga.services.identity.tokens import Tokens, roles_on_project

REQUEST_SECONDS, ACCESS_SECONDS = 28800.0, 86400.0
SP = ("system", "project")
GET_CONSUMER = Rule("identity:get_consumer", READ_ALL, "Show an OAuth 1 consumer", SP)
LIST_CONSUMERS = Rule("identity:list_consumers", READ_ALL, "List OAuth 1 consumers", SP)
CREATE_CONSUMER = Rule("identity:create_consumer", ADMIN, "Create an OAuth 1 consumer", SP)
UPDATE_CONSUMER = Rule("identity:update_consumer", ADMIN, "Change an OAuth 1 consumer", SP)
DELETE_CONSUMER = Rule("identity:delete_consumer", ADMIN, "Delete an OAuth 1 consumer", SP)
AUTHORIZE = Rule("identity:authorize_request_token", ADMIN, "Grant an OAuth 1 consumer roles of one's own")
LIST_ACCESS = Rule("identity:list_access_tokens", ADMIN, "List what one has granted by OAuth 1")
GET_ACCESS = Rule("identity:get_access_token", ADMIN, "Show what one has granted by OAuth 1")
DELETE_ACCESS = Rule("identity:delete_access_token", ADMIN, "Take back what one has granted by OAuth 1")
LIST_ACCESS_ROLES = Rule("identity:list_access_token_roles", ADMIN, "List the roles of an OAuth 1 access token")
GET_ACCESS_ROLE = Rule("identity:get_access_token_role", ADMIN, "Show a role of an OAuth 1 access token")


class Consumer(Wire):
    description: Text | UnsetType | None = UNSET


class RoleRef(Wire):
    id: Annotated[v3.Id, refers("role")] | UnsetType = UNSET
    name: Annotated[Name, refers("role name")] | UnsetType = UNSET


class Authorize(Wire, kw_only=True):
    roles: Annotated[list[RoleRef], Meta(max_length=256)]


# -- consumers -----------------------------------------------------------------------------------------------------


def _consumer(tx: Tx, id: str) -> model.Consumer:
    found = store.CONSUMERS.get(tx, id)
    if found is None:
        raise NotFound(f"Could not find consumer: {id}.")
    return found


def _shown(c: model.Consumer, call: Call) -> dict[str, Any]:
    return {
        "id": c.id,
        "description": c.description,
        "links": {"self": call.request.link(f"/v3/OS-OAUTH1/consumers/{c.id}")},
    }


def create_consumer(call: Call, body: Consumer) -> dict[str, Any]:
    """POST /v3/OS-OAUTH1/consumers: the only answer that shows the secret."""
    allow(call, CREATE_CONSUMER)
    secret = secrets.token_hex(16)
    sealed = call.use(Vault).seal(secret)
    text = body.description if isinstance(body.description, str) else None
    made = store.CONSUMERS.insert(call.tx, id=uuid.uuid4().hex, secret=sealed, description=text)
    return {"consumer": _shown(made, call) | {"secret": secret}}


def consumers(call: Call) -> dict[str, Any]:
    """GET /v3/OS-OAUTH1/consumers"""
    allow(call, LIST_CONSUMERS)
    rows = store.CONSUMERS.find(call.tx, order=store.CONSUMERS.c.id)
    links = {"self": call.request.link("/v3/OS-OAUTH1/consumers"), "previous": None, "next": None}
    return {"consumers": [_shown(c, call) for c in rows], "links": links}


def show_consumer(call: Call, id: str) -> dict[str, Any]:
    """GET /v3/OS-OAUTH1/consumers/{id}"""
    allow(call, GET_CONSUMER)
    return {"consumer": _shown(_consumer(call.tx, id), call)}


def update_consumer(call: Call, id: str, body: Consumer) -> dict[str, Any]:
    """PATCH /v3/OS-OAUTH1/consumers/{id}"""
    allow(call, UPDATE_CONSUMER)
    _consumer(call.tx, id)
    if body.description is not UNSET:
        store.CONSUMERS.put(call.tx, id, description=body.description)
    return {"consumer": _shown(_consumer(call.tx, id), call)}


def delete_consumer(act: Act, id: str) -> None:
    """DELETE /v3/OS-OAUTH1/consumers/{id}: what users granted it, and the tokens it made of that, end."""
    allow(act, DELETE_CONSUMER)
    _consumer(act.tx, id)
    for rows in (store.REQUESTS, store.ACCESS):
        rows.delete(act.tx, rows.c.consumer_id == id)
    store.CONSUMERS.delete(act.tx, store.CONSUMERS.c.id == id)
    act.use(Tokens).bump_generation(act.tx)


# -- asking and granting -------------------------------------------------------------------------------------------


def _form(**values: str) -> Answer:
    return Answer(
        urlencode(values, safe=":").encode(),
        201,
        {"cache-control": "no-store"},
        content_type="application/x-www-form-urlencoded",
    )


def request_token(call: Call) -> Answer:
    """POST /v3/OS-OAUTH1/request_token, signed by the consumer, for the project of Requested-Project-Id."""
    params, vault = signed.parameters(call), call.use(Vault)
    project = call.request.headers.get("requested-project-id")
    if not project:
        raise Invalid("Expecting to find Requested-Project-Id in request.", field="Requested-Project-Id")
    with call.db.read() as tx:
        consumer = store.CONSUMERS.get(tx, params["oauth_consumer_key"])
    signed.check(call, params, vault.open(consumer.secret) if consumer is not None else secrets.token_hex(16), "")
    if consumer is None:
        raise Unauthorized(login.DENIED)
    secret, id, until = secrets.token_hex(16), uuid.uuid4().hex, call.now() + REQUEST_SECONDS
    with call.db.write() as tx:
        projects.found(tx, project)
        store.REQUESTS.delete(tx, store.REQUESTS.c.expires < call.now())
        store.REQUESTS.insert(
            tx,
            id=id,
            secret=vault.seal(secret),
            consumer_id=consumer.id,
            project_id=project,
            expires=until,
            verifier=None,
            user_id=None,
            roles=[],
        )
    return _form(oauth_token=id, oauth_token_secret=secret, oauth_expires_at=iso_micro(until))


def _request(tx: Tx, id: str, now: float) -> model.RequestToken:
    found = store.REQUESTS.get(tx, id)
    if found is None:
        raise NotFound(f"Could not find request token: {id}.")
    if found.expires <= now:
        raise Unauthorized("Request token is expired")
    return found


def authorize(act: Act, id: str, body: Authorize) -> dict[str, Any]:
    """PUT /v3/OS-OAUTH1/authorize/{request_token}: roles that the caller has on the project; never by delegated authority."""
    allow(act, AUTHORIZE)
    delegation.in_person(act, "A request token is not authorized")
    request = _request(act.tx, id, act.now())
    if request.user_id is not None:
        raise Forbidden("The request token has been authorized already.")
    have = {
        r.id: r.name for r in roles_on_project(act.tx, act.actor.user_id, projects.found(act.tx, request.project_id))
    }
    wanted = {
        str(r.id) if r.id is not UNSET else next((i for i, n in have.items() if n == r.name), "") for r in body.roles
    }
    if not wanted or not wanted <= set(have):
        raise Unauthorized("authorizing user does not have role required")
    verifier = secrets.token_hex(4)
    granted = {"verifier": verifier, "user_id": act.actor.user_id, "roles": sorted(wanted)}
    if store.REQUESTS.swap(act.tx, {"id": id, "user_id": None}, **granted) is None:
        raise Forbidden("The request token has been authorized already.")
    return {"token": {"oauth_verifier": verifier}}


def access_token(call: Call) -> Answer:
    """POST /v3/OS-OAUTH1/access_token: the granted request, once, with its verifier."""
    params, vault = signed.parameters(call), call.use(Vault)
    for name in ("oauth_token", "oauth_verifier"):
        if not params.get(name):
            raise Invalid(f"Expecting to find {name} in request.", field=name)
    with call.db.read() as tx:
        request, consumer = (
            store.REQUESTS.get(tx, params["oauth_token"]),
            store.CONSUMERS.get(tx, params["oauth_consumer_key"]),
        )
    if request is None or consumer is None or request.consumer_id != consumer.id:
        raise Unauthorized(login.DENIED)
    signed.check(call, params, vault.open(consumer.secret), vault.open(request.secret))
    secret, id, until = secrets.token_hex(16), uuid.uuid4().hex, call.now() + ACCESS_SECONDS
    with call.db.write() as tx:
        request = _request(tx, params["oauth_token"], call.now())
        if (
            request.user_id is None
            or request.verifier is None
            or not hmac.compare_digest(request.verifier, params["oauth_verifier"])
        ):
            raise Unauthorized("Provided verifier does not match stored verifier")
        if not store.REQUESTS.delete(tx, store.REQUESTS.c.id == request.id):
            raise Unauthorized(login.DENIED)
        store.ACCESS.insert(
            tx,
            id=id,
            secret=vault.seal(secret),
            consumer_id=consumer.id,
            user_id=request.user_id,
            project_id=request.project_id,
            roles=request.roles,
            expires=until,
        )
    return _form(oauth_token=id, oauth_token_secret=secret, oauth_expires_at=iso_micro(until))


def method(call: Call, _: v3.Methods) -> login.Proof:
    """The method `oauth1` of POST /v3/auth/tokens: the request itself is signed by consumer and access token."""
    params, vault = signed.parameters(call), call.use(Vault)
    with call.db.read() as tx:
        access, consumer = (
            store.ACCESS.get(tx, params.get("oauth_token", "")),
            store.CONSUMERS.get(tx, params["oauth_consumer_key"]),
        )
        user = identity.USERS.get(tx, access.user_id) if access is not None else None
    if access is None or consumer is None or user is None or access.consumer_id != consumer.id:
        raise Unauthorized(login.DENIED)
    signed.check(call, params, vault.open(consumer.secret), vault.open(access.secret))
    if not user.enabled or (access.expires is not None and access.expires <= call.now()):
        raise Unauthorized("Access token is expired")
    return login.Proof(user, expires=access.expires, project_id=access.project_id, oauth=(consumer.id, access.id))


# -- what was granted ----------------------------------------------------------------------------------------------


def _access(act: Act, user_id: str, id: str) -> model.AccessToken:
    found = store.ACCESS.get(act.tx, id)
    if found is None or found.user_id != user_id:
        raise NotFound(f"Could not find access token: {id}.")
    return found


def _granted(a: model.AccessToken, call: Call) -> dict[str, Any]:
    own = call.request.link(f"/v3/users/{a.user_id}/OS-OAUTH1/access_tokens/{a.id}")
    return {
        "id": a.id,
        "consumer_id": a.consumer_id,
        "project_id": a.project_id,
        "authorizing_user_id": a.user_id,
        "expires_at": iso_micro(a.expires) if a.expires is not None else None,
        "links": {"self": own, "roles": f"{own}/roles"},
    }


def list_access(call: Call, user_id: str) -> dict[str, Any]:
    """GET /v3/users/{user}/OS-OAUTH1/access_tokens"""
    allow(call, LIST_ACCESS, user_id=user_id)
    delegation.in_person(call, "Access tokens are not looked at, nor ended,")
    rows = store.ACCESS.find(call.tx, store.ACCESS.c.user_id == user_id, order=store.ACCESS.c.id)
    links = {"self": call.request.base + call.request.path, "previous": None, "next": None}
    return {"access_tokens": [_granted(a, call) for a in rows], "links": links}


def show_access(call: Call, user_id: str, id: str) -> dict[str, Any]:
    """GET /v3/users/{user}/OS-OAUTH1/access_tokens/{id}"""
    allow(call, GET_ACCESS, user_id=user_id)
    delegation.in_person(call, "Access tokens are not looked at, nor ended,")
    return {"access_token": _granted(_access(call, user_id, id), call)}


def delete_access(act: Act, user_id: str, id: str) -> None:
    """DELETE /v3/users/{user}/OS-OAUTH1/access_tokens/{id}: tokens made of it end."""
    allow(act, DELETE_ACCESS, user_id=user_id)
    delegation.in_person(act, "Access tokens are not looked at, nor ended,")
    _access(act, user_id, id)
    store.ACCESS.delete(act.tx, store.ACCESS.c.id == id)
    act.use(Tokens).bump_generation(act.tx)


def _role(id: str, name: str, call: Call) -> dict[str, Any]:
    return {"id": id, "name": name, "domain_id": None, "links": {"self": call.request.link(f"/v3/roles/{id}")}}


def list_roles(call: Call, user_id: str, id: str) -> dict[str, Any]:
    """GET /v3/users/{user}/OS-OAUTH1/access_tokens/{id}/roles"""
    allow(call, LIST_ACCESS_ROLES, user_id=user_id)
    delegation.in_person(call, "Access tokens are not looked at, nor ended,")
    rows = identity.ROLES.within(call.tx, "id", _access(call, user_id, id).roles)
    links = {"self": call.request.base + call.request.path, "previous": None, "next": None}
    return {"roles": [_role(r.id, r.name, call) for r in rows], "links": links}


def show_role(call: Call, user_id: str, id: str, role_id: str) -> dict[str, Any]:
    """GET /v3/users/{user}/OS-OAUTH1/access_tokens/{id}/roles/{role}"""
    allow(call, GET_ACCESS_ROLE, user_id=user_id)
    delegation.in_person(call, "Access tokens are not looked at, nor ended,")
    role = identity.ROLES.get(call.tx, role_id) if role_id in _access(call, user_id, id).roles else None
    if role is None:
        raise NotFound(f"Could not find role: {role_id}.")
    return {"role": _role(role.id, role.name, call)}


login.METHODS["oauth1"] = method
_O = "/v3/OS-OAUTH1"
_A = "/v3/users/{user}/OS-OAUTH1/access_tokens"
ROUTES = (
    Route("POST", f"{_O}/consumers", create_consumer, body=Consumer, key="consumer", code=201),
    Route("GET", f"{_O}/consumers", consumers),
    Route("GET", f"{_O}/consumers/{{id}}", show_consumer),
    Route("PATCH", f"{_O}/consumers/{{id}}", update_consumer, body=Consumer, key="consumer"),
    Route("DELETE", f"{_O}/consumers/{{id}}", delete_consumer, code=204),
    Route("POST", f"{_O}/request_token", request_token, tx="none", public=True),
    Route("PUT", f"{_O}/authorize/{{id}}", authorize, body=Authorize),
    Route("POST", f"{_O}/access_token", access_token, tx="none", public=True),
    Route("GET", _A, list_access),
    Route("GET", f"{_A}/{{id}}", show_access),
    Route("DELETE", f"{_A}/{{id}}", delete_access, code=204),
    Route("GET", f"{_A}/{{id}}/roles", list_roles),
    Route("GET", f"{_A}/{{id}}/roles/{{role}}", show_role),
)
