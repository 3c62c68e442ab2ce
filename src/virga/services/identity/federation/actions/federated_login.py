# SPDX-License-Identifier: Apache-2.0
"""A federated user comes in: believed by the provider's signature, named by the mapping, given what the mapping says, and a token."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import uuid
from collections.abc import Iterable
from urllib.parse import quote

import msgspec

from virga.ground import typed
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.errors import Broken, Conflict, Forbidden, Invalid, Unauthorized
from virga.ground.http.call import Call
from virga.services.identity import model as rows
from virga.services.identity import settings
from virga.services.identity import store as identity
from virga.services.identity import wire as identity_wire
from virga.services.identity.actions import login
from virga.services.identity.directories.model import public_id
from virga.services.identity.federation import model, rules, store
from virga.services.identity.federation.actions import providers
from virga.services.identity.federation.oidc import OidcProvider, assertion
from virga.services.identity.federation.registry import Providers
from virga.services.identity.secrets import Vault
from virga.services.identity.tokens import Tokens, audit_id

REMOTE_ID = "HTTP_OIDC_ISS"
SSO_SECONDS = 600.0
COOKIE = "virga-sso"


# -- who it is -----------------------------------------------------------------------------------------------------


def known(act: Act, idp: str, protocol: str) -> tuple[model.Provider, model.Protocol, model.Mapping]:
    """The provider, which must be enabled, its protocol and the mapping. Raises NotFound, Forbidden."""
    with act.db.read() as tx:
        provider = providers.provider(tx, idp)
        if not provider.enabled:
            raise Forbidden(f"Identity Provider {idp} is disabled")
        way = providers.protocol(tx, idp, protocol)
        return provider, way, providers.mapping(tx, way.mapping_id)


def trusted(act: Act, idp: str) -> OidcProvider:
    """The OpenID Connect provider of the settings. Raises Unauthorized."""
    found = act.use(Providers).of(idp)
    if found is None:
        raise Unauthorized(
            f"Nobody vouches for users of identity provider {idp}: it has no entry in the cloud's settings ([identity.oidc] or [identity.saml])."
        )
    return found


def by_assertion(
    act: Act, idp: str, protocol: str, assertion: rules.Assertion, remote_id: str = REMOTE_ID
) -> rows.User:
    """The user whom the provider's words mean here, made or renewed by the mapping; `remote_id` names the word that is the provider's own
    name, unless the protocol says another. Raises Unauthorized, Forbidden."""
    provider, way, mapping = known(act, idp, protocol)
    if provider.remote_ids and not set(assertion.get(way.remote_id_attribute or remote_id, ())) & set(
        provider.remote_ids
    ):
        raise Forbidden("Incoming identity provider identifier not included among the accepted identifiers.")
    try:
        made = typed.convert(mapping.rules, list[rules.Rule])
    except msgspec.ValidationError:
        raise Unauthorized(f"Mapping {mapping.id} is not one that this cloud understands.") from None
    who = rules.process(made, assertion, mapping.schema_version)
    with act.db.write() as tx:
        if who.user.type == "local":
            return _local(tx, who)
        user = _shadow(tx, provider, way.id, who)
        groups = _groups(tx, who, mapping.id)
        _projects(act, tx, provider, user, who, mapping.schema_version)
        _lend(act, tx, provider, user, groups)
        return user


def _local(tx: Tx, who: rules.Who) -> rows.User:
    """A user who is here already; the mapping names one, and makes none."""
    part = who.user
    domain = _domain(tx, part.domain) if isinstance(part.domain, rules.DomainRef) else None
    user = None
    if isinstance(part.id, str):
        user = identity.USERS.get(tx, part.id)
    elif isinstance(part.name, str) and domain is not None:
        user = identity.USERS.one(tx, identity.USERS.c.domain_id == domain, identity.USERS.c.name == part.name)
    if user is None or not user.enabled:
        raise Unauthorized(login.DENIED)
    return user


def _domain(tx: Tx, ref: rules.DomainRef) -> str:
    """The id of a domain that a rule names; nobody comes in by one that is not there or is switched off."""
    c = identity.DOMAINS.c
    found = (
        identity.DOMAINS.get(tx, ref.id)
        if isinstance(ref.id, str)
        else identity.DOMAINS.one(tx, c.name == str(ref.name))
    )
    if found is None or not found.enabled:
        raise Unauthorized("The mapping names a domain that is not there.")
    return found.id


def _shadow(tx: Tx, provider: model.Provider, protocol: str, who: rules.Who) -> rows.User:
    part, c = who.user, store.USERS.c
    name = part.name if isinstance(part.name, str) else part.id if isinstance(part.id, str) else ""
    unique = quote(part.id if isinstance(part.id, str) else name)
    if not name or not unique or len(unique) > 255 or "\0" in name:
        raise Unauthorized(
            "Could not map user while setting ephemeral user identity: the mapping gives no usable name."
        )
    domain_id = _domain(tx, part.domain) if isinstance(part.domain, rules.DomainRef) else provider.domain_id
    extra = {"email": part.email} if isinstance(part.email, str) else {}
    known = store.USERS.one(tx, c.idp_id == provider.id, c.protocol_id == protocol, c.unique_id == unique)
    id = known.user_id if known is not None else public_id(domain_id, "user", unique)
    user = identity.USERS.get(tx, id)
    if known is None:
        if user is not None and (user.password_hash is not None or store.USERS.one(tx, c.user_id == id) is not None):
            raise Conflict(
                f"User {unique} of identity provider {provider.id} has the id of another provider's user in domain {domain_id}."
            )
        if user is None:
            user = identity.insert_passwordless(
                tx, id=id, name=_free_name(tx, domain_id, name, id), domain_id=domain_id, enabled=True, extra=extra
            )
        store.USERS.insert(tx, idp_id=provider.id, protocol_id=protocol, unique_id=unique, user_id=id)
    if user is None or not user.enabled:
        raise Unauthorized(login.DENIED)
    change: dict[str, object] = {}
    if user.name != name and user.name != (free := _free_name(tx, user.domain_id, name, id)):
        change["name"] = free
    if {k: user.extra.get(k) for k in extra} != extra:
        change["extra"] = user.extra | extra
    if change:
        identity.USERS.put(tx, id, **change)
    return user


def _free_name(tx: Tx, domain_id: str, name: str, id: str) -> str:
    """The name to show; with the id behind it when another user of the domain has it, for names are unique and prove nothing."""
    c = identity.USERS.c
    other = identity.USERS.one(tx, c.domain_id == domain_id, c.name == name[:255])
    return name[:255] if other is None or other.id == id else f"{name[:180]}#{id}"


# -- what it may ---------------------------------------------------------------------------------------------------


def _groups(tx: Tx, who: rules.Who, mapping_id: str) -> set[str]:
    """The ids of the groups that the mapping gives. An id that is not there is the mapping's fault; a name that is not, is left out."""
    there = {g.id for g in identity.GROUPS.within(tx, "id", who.group_ids)}
    missing = set(who.group_ids) - there
    if missing:
        raise Unauthorized(
            f"Group {sorted(missing)[0][:64]} returned by mapping {mapping_id} was not found in the backend."
        )
    c = identity.GROUPS.c
    for name, ref in who.groups:
        found = identity.GROUPS.one(tx, c.domain_id == _domain(tx, ref), c.name == name)
        if found is not None:
            there.add(found.id)
    return there


