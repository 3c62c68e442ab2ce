# SPDX-License-Identifier: Apache-2.0
"""Log in, look at a token, end it, and see where one may go."""

from __future__ import annotations

from virga.authority.rules import allow
from virga.ground.db.engine import Tx
from virga.ground.errors import Forbidden, Invalid, NotFound, Unauthorized
from virga.ground.http.call import Call, Cold
from virga.ground.wire import UNSET
from virga.services.identity import model, policy, settings, store, wire
from virga.services.identity.passwords import Passwords
from virga.services.identity.tokens import Tokens, audit_id, roles_on, roles_on_project

DENIED = "The request you have made requires authentication."


def issue(call: Call, auth: wire.Auth) -> tuple[str, model.Session]:
    """POST /v3/auth/tokens: check the methods, find the scope, seal a token. The slow hash runs outside any transaction."""
    tokens = call.use(Tokens)
    methods = list(dict.fromkeys(auth.identity.methods))
    for method in methods:
        if method not in {"password", "token"}:
            raise Unauthorized(f"Attempted to authenticate with an unsupported method: {method[:40]}.")
        if getattr(auth.identity, method) is UNSET:
            raise Invalid(
                f"Invalid input for field 'auth.identity': method {method} is named and its object '{method}' is missing", field=method
            )
    now = call.now()
    expires = now + call.use(settings.Identity).token_seconds
    audit = [audit_id()]
    user: model.User | None = None
    before: model.Payload | None = None
    if auth.identity.token is not UNSET:
        found = tokens.session(auth.identity.token.id)
        if found is None:
            raise Unauthorized(DENIED)
        before = found[0].payload
        user = found[0].user
        expires = min(expires, before.expires)
        audit.append(before.audit_ids[-1])
        methods = list(dict.fromkeys([*before.methods, *methods]))
    if auth.identity.password is not UNSET:
        given = auth.identity.password.user
        with call.db.read() as tx:
            named = _user(tx, given)
        right = call.use(Passwords).verify(named.password_hash if named is not None else None, given.password)
        if named is None or not right or (user is not None and user.id != named.id):
            raise Unauthorized(DENIED)
        if named.password_expires_at is not None and named.password_expires_at <= now:
            raise Unauthorized("The password is expired and needs to be changed for user: " + named.id)
        user = named
    if user is None:
        raise Unauthorized(DENIED)
    with call.db.read() as tx:
        project_id, domain_id, system = _scope(tx, auth, user)
        payload = model.Payload(user.id, project_id, domain_id, system, methods, now, expires, audit)
        session = tokens.resolve(tx, payload)
    return tokens.seal(payload), session


def _user(tx: Tx, given: wire.PasswordUser) -> model.User | None:
    if given.id is not UNSET:
        user = store.USERS.get(tx, str(given.id))
    else:
        if given.name is UNSET or given.domain is UNSET:
            raise Invalid("Invalid input for field 'auth.identity.password.user': an id, or a name with a domain, is needed", field="user")
        domain = _domain(tx, given.domain)
        user = store.USERS.one(tx, store.USERS.c.domain_id == domain.id, store.USERS.c.name == given.name) if domain is not None else None
    return user if user is not None and user.enabled else None


def _domain(tx: Tx, ref: wire.Ref) -> model.Domain | None:
    if ref.id is not UNSET:
        return store.DOMAINS.get(tx, str(ref.id))
    if ref.name is UNSET:
        raise Invalid("Invalid input for field 'domain': an id or a name is needed", field="domain")
    return store.DOMAINS.one(tx, store.DOMAINS.c.name == ref.name)


def _scope(tx: Tx, auth: wire.Auth, user: model.User) -> tuple[str | None, str | None, bool]:
    """What the caller asks to be scoped to: project, domain, system, or (nothing said) the default project if it still works."""
    scope = auth.scope
    if scope is UNSET:
        if user.default_project_id and auth.identity.token is UNSET:
            project = store.PROJECTS.get(tx, user.default_project_id)
            if project is not None and project.enabled and roles_on_project(tx, user.id, project):
                return project.id, None, False
        return None, None, False
    if isinstance(scope, str):
        return None, None, False
    assert isinstance(scope, wire.Scope)
    asked = [name for name in ("project", "domain", "system") if getattr(scope, name) is not UNSET]
    if len(asked) > 1:
        raise Invalid(f"Invalid input for field 'auth.scope': one scope only, not {' and '.join(asked)}", field="scope")
    if isinstance(scope.project, wire.InDomain):
        found = _project(tx, scope.project)
        if found is None:
            raise Unauthorized(DENIED)
        return found.id, None, False
    if isinstance(scope.domain, wire.Ref):
        domain = _domain(tx, scope.domain)
        if domain is None:
            raise Unauthorized(DENIED)
        return None, domain.id, False
    return None, None, scope.system is not UNSET


