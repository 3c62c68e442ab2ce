# SPDX-License-Identifier: Apache-2.0
"""A user comes in by a SAML assertion: a browser from the identity provider's page, an enhanced client (ECP), or another Keystone's user;
and a user of ours goes to another cloud by an assertion of ours."""

from __future__ import annotations

import hmac
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, urlencode

import msgspec

from virga.ground import typed
from virga.ground.act import Act
from virga.ground.errors import Broken, Forbidden, Invalid, NotFound, Unauthorized, Unavailable
from virga.ground.http.call import Answer, Call
from virga.ground.wire import UNSET, Meta, Name, UnsetType, Wire, refers
from virga.services.identity import model as rows
from virga.services.identity import settings
from virga.services.identity import store as identity
from virga.services.identity import wire as identity_wire
from virga.services.identity.actions import login
from virga.services.identity.federation import rules
from virga.services.identity.federation.actions import federated_login, providers
from virga.services.identity.federation.registry import Providers
from virga.services.identity.federation.saml import issuer, messages
from virga.services.identity.federation.saml.provider import SamlProvider
from virga.services.identity.secrets import Vault
from virga.services.identity.tokens import Tokens

COOKIE = "virga-saml"
BASE = "/v3/OS-FEDERATION"
REMOTE_ID = "Shib-Identity-Provider"


class PendingLogin(msgspec.Struct, array_like=True, frozen=True):
    """A login that was begun here, sealed: in a cookie of the browser, or in the relay state of an enhanced client."""

    label: str
    idp: str
    protocol: str
    origin: str
    request: str
    relay: str
    expires: float


def _provider(act: Act, idp: str) -> SamlProvider:
    found = act.use(Providers).saml(idp)
    if found is None:
        raise NotFound(f"Identity provider {idp} has no entry in the cloud's settings ([identity.saml]).")
    return found


def _at(idp: str, protocol: str) -> str:
    return f"{BASE}/identity_providers/{idp}/protocols/{protocol}"


def _address(call: Call, idp: str, protocol: str) -> str:
    """Where assertions are sent to."""
    return call.request.link(f"{_at(idp, protocol)}/saml2/acs")


def _entity(call: Call, provider: SamlProvider, protocol: str) -> str:
    return provider.own.own_entity or call.request.link(f"{_at(provider.idp, protocol)}/saml2/metadata")


def _sealed(act: Act, label: str, *, idp: str, protocol: str, origin: str, request: str, relay: str) -> str:
    begun = PendingLogin(label, idp, protocol, origin, request, relay, act.now() + federated_login.SSO_SECONDS)
    return act.use(Vault).seal(msgspec.json.encode(begun).decode())


def _begun(act: Act, sealed: str, label: str, idp: str, protocol: str) -> PendingLogin | None:
    try:
        begun = typed.decode(act.use(Vault).open(sealed), PendingLogin)
    except (Broken, ValueError, msgspec.MsgspecError):
        return None
    return (
        begun
        if (begun.label, begun.idp, begun.protocol) == (label, idp, protocol) and begun.expires > act.now()
        else None
    )


# -- beginning -----------------------------------------------------------------------------------------------------


def begin(call: Call, idp: str, protocol: str) -> tuple[str, str]:
    """Off to the provider by the redirect binding, for a dashboard; the cookie ties the login to the browser.
    Raises Unavailable."""
    origin = federated_login.origin(call)
    federated_login.known(call, idp, protocol)
    provider = _provider(call, idp)
    where = provider.about().logins.get(messages.REDIRECT_BINDING)
    if not where:
        raise Unavailable(f"Identity provider {idp} offers no login by redirect (HTTP-Redirect) in its metadata.")
    id, relay = messages.request_id(), federated_login.random()
    request = messages.authn_request(
        id, call.now(), _entity(call, provider, protocol), _address(call, idp, protocol), messages.POST_BINDING, where
    )
    query = urlencode({"SAMLRequest": messages.redirect_query(request), "RelayState": relay})
    # the provider's page posts across sites: such a cookie must say so, which browsers take over TLS only
    site = "; SameSite=None; Secure" if call.request.base.startswith("https") else ""
    cookie = f"{COOKIE}={_sealed(call, 'saml', idp=idp, protocol=protocol, origin=origin, request=id, relay=relay)}; Max-Age={federated_login.SSO_SECONDS:.0f}; Path=/; HttpOnly{site}"
    return f"{where}{'&' if '?' in where else '?'}{query}", cookie


