# SPDX-License-Identifier: Apache-2.0
"""Log in, look at a token, end it, and see where one may go."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from virga.authority.rules import allow
from virga.ground.act import Act
from virga.ground.db.engine import Tx
from virga.ground.errors import Forbidden, Invalid, NotFound, Unauthorized
from virga.ground.http.call import Call, Cold
from virga.ground.wire import UNSET
from virga.services.identity import model, policy, settings, store, wire
from virga.services.identity.actions import login
from virga.services.identity.actions.login import DENIED
from virga.services.identity.catalog import NOTHING, Carried, Catalog
from virga.services.identity.times import moment
from virga.services.identity.tokens import Tokens, audit_id, live_trust, no_role, roles_on, roles_on_project

MOST_METHODS = 4


@dataclass(frozen=True)
class AuthReceipt:
    """Right so far, and not enough: the methods that were passed, a receipt for them, and which sets of methods would do."""

    receipt: str
    payload: model.Receipt
    user: model.User
    user_domain: model.Domain
    required: list[list[str]]


class Issued(msgspec.Struct, frozen=True, gc=False):
    """A token (empty where none is given away), whose it is, and what it carries beside."""

    token: str
    session: model.Session
    carried: Carried = NOTHING


def by_token_alone(auth: wire.Auth) -> bool:
    """Whether no password is to be hashed: a token for a token, which dashboards and services ask for most."""
    return auth.identity.methods == ["token"]


def issue(call: Call, auth: wire.Auth) -> Issued | AuthReceipt:
    """POST /v3/auth/tokens"""
    found = log_in(call, auth)
    if isinstance(found, AuthReceipt):
        return found
    sealed, session = found
    return Issued(sealed, session, carried(call, session))


def carried(call: Call, session: model.Session, *, wait: bool = True) -> Carried:
    """What a token of `session` carries. Raises Cold when that is not in memory and there is no time to `wait` for it."""
    if not session.roles:
        return NOTHING
    known, base, project_id = call.use(Catalog), call.request.base, session.payload.project_id
    found = known.remembered(base, project_id)
    if found is None:
        if not wait:
            raise Cold
        found = known.carried(base, project_id)
    return Carried(None, found.providers) if "nocatalog" in call.query else found


def log_in(call: Call, auth: wire.Auth) -> tuple[str, model.Session] | AuthReceipt:
    """Check the methods, find the scope, seal a token. The slow hash runs outside any transaction.
    Raises Unauthorized, Invalid."""
    tokens, identity, now = call.use(Tokens), auth.identity, call.now()
    methods = list(dict.fromkeys(identity.methods))
    for method in methods:
        if method not in login.METHODS:
            raise Unauthorized(f"Attempted to authenticate with an unsupported method: {method[:40]}.")
        if getattr(identity, method, UNSET) is UNSET and method not in identity.extra:
            raise Invalid(
                f"Invalid input for field 'auth.identity': method {method} is named and its object '{method}' is missing",
                field=method,
            )
    if len(methods) > MOST_METHODS:
        raise Invalid(f"Invalid input for field 'auth.identity.methods': at most {MOST_METHODS}", field="methods")
    if call.hot and (len(methods) > 1 or methods[0] not in login.QUICK):
        raise Cold
    call.notes["scoped"] = auth.scope is not UNSET
    proofs: list[login.Proof] = []
    for method in sorted(methods, key=lambda name: name == "totp"):  # what guards a passcode is asked before it
        proofs.append(login.METHODS[method](call, identity))
        call.notes["proven"] = True
    user = proofs[0].user
    if any(p.user.id != user.id for p in proofs):
        raise Unauthorized(DENIED)
    passed = list(dict.fromkeys([*methods, *(m for p in proofs for m in p.methods)]))
    passed = _with_receipt(call, user, passed)
    lacking = _lacking(user, passed)
    if lacking:
        return _auth_receipt(call, user, passed, lacking)
    if (
        passed == ["totp"]
        and not user.options.get("multi_factor_auth_rules")
        and not call.use(settings.Identity).totp_alone
    ):
        raise Unauthorized(
            "A passcode alone logs nobody in: send another method with it, or have the operator allow it "
            "(identity.totp_alone, or a multi-factor rule of the user)."
        )
    expires = min(
        [now + call.use(settings.Identity).token_seconds, *(p.expires for p in proofs if p.expires is not None)]
    )
    audit = [audit_id(), *(p.audit_id for p in proofs if p.audit_id is not None)][:2]
    handed = next((p for p in proofs if p.oauth is not None), None)
    if handed is not None:
        if auth.scope is not UNSET:
            raise login.refused("Using an OAuth access token to ask for a scope; it has its own")
        return tokens.issue(
            model.Payload(user.id, handed.project_id, None, False, passed, now, expires, audit, oauth=handed.oauth)
        )
    bound = next((p for p in proofs if p.app_credential_id is not None), None)
    if bound is not None:
        if auth.scope is not UNSET:
            raise login.refused("Using an application credential token to create a scoped token is not allowed")
        payload = model.Payload(
            user.id, bound.project_id, None, False, passed, now, expires, audit, None, bound.app_credential_id
        )
        return tokens.issue(payload)
    trust_ref = auth.scope.trust if isinstance(auth.scope, wire.Scope) else UNSET
    if isinstance(trust_ref, wire.TrustRef):
        return _by_trust(call, user, trust_ref.id, passed, expires, audit)
    with call.db.read() as tx:
        project_id, domain_id, system = _scope(tx, auth, user, any(p.before is not None for p in proofs))
        if (project_id or domain_id) and any(p.before is not None and p.before.system for p in proofs):
            raise login.refused(
                "Using a system-scoped token to create a project-scoped or domain-scoped token is not allowed"
            )
        via = next((p.via for p in proofs if p.via is not None), None)
        payload = model.Payload(user.id, project_id, domain_id, system, passed, now, expires, audit, via=via)
        try:
            return tokens.issue(payload, tx)
        except Unauthorized:
            if _stranger(tx, user, project_id, domain_id):
                raise no_role(user.id) from None
            raise


def _stranger(tx: Tx, user: model.User, project_id: str | None, domain_id: str | None) -> bool:
    """Whether the user has no role on the scope: whether that is disabled is then not for the user to know."""
    project = store.PROJECTS.get(tx, project_id) if project_id is not None else None
    if project is not None:
        return not roles_on_project(tx, user.id, project)
    return domain_id is not None and not roles_on(tx, user.id, "domain", domain_id)


def _with_receipt(call: Call, user: model.User, passed: list[str]) -> list[str]:
    """The methods of an earlier attempt, when its receipt comes along."""
    text = call.request.headers.get("openstack-auth-receipt")
    if not text:
        return passed
    receipt = call.use(Tokens).open_receipt(text)
    if receipt is None or receipt.user_id != user.id or receipt.issued < user.valid_after:
        raise Unauthorized("Could not find auth receipt: it is not ours, has expired, or is another user's.")
    return list(dict.fromkeys([*passed, *receipt.methods]))


def _lacking(user: model.User, passed: list[str]) -> list[list[str]]:
    """The user's sets of methods, when none of them was passed (Keystone, "Multi-Factor Authentication")."""
    rules = user.options.get("multi_factor_auth_rules")
    if not rules or user.options.get("multi_factor_auth_enabled") is False:
        return []
    known = [supported for rule in rules if (supported := [m for m in rule if m in login.METHODS])]
    return [] if not known or any(set(rule) <= set(passed) for rule in known) else known


