# SPDX-License-Identifier: Apache-2.0
"""OAuth 1 (OS-OAUTH1): consumers ask, users grant roles on a project, and the consumer gets tokens with these roles and no more."""

from __future__ import annotations

import hmac
import secrets
import uuid
from typing import Annotated
from urllib.parse import urlencode

from virga.authority.rules import ADMIN, READ_ALL, Rule, allow
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.errors import Forbidden, Invalid, NotFound, Unauthorized
from virga.ground.http.call import Answer, Call
from virga.ground.http.table import Route
from virga.ground.wire import UNSET, Meta, Name, Text, UnsetType, Wire, refers
from virga.ground.world import iso_micro
from virga.services.identity import model as rows
from virga.services.identity import store as identity
from virga.services.identity import wire as v3
from virga.services.identity.actions import delegation, login, projects
from virga.services.identity.oauth import answers, model, signed, store, views
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


class WriteConsumer(Wire):
    description: Text | UnsetType | None = UNSET


class GrantedRole(Wire):
    id: Annotated[v3.Id, refers("role")] | UnsetType = UNSET
    name: Annotated[Name, refers("role name")] | UnsetType = UNSET


class Authorize(Wire, kw_only=True):
    roles: Annotated[list[GrantedRole], Meta(max_length=256)]


# -- consumers -----------------------------------------------------------------------------------------------------


def _consumer(tx: Tx, id: str) -> model.Consumer:
    found = store.CONSUMERS.get(tx, id)
    if found is None:
        raise NotFound(f"Could not find consumer: {id}.")
    return found


def create_consumer(act: Act, body: WriteConsumer) -> tuple[model.Consumer, str]:
    """POST /v3/OS-OAUTH1/consumers: the consumer, and its secret."""
    allow(act, CREATE_CONSUMER)
    secret = secrets.token_hex(16)
    sealed = act.use(Vault).seal(secret)
    text = body.description if isinstance(body.description, str) else None
    return store.CONSUMERS.insert(act.tx, id=uuid.uuid4().hex, secret=sealed, description=text), secret


def consumers(act: Act) -> list[model.Consumer]:
    """GET /v3/OS-OAUTH1/consumers"""
    allow(act, LIST_CONSUMERS)
    return store.CONSUMERS.find(act.tx, order=store.CONSUMERS.c.id)


def show_consumer(act: Act, id: str) -> model.Consumer:
    """GET /v3/OS-OAUTH1/consumers/{id}"""
    allow(act, GET_CONSUMER)
    return _consumer(act.tx, id)


def update_consumer(act: Act, id: str, body: WriteConsumer) -> model.Consumer:
    """PATCH /v3/OS-OAUTH1/consumers/{id}"""
    allow(act, UPDATE_CONSUMER)
    _consumer(act.tx, id)
    if body.description is not UNSET:
        store.CONSUMERS.put(act.tx, id, description=body.description)
    return _consumer(act.tx, id)


def delete_consumer(act: Act, id: str) -> None:
    """DELETE /v3/OS-OAUTH1/consumers/{id}: what users granted it, and the tokens it made of that, end."""
    allow(act, DELETE_CONSUMER)
    _consumer(act.tx, id)
    for held in (store.REQUESTS, store.ACCESS):
        held.delete(act.tx, held.c.consumer_id == id)
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
    """POST /v3/OS-OAUTH1/request_token, signed by the consumer, for the project of Requested-Project-Id.
    Raises Invalid, Unauthorized."""
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


def authorize(act: Act, id: str, body: Authorize) -> str:
    """PUT /v3/OS-OAUTH1/authorize/{request_token}: roles that the caller has on the project; never by delegated authority. Gives the
    verifier, which whoever has it turns the request token into an access token with. Raises Forbidden, Unauthorized."""
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
    return verifier


def access_token(call: Call) -> Answer:
    """POST /v3/OS-OAUTH1/access_token: the granted request, once, with its verifier. Raises Invalid, Unauthorized."""
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
    """The method `oauth1` of POST /v3/auth/tokens: the request itself is signed by consumer and access token.
    Raises Unauthorized."""
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