def enhanced(call: Call, idp: str, protocol: str) -> Answer:
    """The answer to an enhanced client that has no assertion yet: what to carry to the provider."""
    federated_login.known(call, idp, protocol)
    provider, address, id = _provider(call, idp), _address(call, idp, protocol), messages.request_id()
    entity = _entity(call, provider, protocol)
    request = messages.authn_request(id, call.now(), entity, address, messages.PAOS_BINDING, None)
    relay = _sealed(call, "ecp", idp=idp, protocol=protocol, origin="", request=id, relay="")
    return Answer(
        messages.ecp_request(request, entity, address, relay),
        200,
        {"cache-control": "no-store"},
        content_type=messages.MIME_PAOS,
    )


def is_enhanced(call: Call) -> bool:
    """Whether the client says that it can (SAML 2.0 profiles, 4.2.3.1)."""
    headers = call.request.headers
    return messages.MIME_PAOS in headers.get("accept", "") and messages.PAOS in headers.get("paos", "")


# -- coming back ---------------------------------------------------------------------------------------------------


def consume(call: Call, idp: str, protocol: str) -> tuple[str, rows.Session] | tuple[str, str, str]:
    """POST …/protocols/{protocol}/saml2/acs: a browser's form gets the page that hands the token to the dashboard; an envelope gets the
    token. Raises Invalid."""
    federated_login.known(call, idp, protocol)
    provider = _provider(call, idp)
    kind = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        try:
            form = parse_qs(call.request.body.decode("ascii"), max_num_fields=8)
        except ValueError:
            raise Invalid("The form is none.", field="SAMLResponse") from None
        begun = _of_browser(call, idp, protocol, next(iter(form.get("RelayState", [""]))))
        assertion = _believed(
            call, provider, protocol, messages.from_form(next(iter(form.get("SAMLResponse", [""])))), begun.request
        )
        user = _user(call, provider, protocol, assertion)
        return begun.origin, federated_login.issue(call, user, idp, protocol)[0], federated_login.random()
    if kind not in {messages.MIME_PAOS, "text/xml", "application/xml", "application/soap+xml"}:
        raise Invalid(f"A form, or an envelope ({messages.MIME_PAOS}), is needed.", field="Content-Type")
    response, relay = messages.unwrapped(messages.parse(call.request.body))
    enhanced = _begun(call, relay, "ecp", idp, protocol)
    if enhanced is None and not provider.own.unsolicited:
        raise messages.no("it answers no login that was begun here")
    assertion = _believed(call, provider, protocol, response, None if enhanced is None else enhanced.request)
    return federated_login.issue(call, _user(call, provider, protocol, assertion), idp, protocol)


def _of_browser(call: Call, idp: str, protocol: str, relay: str) -> PendingLogin:
    begun = _begun(call, federated_login.cookie(call, COOKIE), "saml", idp, protocol)
    if begun is None or not hmac.compare_digest(begun.relay.encode(), relay.encode()):
        raise Unauthorized("The login was not begun here, or too long ago.")
    return begun


def _believed(
    call: Call, provider: SamlProvider, protocol: str, response: messages.Element, request: str | None
) -> messages.SamlAssertion:
    about, own = provider.about(), provider.own
    want = messages.Expected(
        about.entity,
        about.certificates,
        _entity(call, provider, protocol),
        _address(call, provider.idp, protocol),
        request,
        call.now(),
        own.audience,
        own.sha1,
    )
    assertion = messages.believed(response, want)
    with call.db.write() as tx:
        if not identity.spend(tx, "saml", f"{about.entity}\n{assertion.id}", assertion.until + 2 * messages.LEEWAY):
            raise messages.no("its assertion was used before")
    return assertion


def _user(act: Act, provider: SamlProvider, protocol: str, assertion: messages.SamlAssertion) -> rows.User:
    return federated_login.by_assertion(
        act, provider.idp, protocol, words(assertion, provider.about().entity), REMOTE_ID
    )


def words(assertion: messages.SamlAssertion, entity: str) -> rules.Assertion:
    """The assertion under the names that mappings use: the attributes' own, and those of the web servers' modules that stand before a
    Keystone (mod_shib, mod_auth_mellon)."""
    out: dict[str, list[str]] = {"Shib-Identity-Provider": [entity], "MELLON_IDP": [entity]}
    if assertion.name_id:
        out |= {"REMOTE_USER": [assertion.name_id], "MELLON_NAME_ID": [assertion.name_id]}
    for name, values in assertion.attributes.items():
        out.setdefault(name, values)
        out.setdefault(f"MELLON_{name}", values)
    return out