def _project(tx: Tx, ref: wire.InDomain) -> model.Project | None:
    if ref.id is not UNSET:
        return store.PROJECTS.get(tx, str(ref.id))
    if ref.name is UNSET or not isinstance(ref.domain, wire.Ref):
        raise Invalid("Invalid input for field 'auth.scope.project': an id, or a name with a domain, is needed", field="project")
    domain = _domain(tx, ref.domain)
    return None if domain is None else store.PROJECTS.one(tx, store.PROJECTS.c.domain_id == domain.id, store.PROJECTS.c.name == ref.name)


def _subject(call: Call) -> str:
    token = call.request.headers.get("x-subject-token")
    if not token:
        raise Invalid("The header X-Subject-Token is missing", field="X-Subject-Token")
    return token


def show(call: Call) -> model.Session:
    """GET /v3/auth/tokens: from memory when the token was seen since the last change, without I/O."""
    tokens, subject = call.use(Tokens), _subject(call)
    found = tokens.session_hot(subject) if call.hot else tokens.session(subject)
    if found is None:
        raise NotFound("Could not find token.")
    allow(call, policy.VALIDATE_TOKEN, user_id=found[0].user.id)
    return found[0]


def revoke(call: Call) -> None:
    """DELETE /v3/auth/tokens: the token and what was made from it end everywhere within a second."""
    tokens = call.use(Tokens)
    payload = tokens.open(_subject(call))
    if payload is None or payload.expires <= call.now():
        raise NotFound("Could not find token.")
    allow(call, policy.REVOKE_TOKEN, user_id=payload.user_id)
    with call.db.write() as tx:
        if store.REVOCATIONS.one(tx, store.REVOCATIONS.c.audit_id == payload.audit_ids[0]) is None:
            store.REVOCATIONS.insert(tx, audit_id=payload.audit_ids[0], expires=payload.expires)
        tokens.grew(tx)


def catalog(call: Call) -> model.Session:
    """GET /v3/auth/catalog: needs a scope."""
    allow(call, policy.GET_CATALOG)
    if call.actor.project_id is None and call.actor.domain_id is None and not call.actor.system:
        raise Forbidden(
            "The catalogue of an unscoped token is empty: ask for a token of a project, a domain or the system.",
            rule=policy.GET_CATALOG.name,
        )
    tokens, token = call.use(Tokens), call.request.headers["x-auth-token"]
    found = tokens.session_hot(token) if call.hot else tokens.session(token)
    if found is None:
        raise Cold
    return found[0]


def projects(call: Call) -> list[model.Project]:
    """GET /v3/auth/projects: where the caller has a role."""
    return projects_of(call.tx, call.actor.user_id)


def projects_of(tx: Tx, user_id: str) -> list[model.Project]:
    c = store.GRANTS.c
    grants = store.GRANTS.find(tx, c.user_id == user_id)
    direct = {g.target_id for g in grants if g.target == "project" and not g.inherited}
    inherited = {g.target_id for g in grants if g.inherited}
    found = {p.id: p for p in store.PROJECTS.within(tx, "id", direct)}
    found |= {p.id: p for p in store.PROJECTS.within(tx, "domain_id", inherited)}
    found |= {p.id: p for p in store.PROJECTS.within(tx, "parent_id", inherited)}
    return sorted((p for p in found.values() if p.enabled), key=lambda p: p.name)


def domains(call: Call) -> list[model.Domain]:
    """GET /v3/auth/domains: the domains on which the caller has a role."""
    c = store.GRANTS.c
    ids = [g.target_id for g in store.GRANTS.find(call.tx, c.user_id == call.actor.user_id, c.target == "domain", c.inherited.is_(False))]
    return [d for d in store.DOMAINS.within(call.tx, "id", ids) if d.enabled]


def system(call: Call) -> bool:
    """GET /v3/auth/system: whether the caller has a role on the system."""
    return bool(roles_on(call.tx, call.actor.user_id, "system", "system"))