def _lend(act: Act, tx: Tx, provider: model.Provider, user: rows.User, groups: Iterable[str]) -> None:
    """Memberships for as long as the token lives, or the provider's `authorization_ttl` if that is longer; what an earlier login
    brought and this one does not, is taken back with it."""
    until = act.now() + max((provider.authorization_ttl or 0) * 60, act.use(settings.Identity).token_seconds)
    m, c = identity.MEMBERSHIPS.c, store.LENT.c
    lent = {x.group_id for x in store.LENT.find(tx, c.user_id == user.id, c.idp_id == provider.id)}
    wanted, have, changed = set(groups), set(identity.groups_of(tx, user.id)), False
    for group in lent - wanted:
        identity.MEMBERSHIPS.delete(tx, m.group_id == group, m.user_id == user.id)
        store.LENT.delete(tx, c.group_id == group, c.user_id == user.id)
        changed = True
    for group in wanted & lent:
        store.LENT.change(tx, c.group_id == group, c.user_id == user.id, expires=until)
    for group in wanted - have:
        identity.MEMBERSHIPS.insert(tx, group_id=group, user_id=user.id)
        store.LENT.insert(tx, group_id=group, user_id=user.id, idp_id=provider.id, expires=until)
        changed = True
    if changed:
        act.use(Tokens).bump_generation(tx)