def own_metadata(call: Call, idp: str, protocol: str) -> Answer:
    """GET …/protocols/{protocol}/saml2/metadata: this cloud as the provider must know it."""
    federated_login.known(call, idp, protocol)
    provider = _provider(call, idp)
    body = messages.service_provider_metadata(_entity(call, provider, protocol), _address(call, idp, protocol))
    return Answer(body, 200, content_type="application/samlmetadata+xml")


# -- to other clouds -----------------------------------------------------------------------------------------------


class ByToken(Wire):
    methods: Annotated[list[Literal["token"]], Meta(max_length=8)]
    token: identity_wire.TokenMethod


class ServiceProviderRef(Wire):
    id: Annotated[identity_wire.Id, refers("service provider")] | UnsetType = UNSET
    name: Annotated[Name, refers("service provider name")] | UnsetType = UNSET


class To(Wire):
    service_provider: ServiceProviderRef


class AssertionRequest(Wire):
    identity: ByToken
    scope: To


def _issuer_entity(call: Call) -> str:
    return call.use(settings.Identity).saml_idp.idp_entity_id or call.request.link(f"{BASE}/saml2/metadata")


def issuer_metadata(call: Call) -> Answer:
    """GET /v3/OS-FEDERATION/saml2/metadata: this cloud as an identity provider."""
    address = call.request.link("/v3/auth/OS-FEDERATION/saml2/ecp")
    body = issuer.metadata(_issuer_entity(call), address, call.use(issuer.SamlKey).certificate())
    return Answer(body, 200, content_type="text/xml")


def _assertion(call: Call, body: AssertionRequest) -> tuple[Any, str, str, str]:
    """The signed response for the named service provider, its addresses, and its prefix of relay states."""
    tokens = call.use(Tokens)
    with call.db.read() as tx:
        target = providers.service_provider(tx, str(body.scope.service_provider.id))
    if not target.enabled:
        raise Forbidden(f"Service Provider {target.id} is disabled")
    found = tokens.session(body.identity.token.id)
    if found is None:
        raise NotFound("Could not find token.")
    session, actor = found
    if session.project is None or session.project_domain is None:
        raise login.refused("Use a project scoped token when attempting to create a SAML assertion")
    if actor.delegated:
        raise login.refused(
            "Delegated authority (a trust, an application credential, OAuth) is not handed to another cloud"
        )
    with call.db.read() as tx:
        domains: dict[str, str] = {}
        groups = []
        for group in identity.GROUPS.within(tx, "id", identity.groups_of(tx, session.user.id)):
            if group.domain_id not in domains:
                domain = identity.DOMAINS.get(tx, group.domain_id)
                domains[group.domain_id] = domain.name if domain is not None else ""
            groups.append((group.name, domains[group.domain_id]))
    own = call.use(settings.Identity).saml_idp
    seconds = min(float(own.assertion_expiration_time), session.payload.expires - call.now())
    made = issuer.response(
        _issuer_entity(call),
        target.sp_url,
        session,
        groups=sorted(groups),
        now=call.now(),
        seconds=seconds,
        key=call.use(issuer.SamlKey),
    )
    return made, target.sp_url, target.auth_url, target.relay_state_prefix or ""


def _answer(body: bytes, sp_url: str, auth_url: str) -> Answer:
    return Answer(
        body, 200, {"x-sp-url": sp_url, "x-auth-url": auth_url, "cache-control": "no-store"}, content_type="text/xml"
    )


def assertion(call: Call, body: AssertionRequest) -> Answer:
    """POST /v3/auth/OS-FEDERATION/saml2: an assertion about a token's user for a service provider."""
    from lxml import etree

    made, sp_url, auth_url, _ = _assertion(call, body)
    return _answer(bytes(etree.tostring(made)), sp_url, auth_url)


def enveloped_assertion(call: Call, body: AssertionRequest) -> Answer:
    """POST /v3/auth/OS-FEDERATION/saml2/ecp: the same in the envelope that the service provider takes."""
    made, sp_url, auth_url, prefix = _assertion(call, body)
    return _answer(issuer.in_envelope(made, sp_url, prefix), sp_url, auth_url)
