# SPDX-License-Identifier: Apache-2.0
"""Federation's rows as Keystone v3 prints them."""

from __future__ import annotations

import html
from typing import Any

from virga.ground.http.call import Answer, Call
from virga.services.identity import views as identity_views
from virga.services.identity.federation import model

BASE = "/v3/OS-FEDERATION"


def _provider(p: model.Provider, call: Call) -> dict[str, Any]:
    own = call.request.link(f"{BASE}/identity_providers/{p.id}")
    return {
        "id": p.id,
        "enabled": p.enabled,
        "description": p.description,
        "domain_id": p.domain_id,
        "authorization_ttl": p.authorization_ttl,
        "remote_ids": p.remote_ids,
        "links": {"self": own, "protocols": f"{own}/protocols"},
    }


def _mapping(m: model.Mapping, call: Call) -> dict[str, Any]:
    links = {"self": call.request.link(f"{BASE}/mappings/{m.id}")}
    return {"id": m.id, "rules": m.rules, "schema_version": m.schema_version, "links": links}


def _protocol(p: model.Protocol, call: Call) -> dict[str, Any]:
    idp = call.request.link(f"{BASE}/identity_providers/{p.idp_id}")
    shown: dict[str, Any] = {
        "id": p.id,
        "mapping_id": p.mapping_id,
        "links": {"self": f"{idp}/protocols/{p.id}", "identity_provider": idp},
    }
    return shown | ({"remote_id_attribute": p.remote_id_attribute} if p.remote_id_attribute else {})


def _listed_protocol(p: model.Protocol, call: Call) -> dict[str, Any]:
    """A protocol in a list says more than one alone, as Keystone's do."""
    return _protocol(p, call) | {"idp_id": p.idp_id, "remote_id_attribute": p.remote_id_attribute}


def _service_provider(s: model.ServiceProvider, call: Call) -> dict[str, Any]:
    return {
        "id": s.id,
        "auth_url": s.auth_url,
        "sp_url": s.sp_url,
        "description": s.description,
        "enabled": s.enabled,
        "relay_state_prefix": s.relay_state_prefix,
        "links": {"self": call.request.link(f"{BASE}/service_providers/{s.id}")},
    }


_ONE: dict[type[Any], tuple[str, str, Any]] = {
    model.Provider: ("identity_provider", "identity_providers", _provider),
    model.Mapping: ("mapping", "mappings", _mapping),
    model.Protocol: ("protocol", "protocols", _protocol),
    model.ServiceProvider: ("service_provider", "service_providers", _service_provider),
}


def one(row: Any, call: Call) -> dict[str, Any]:
    key, _, view = _ONE[type(row)]
    return {key: view(row, call)}


def many(noun: type[Any]) -> Any:
    _, key, view = _ONE[noun]
    view = _listed_protocol if noun is model.Protocol else view

    def page(rows: list[Any], call: Call) -> dict[str, Any]:
        links = {"self": call.request.base + call.request.path, "previous": None, "next": None}
        return {key: [view(r, call) for r in rows], "links": links}

    return page


def elsewhere(found: tuple[str, str], _: Call) -> Answer:
    """A browser goes on to the provider; the cookie ties the login to it."""
    url, cookie = found
    return Answer(b"", 302, {"location": url, "set-cookie": cookie, "cache-control": "no-store"})


def entered(found: Any, call: Call) -> Answer:
    """The token of who came in; for a browser the page that hands it over; what an enhanced client must do first, as it is."""
    if isinstance(found, Answer):
        return found
    return handed_over(found, call) if len(found) == 3 else identity_views.token(found, call)


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
