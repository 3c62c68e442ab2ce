# SPDX-License-Identifier: Apache-2.0
"""Federation's rows as Keystone v3 prints them."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any, NamedTuple

from virga.ground.http.call import Answer, Call
from virga.ground.wire import UNSET
from virga.services.identity import views as identity_views
from virga.services.identity.actions.auth import Issued
from virga.services.identity.answers import Links, Self
from virga.services.identity.federation import answers, model

BASE = "/v3/OS-FEDERATION"


def _provider(p: model.Provider, call: Call) -> answers.IdentityProvider:
    own = call.request.link(f"{BASE}/identity_providers/{p.id}")
    return answers.IdentityProvider(
        id=p.id,
        enabled=p.enabled,
        description=p.description,
        domain_id=p.domain_id,
        authorization_ttl=p.authorization_ttl,
        remote_ids=p.remote_ids,
        links=answers.ProviderLinks(self_=own, protocols=f"{own}/protocols"),
    )


def _mapping(m: model.Mapping, call: Call) -> answers.Mapping:
    links = Self(call.request.link(f"{BASE}/mappings/{m.id}"))
    return answers.Mapping(id=m.id, rules=m.rules, schema_version=m.schema_version, links=links)


def _protocol_links(p: model.Protocol, call: Call) -> answers.ProtocolLinks:
    idp = call.request.link(f"{BASE}/identity_providers/{p.idp_id}")
    return answers.ProtocolLinks(self_=f"{idp}/protocols/{p.id}", identity_provider=idp)


def _protocol(p: model.Protocol, call: Call) -> answers.Protocol:
    return answers.Protocol(
        id=p.id,
        mapping_id=p.mapping_id,
        links=_protocol_links(p, call),
        remote_id_attribute=p.remote_id_attribute or UNSET,
    )


def _listed_protocol(p: model.Protocol, call: Call) -> answers.ListedProtocol:
    return answers.ListedProtocol(
        id=p.id,
        mapping_id=p.mapping_id,
        links=_protocol_links(p, call),
        idp_id=p.idp_id,
        remote_id_attribute=p.remote_id_attribute,
    )


def _service_provider(s: model.ServiceProvider, call: Call) -> answers.ServiceProvider:
    return answers.ServiceProvider(
        id=s.id,
        auth_url=s.auth_url,
        sp_url=s.sp_url,
        description=s.description,
        enabled=s.enabled,
        relay_state_prefix=s.relay_state_prefix,
        links=Self(call.request.link(f"{BASE}/service_providers/{s.id}")),
    )


class Noun(NamedTuple):
    """How rows of a type are answered: one alone, and a list."""

    one: Any
    many: Any
    view: Callable[[Any, Call], Any]
    listed: Callable[[Any, Call], Any]


NOUNS: dict[type[Any], Noun] = {
    model.Provider: Noun(answers.IdentityProviderAnswer, answers.IdentityProvidersAnswer, _provider, _provider),
    model.Mapping: Noun(answers.MappingAnswer, answers.MappingsAnswer, _mapping, _mapping),
    model.Protocol: Noun(answers.ProtocolAnswer, answers.ProtocolsAnswer, _protocol, _listed_protocol),
    model.ServiceProvider: Noun(
        answers.ServiceProviderAnswer, answers.ServiceProvidersAnswer, _service_provider, _service_provider
    ),
}


def one(noun: type[Any]) -> dict[str, Any]:
    """What a route says that answers one of a noun: its view and its shape."""
    kind = NOUNS[noun]
    return {"view": lambda row, call: kind.one(kind.view(row, call)), "answer": kind.one}


def many(noun: type[Any]) -> dict[str, Any]:
    """The same of a list."""
    kind = NOUNS[noun]

    def shown(rows: list[Any], call: Call) -> Any:
        return kind.many([kind.listed(r, call) for r in rows], Links(call.request.base + call.request.path))

    return {"view": shown, "answer": kind.many}


def elsewhere(found: tuple[str, str], _: Call) -> Answer:
    """A browser goes on to the provider; the cookie ties the login to it."""
    url, cookie = found
    return Answer(b"", 302, {"location": url, "set-cookie": cookie, "cache-control": "no-store"})


def entered(found: Any, call: Call) -> Answer:
    """The token of who came in; for a browser the page that hands it over; what an enhanced client must do first, as it is."""
    if isinstance(found, Answer):
        return found
    return handed_over(found, call) if len(found) == 3 else identity_views.token(Issued(*found), call)


PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Signing in</title></head>
<body><form id="sso" method="post" action="{host}"><input type="hidden" name="token" value="{token}">
<noscript><button type="submit">Go on</button></noscript></form>
<script nonce="{nonce}">document.getElementById("sso").submit()</script></body></html>
"""


def handed_over(found: tuple[str, str, str], call: Call) -> Answer:
    """The page that posts the token to the dashboard which asked for the login, and to no other."""
    host, token, nonce = found
    page = PAGE.format(host=html.escape(host), token=html.escape(token), nonce=nonce)
    policy = f"default-src 'none'; script-src 'nonce-{nonce}'; base-uri 'none'; frame-ancestors 'none'"
    headers = {
        "content-security-policy": policy,
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "set-cookie": f"{'virga-saml' if call.request.path.endswith('/acs') else 'virga-sso'}=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax",
    }
    return Answer(page.encode(), 200, headers, content_type="text/html; charset=utf-8")