def _projects(act: Act, tx: Tx, provider: model.Provider, user: rows.User, who: rules.Who, version: str) -> None:
    """Projects and roles of a mapping; every role must be there before anything is made. From schema 3.0 on the mapping says all that
    the user has."""
    r, p, g = identity.ROLES.c, identity.PROJECTS.c, identity.GRANTS.c
    wanted: list[tuple[str, str, list[str]]] = []
    for part in who.projects:
        domain_id = _domain(tx, part.domain) if isinstance(part.domain, rules.DomainRef) else provider.domain_id
        ids = []
        for granted in part.roles:
            role = identity.ROLES.one(tx, r.name == granted.name, r.domain_id.is_(None) | (r.domain_id == domain_id))
            if role is None:
                raise Unauthorized(f"Could not find role: {granted.name[:64]}, which the mapping gives.")
            ids.append(role.id)
        if not 0 < len(part.name) <= 64:
            raise Unauthorized("The mapping names a project by no name, or by one longer than 64 characters.")
        wanted.append((domain_id, part.name, ids))
    lent: set[tuple[str, str]] = set()
    changed = False
    for domain_id, name, ids in wanted:
        project = identity.PROJECTS.one(tx, p.domain_id == domain_id, p.name == name)
        if project is None:
            project = identity.PROJECTS.insert(
                tx,
                id=uuid.uuid4().hex,
                name=name,
                domain_id=domain_id,
                parent_id=domain_id,
                description="",
                enabled=True,
                tags=[],
                extra={},
                options={},
            )
        for role_id in ids:
            lent.add((project.id, role_id))
            if not any(x.role_id == role_id for x in identity.grants_of(tx, user.id, "project", project.id)):
                identity.GRANTS.insert(
                    tx, role_id=role_id, user_id=user.id, target="project", target_id=project.id, inherited=False
                )
    if version == "3.0":
        for grant in identity.GRANTS.find(tx, g.user_id == user.id, g.target == "project", g.inherited.is_(False)):
            if (grant.target_id, grant.role_id) not in lent:
                where = (
                    g.user_id == user.id,
                    g.target == "project",
                    g.target_id == grant.target_id,
                    g.role_id == grant.role_id,
                )
                identity.GRANTS.delete(tx, *where, g.inherited.is_(False))
                changed = True
    if changed:
        act.use(Tokens).bump_generation(tx)


# -- by a bearer token ---------------------------------------------------------------------------------------------


def bearer(call: Call) -> str:
    """The token of the provider that the caller shows. Raises Unauthorized."""
    kind, _, token = call.request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        raise Unauthorized("The header 'Authorization: Bearer …' with a token of the identity provider is needed.")
    return token.strip()


def issue(act: Act, user: rows.User, idp: str, protocol: str) -> tuple[str, rows.Session]:
    """An unscoped token for who came in by a provider."""
    now = act.now()
    expires = now + act.use(settings.Identity).token_seconds
    payload = rows.Payload(user.id, None, None, False, [protocol], now, expires, [audit_id()], via=(idp, protocol))
    return act.use(Tokens).issue(payload)