def _auth_receipt(act: Act, user: model.User, passed: list[str], lacking: list[list[str]]) -> AuthReceipt:
    now = act.now()
    receipt = model.Receipt(user.id, passed, now, now + act.use(settings.Identity).receipt_seconds)
    with act.db.read() as tx:
        domain = store.DOMAINS.get(tx, user.domain_id)
    if domain is None or not domain.enabled:
        raise Unauthorized(DENIED)
    return AuthReceipt(act.use(Tokens).seal_receipt(receipt), receipt, user, domain, lacking)


def _by_trust(
    act: Act, user: model.User, id: str, methods: list[str], expires: float, audit: list[str]
) -> tuple[str, model.Session]:
    """A token for what was entrusted; one of a limited number of uses is spent with it."""
    with act.db.write() as tx:
        trust = store.TRUSTS.get(tx, id)
        if trust is None or trust.deleted_at is not None or user.id != trust.trustee_id:
            raise Forbidden(
                "You are not authorized to perform the requested action: the trust is not there, or is another user's."
            )
        trust = live_trust(tx, id, act.now())
        if trust.remaining_uses is not None:
            left = trust.remaining_uses
            if left < 1 or store.TRUSTS.swap(tx, {"id": id, "remaining_uses": left}, remaining_uses=left - 1) is None:
                raise Forbidden(f"No remaining uses for trust: {id}.")
        if trust.expires is not None:
            expires = min(expires, trust.expires)
        who = trust.trustor_id if trust.impersonation else user.id
        payload = model.Payload(who, trust.project_id, None, False, methods, act.now(), expires, audit, trust.id)
        session = act.use(Tokens).resolve(tx, payload)
    return act.use(Tokens).seal(payload), session


def _scope(tx: Tx, auth: wire.Auth, user: model.User, rescoped: bool) -> tuple[str | None, str | None, bool]:
    """What the caller asks to be scoped to: project, domain, system, or (nothing said) the default project if it still works."""
    scope = auth.scope
    if scope is UNSET:
        if user.default_project_id and not rescoped:
            project = store.PROJECTS.get(tx, user.default_project_id)
            domain = store.DOMAINS.get(tx, project.domain_id) if project is not None else None
            if (
                project is not None
                and project.enabled
                and domain is not None
                and domain.enabled
                and roles_on_project(tx, user.id, project)
            ):
                return project.id, None, False
        return None, None, False
    if isinstance(scope, str):
        return None, None, False
    assert isinstance(scope, wire.Scope)
    requested = [
        name for name in ("project", "domain", "system", "unscoped", "trust") if getattr(scope, name) is not UNSET
    ]
    if len(requested) != 1:
        raise Invalid(
            f"Invalid input for field 'auth.scope': one of project, domain, system, OS-TRUST:trust and unscoped, not {len(requested)} of them",
            field="scope",
        )
    if isinstance(scope.project, wire.ProjectRef):
        found = login.project_of(tx, scope.project)
        if found is None:
            raise no_role(user.id)
        return found.id, None, False
    if isinstance(scope.domain, wire.DomainRef):
        domain = login.domain_of(tx, scope.domain)
        if domain is None:
            raise no_role(user.id)
        return None, domain.id, False
    return None, None, scope.system is not UNSET