def list_access(act: Act, user_id: str) -> list[model.AccessToken]:
    """GET /v3/users/{user}/OS-OAUTH1/access_tokens"""
    allow(act, LIST_ACCESS, user_id=user_id)
    delegation.in_person(act, "Access tokens are not looked at, nor ended,")
    return store.ACCESS.find(act.tx, store.ACCESS.c.user_id == user_id, order=store.ACCESS.c.id)


def show_access(act: Act, user_id: str, id: str) -> model.AccessToken:
    """GET /v3/users/{user}/OS-OAUTH1/access_tokens/{id}"""
    allow(act, GET_ACCESS, user_id=user_id)
    delegation.in_person(act, "Access tokens are not looked at, nor ended,")
    return _access(act, user_id, id)


def delete_access(act: Act, user_id: str, id: str) -> None:
    """DELETE /v3/users/{user}/OS-OAUTH1/access_tokens/{id}: tokens made of it end."""
    allow(act, DELETE_ACCESS, user_id=user_id)
    delegation.in_person(act, "Access tokens are not looked at, nor ended,")
    _access(act, user_id, id)
    store.ACCESS.delete(act.tx, store.ACCESS.c.id == id)
    act.use(Tokens).bump_generation(act.tx)


def list_roles(act: Act, user_id: str, id: str) -> list[rows.Role]:
    """GET /v3/users/{user}/OS-OAUTH1/access_tokens/{id}/roles"""
    allow(act, LIST_ACCESS_ROLES, user_id=user_id)
    delegation.in_person(act, "Access tokens are not looked at, nor ended,")
    return identity.ROLES.within(act.tx, "id", _access(act, user_id, id).roles)


def show_role(act: Act, user_id: str, id: str, role_id: str) -> rows.Role:
    """GET /v3/users/{user}/OS-OAUTH1/access_tokens/{id}/roles/{role}. Raises NotFound."""
    allow(act, GET_ACCESS_ROLE, user_id=user_id)
    delegation.in_person(act, "Access tokens are not looked at, nor ended,")
    role = identity.ROLES.get(act.tx, role_id) if role_id in _access(act, user_id, id).roles else None
    if role is None:
        raise NotFound(f"Could not find role: {role_id}.")
    return role


login.METHODS["oauth1"] = method
_O = "/v3/OS-OAUTH1"
_A = "/v3/users/{user}/OS-OAUTH1/access_tokens"
ROUTES = (
    Route("POST", f"{_O}/consumers", create_consumer, body=WriteConsumer, key="consumer", view=views.made, answer=answers.ConsumerAnswer, code=201),
    Route("GET", f"{_O}/consumers", consumers, view=views.consumers, answer=answers.ConsumersAnswer),
    Route("GET", f"{_O}/consumers/{{id}}", show_consumer, view=views.consumer, answer=answers.ConsumerAnswer),
    Route("PATCH", f"{_O}/consumers/{{id}}", update_consumer, body=WriteConsumer, key="consumer", view=views.consumer, answer=answers.ConsumerAnswer),
    Route("DELETE", f"{_O}/consumers/{{id}}", delete_consumer, code=204),
    Route("POST", f"{_O}/request_token", request_token, answer=bytes, code=201, tx="none", public=True),
    Route("PUT", f"{_O}/authorize/{{id}}", authorize, body=Authorize, view=views.verifier, answer=answers.VerifierAnswer),
    Route("POST", f"{_O}/access_token", access_token, answer=bytes, code=201, tx="none", public=True),
    Route("GET", _A, list_access, view=views.access_tokens, answer=answers.AccessTokensAnswer),
    Route("GET", f"{_A}/{{id}}", show_access, view=views.access_token, answer=answers.AccessTokenAnswer),
    Route("DELETE", f"{_A}/{{id}}", delete_access, code=204),
    Route("GET", f"{_A}/{{id}}/roles", list_roles, view=views.roles, answer=answers.AccessTokenRolesAnswer),
    Route("GET", f"{_A}/{{id}}/roles/{{role}}", show_role, view=views.role, answer=answers.AccessTokenRoleAnswer),
)  # fmt: skip