class MappedMethod(msgspec.Struct, forbid_unknown_fields=True):
    identity_provider: str
    protocol: str


def mapped(call: Call, auth: identity_wire.Methods) -> login.Proof:
    """The method `mapped` of POST /v3/auth/tokens: the same, with a scope. Raises Invalid."""
    try:
        given = typed.convert(auth.mapped, MappedMethod)
    except msgspec.ValidationError as e:
        raise Invalid(f"Invalid input for field 'auth.identity.mapped': {e}", field="mapped") from None
    known(call, given.identity_provider, given.protocol)
    claims = trusted(call, given.identity_provider).claims(bearer(call))
    user = by_assertion(call, given.identity_provider, given.protocol, assertion(claims))
    return login.Proof(user, via=(given.identity_provider, given.protocol))


# -- by a browser --------------------------------------------------------------------------------------------------


class State(msgspec.Struct, array_like=True, frozen=True):
    """What a browser carries to the provider and back, sealed; tied to the browser by the digest of its cookie."""

    label: str
    idp: str
    protocol: str
    origin: str
    nonce: str
    verifier: str
    cookie: str
    expires: float


def random() -> str:
    """A word that nobody guesses."""
    return base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def cookie(call: Call, named: str) -> str:
    """A cookie of the browser; empty if there is none."""
    cookies = [c.strip().partition("=") for c in call.request.headers.get("cookie", "").split(";")]
    return next((value for name, _, value in cookies if name == named), "")


def origin(call: Call) -> str:
    """The dashboard that asks, if it is one of those that are trusted. Raises Invalid, Unauthorized."""
    origin = call.query.get("origin")
    if not origin:
        raise Invalid("Request must have an origin query parameter", field="origin")
    if origin not in call.use(settings.Identity).trusted_dashboards:
        raise Unauthorized(f"{origin[:200]} is not a trusted dashboard host")
    return origin


def _redirect(call: Call) -> str:
    return call.request.link("/v3/auth/OS-FEDERATION/oidc/callback")


def begin(call: Call, idp: str, protocol: str) -> tuple[str, str]:
    """Off to the provider, for a dashboard."""
    host = origin(call)
    known(call, idp, protocol)
    provider = trusted(call, idp)
    nonce, verifier, mine = random(), random(), random()
    state = State("websso", idp, protocol, host, nonce, verifier, _digest(mine), call.now() + SSO_SECONDS)
    sealed = call.use(Vault).seal(msgspec.json.encode(state).decode())
    url = provider.login_url(_redirect(call), sealed, nonce, _digest(verifier))
    secure = "; Secure" if call.request.base.startswith("https") else ""
    return url, f"{COOKIE}={mine}; Max-Age={SSO_SECONDS:.0f}; Path=/; HttpOnly; SameSite=Lax{secure}"


def _state(call: Call) -> State:
    try:
        state = typed.decode(call.use(Vault).open(call.query.get("state") or ""), State)
    except (Broken, ValueError, msgspec.MsgspecError):
        raise Unauthorized("The login was not begun here, or too long ago.") from None
    mine = cookie(call, COOKIE)
    if state.label != "websso" or state.expires < call.now() or not hmac.compare_digest(_digest(mine), state.cookie):
        raise Unauthorized("The login was not begun here, or too long ago.")
    return state


def callback(call: Call) -> tuple[str, str, str]:
    """GET /v3/auth/OS-FEDERATION/oidc/callback: back from the provider; the page hands the token to the dashboard.
    Raises Unauthorized."""
    state = _state(call)
    code = call.query.get("code")
    if not code:
        raise Unauthorized("The identity provider did not let the user in.")
    known(call, state.idp, state.protocol)
    claims = trusted(call, state.idp).redeem(code, _redirect(call), state.verifier, state.nonce)
    user = by_assertion(call, state.idp, state.protocol, assertion(claims))
    return state.origin, issue(call, user, state.idp, state.protocol)[0], random()