def _subject(call: Call) -> str:
    token = call.request.headers.get("x-subject-token")
    if not token:
        raise Invalid("The header X-Subject-Token is missing", field="X-Subject-Token")
    return token


def show(call: Call) -> Issued:
    """GET /v3/auth/tokens: from memory when the token and its catalogue were seen since the last change, without I/O."""
    session = checked(call)
    return Issued(call.request.headers["x-subject-token"], session, carried(call, session, wait=not call.hot))


def checked(call: Call) -> model.Session:
    """What the token of X-Subject-Token stands for. `allow_expired` also shows one that ended a while ago, for services that finish what
    it began. Raises NotFound."""
    tokens, subject = call.use(Tokens), _subject(call)
    late = (
        float(call.use(settings.Identity).late_seconds)
        if "allow_expired" in call.query and call.query.yes("allow_expired")
        else 0.0
    )
    if call.hot and not late:
        found = tokens.session_hot(subject)
    elif call.hot:
        raise Cold
    else:
        found = tokens.session(subject, late)
    rule = policy.CHECK_TOKEN if call.request.method == "HEAD" else policy.VALIDATE_TOKEN
    if found is None:
        raise NotFound("Could not find token.")
    allow(call, rule, target={"target.token.user_id": found[0].user.id})
    if found[0].access_rules is not None and "openstack-identity-access-rules" not in call.request.headers:
        raise NotFound(
            "Could not find token: it has access rules, and who asks does not say that it keeps them (OpenStack-Identity-Access-Rules)."
        )
    return found[0]


def revoke(call: Call) -> None:
    """DELETE /v3/auth/tokens: the token and what was made from it end everywhere within a second. Raises NotFound."""
    tokens = call.use(Tokens)
    payload = tokens.open(_subject(call))
    if payload is None or payload.expires <= call.now():
        raise NotFound("Could not find token.")
    allow(call, policy.REVOKE_TOKEN, target={"target.token.user_id": payload.user_id})
    with call.db.write() as tx:
        late = call.use(settings.Identity).late_seconds
        if store.once(tx, store.REVOCATIONS, audit_id=payload.audit_ids[0], expires=payload.expires + late):
            tokens.note(tx, {"audit_id": payload.audit_ids[0]})
        tokens.bump_generation(tx)


def catalog(call: Call) -> Carried:
    """GET /v3/auth/catalog: needs a scope. Raises Forbidden."""
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
    known, base, project_id = call.use(Catalog), call.request.base, found[0].payload.project_id
    shown = known.remembered(base, project_id)
    if shown is None and call.hot:
        raise Cold
    return shown or known.carried(base, project_id)


def projects(act: Act) -> list[model.Project]:
    """GET /v3/auth/projects: where the caller has a role and may go."""
    allow(act, policy.GET_AUTH_PROJECTS)
    dead = {d.id for d in store.DOMAINS.find(act.tx, store.DOMAINS.c.enabled.is_(False))}
    return [p for p in login.projects_of(act.tx, act.actor.user_id) if p.enabled and p.domain_id not in dead]


def domains(act: Act) -> list[model.Domain]:
    """GET /v3/auth/domains: the domains on which the caller has a role."""
    allow(act, policy.GET_AUTH_DOMAINS)
    return [d for d in login.domains_of(act.tx, act.actor.user_id) if d.enabled]


def system(act: Act) -> bool:
    """GET /v3/auth/system: whether the caller has a role on the system."""
    allow(act, policy.GET_AUTH_SYSTEM)
    return bool(roles_on(act.tx, act.actor.user_id, "system", "system"))


def events(call: Call) -> list[model.RevokeEvent]:
    """GET /v3/OS-REVOKE/events: what ended tokens, `since` a time."""
    allow(call, policy.LIST_REVOKE_EVENTS)
    since = call.query.get("since")
    where = [store.REVOKE_EVENTS.c.made >= moment(since, "since")] if since else []
    return store.REVOKE_EVENTS.find(call.tx, *where, order=store.REVOKE_EVENTS.c.id)


def pki(act: Act) -> None:
    """GET /v3/auth/tokens/OS-PKI/revoked: what is not kept cannot be listed (as Keystone answers). Raises Forbidden."""
    raise Forbidden(
        "You are not authorized to perform the requested action: tokens are not kept, so there is no list of revoked ones."
    )
