# SPDX-License-Identifier: Apache-2.0
"""Scenes of the operations of identity (v3, its extensions, v2.0), for the golden samples."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote

from oauthlib.oauth1 import Client

from samples import Request, Scene, Stage
from sim_cloud import BASE

PASSWORD = "password"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ELSEWHERE = "https://elsewhere.example"
RULES = [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "REMOTE_USER"}]}]


# -- what must be there ------------------------------------------------------------------------------------------------


def _ask(stage: Stage, method: str, path: str, body: Any = None, **headers: str) -> Any:
    got = stage.admin.ask(method, f"/identity{path}", body, headers=headers)
    assert got.code < 300, f"{method} {path}: {got.code} {got.text[:500]}"
    return got


# noun → where it is made, the key of its body, and its body, with `{}` for its name and {noun} or {noun:name} for others
NOUNS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "user": ("/v3/users", "user", {"name": "{}", "password": PASSWORD, "email": "sample@example.org"}),
    "group": ("/v3/groups", "group", {"name": "{}", "description": "a group", "color": "red"}),
    "project": ("/v3/projects", "project", {"name": "{}", "description": "a project", "tags": ["one"], "color": "red"}),
    "below": ("/v3/projects", "project", {"name": "{}-below", "parent_id": "{project}"}),
    "domain": ("/v3/domains", "domain", {"name": "{}", "description": "a domain", "color": "red"}),
    "role": ("/v3/roles", "role", {"name": "{}", "description": "a role", "color": "red"}),
    "credential": ("/v3/credentials", "credential", {"type": "sample", "blob": "{}", "user_id": "{user}", "color": "red"}),
    "region": ("/v3/regions", "region", {"id": "{}", "description": "a region", "color": "red"}),
    "inner_region": ("/v3/regions", "region", {"id": "inner-{}", "parent_region_id": "{region}"}),
    "service": ("/v3/services", "service", {"name": "{}", "type": "{}-type", "description": "a service", "color": "red"}),
    "endpoint": (
        "/v3/endpoints", "endpoint",
        {"service_id": "{service}", "interface": "public", "url": ELSEWHERE, "region_id": "{region}", "color": "red"},
    ),
    "policy": ("/v3/policies", "policy", {"type": "{}/type", "blob": "{}", "color": "red"}),
    "endpoint_group": ("/v3/OS-EP-FILTER/endpoint_groups", "endpoint_group", {"name": "{}", "filters": {"service_id": "{service}"}}),
    "trust": (
        "/v3/OS-TRUST/trusts", "trust",
        {
            "trustor_user_id": "{me}", "trustee_user_id": "{user}", "project_id": "{mine}", "impersonation": True,
            "roles": [{"name": "member"}], "expires_at": "2099-01-01T00:00:00.000000Z", "color": "red",
        },
    ),
    "app": (
        "/v3/users/{me}/application_credentials", "application_credential",
        {"name": "{}", "roles": [{"name": "reader"}], "access_rules": [{"service": "compute", "method": "GET", "path": "/v2.1/{}"}]},
    ),
    "consumer": ("/v3/OS-OAUTH1/consumers", "consumer", {"description": "{}"}),
    "old_service": ("/v2.0/OS-KSADM/services", "OS-KSADM:service", {"name": "{}-old", "type": "{}-old-type", "description": "a service"}),
    "old_endpoint": (
        "/v2.0/endpoints", "endpoint", {"service_id": "{old_service}", "publicurl": ELSEWHERE, "region": "{region}"},
    ),
}  # fmt: skip


def _thing(stage: Stage, noun: str, name: str = "sample") -> str:
    """The id of a thing of that name."""
    return str(stage.once(f"{noun} {name}", lambda: (OTHERS.get(noun) or _plain(noun))(stage, name)))


def _plain(noun: str) -> Callable[[Stage, str], str]:
    path, key, body = NOUNS[noun]

    def made(stage: Stage, name: str) -> str:
        stage.things[f"whole {noun} {name}"] = whole = next(
            iter(_ask(stage, "POST", _filled(stage, path, name), {key: _filled(stage, body, name)}).json.values())
        )
        return str(whole["id"])

    return made


def _filled(stage: Stage, value: Any, name: str = "sample") -> Any:
    """With names and ids put in their places."""
    if isinstance(value, dict):
        return {k: _filled(stage, v, name) for k, v in value.items()}
    if isinstance(value, list):
        return [_filled(stage, v, name) for v in value]
    if not isinstance(value, str):
        return value
    return re.sub(
        r"{(?:([a-z]\w*)(?::([\w-]+))?)?}", lambda m: _thing(stage, m[1], m[2] or "sample") if m[1] else name, value
    )


def _role(stage: Stage, name: str) -> str:
    """One that the cloud has from the start."""
    return str(_ask(stage, "GET", f"/v3/roles?name={name}").json["roles"][0]["id"])


def _walker(stage: Stage, name: str) -> str:
    """A user with roles on a project, a domain and the system."""
    user = _thing(stage, "user", name)
    for where in (f"projects/{_thing(stage, 'project', name)}", f"domains/{_thing(stage, 'domain', name)}", "system"):
        _ask(stage, "PUT", f"/v3/{where}/users/{user}/roles/{_role(stage, 'member')}")
    return user


def _login(name: str, **scope: Any) -> dict[str, Any]:
    user = {"name": name, "domain": {"id": "default"}, "password": PASSWORD}
    identity = {"methods": ["password"], "password": {"user": user}}
    return {"auth": {"identity": identity, "scope": scope}}


def _token(stage: Stage, name: str) -> str:
    """Of the walker, on its project."""
    _thing(stage, "walker")
    scope = {"project": {"id": _thing(stage, "project", "walker")}}
    return str(_ask(stage, "POST", "/v3/auth/tokens", _login("walker", **scope)).headers["x-subject-token"])


def _access_rule(stage: Stage, name: str) -> str:
    """A rule of an application credential that is no more."""
    id = _thing(stage, "app", name)
    rule = stage.things[f"whole app {name}"]["access_rules"][0]["id"]
    _ask(stage, "DELETE", f"/v3/users/{stage.admin.user}/application_credentials/{id}")
    return str(rule)


def _registered(stage: Stage, name: str) -> str:
    limit = {"service_id": _thing(stage, "service"), "resource_name": name, "default_limit": 5}
    got = _ask(stage, "POST", "/v3/registered_limits", {"registered_limits": [limit]})
    return str(got.json["registered_limits"][0]["id"])


def _limit(stage: Stage, name: str) -> str:
    _thing(stage, "registered", name)
    limit = {"service_id": _thing(stage, "service"), "resource_name": name, "resource_limit": 4}
    limit["project_id"] = _thing(stage, "project")
    return str(_ask(stage, "POST", "/v3/limits", {"limits": [limit]}).json["limits"][0]["id"])


def _ec2(stage: Stage, name: str) -> str:
    body = {"tenant_id": _thing(stage, "project", "walker")}
    path = f"/v3/users/{_thing(stage, 'walker')}/credentials/OS-EC2"
    stage.things[f"whole ec2 {name}"] = whole = _ask(stage, "POST", path, body).json["credential"]
    return str(whole["access"])


def _put(path: str, key: str, body: dict[str, Any]) -> Callable[[Stage, str], str]:
    """What has the id that its maker gives it."""

    def made(stage: Stage, name: str) -> str:
        _ask(stage, "PUT", _filled(stage, path, name), {key: _filled(stage, body, name)})
        return name

    return made


def _configured(stage: Stage, name: str) -> str:
    """A domain with a configuration of its own."""
    id = _thing(stage, "domain", name)
    config = {"identity": {"driver": "ldap"}, "ldap": {"url": "ldap://localhost", "user_tree_dn": "ou=Users"}}
    _ask(stage, "PUT", f"/v3/domains/{id}/config", {"config": config})
    return id


def _implied(stage: Stage, name: str) -> str:
    """A role that `{role:prior-…}` brings along."""
    id = _thing(stage, "role", name)
    _ask(stage, "PUT", f"/v3/roles/{_thing(stage, 'role', f'prior-{name}')}/implies/{id}")
    return id


def _used(path: str, id: str) -> Callable[[Stage, str], str]:
    """A thing, the id of which is `id`, that something at `path` is tied to."""

    def made(stage: Stage, name: str) -> str:
        _ask(stage, "PUT", _filled(stage, path, name))
        return str(_filled(stage, id, name))

    return made


def _signed(stage: Stage, path: str, token: str = "", secret: str = "", **more: Any) -> dict[str, str]:
    """The headers of a POST that the consumer signs."""
    key = _thing(stage, "consumer")
    whole = stage.things["whole consumer sample"]
    client = Client(
        key,
        client_secret=whole["secret"],
        resource_owner_key=token or None,
        resource_owner_secret=secret or None,
        **more,
    )
    headers: dict[str, str] = client.sign(f"{BASE}/identity{path}", http_method="POST")[1]
    return headers


def _request_token(stage: Stage, name: str) -> str:
    path = "/v3/OS-OAUTH1/request_token"
    headers = _signed(stage, path, callback_uri="oob") | {"Requested-Project-Id": stage.admin.project}
    stage.things[f"whole request {name}"] = whole = dict(parse_qsl(_ask(stage, "POST", path, **headers).text))
    return str(whole["oauth_token"])


def _granted(stage: Stage, name: str) -> dict[str, str]:
    """Headers that turn a granted request token into an access token."""
    id = _thing(stage, "request", name)
    got = _ask(stage, "PUT", f"/v3/OS-OAUTH1/authorize/{id}", {"roles": [{"id": _thing(stage, "member")}]})
    secret = stage.things[f"whole request {name}"]["oauth_token_secret"]
    verifier = got.json["token"]["oauth_verifier"]
    return _signed(stage, "/v3/OS-OAUTH1/access_token", id, secret, verifier=verifier)


def _access_token(stage: Stage, name: str) -> str:
    got = _ask(stage, "POST", "/v3/OS-OAUTH1/access_token", **_granted(stage, name))
    return dict(parse_qsl(got.text))["oauth_token"]


FED = "/v3/OS-FEDERATION"
IDP = f"{FED}/identity_providers/{{idp}}"
OTHERS: dict[str, Callable[[Stage, str], str]] = {
    "me": lambda stage, name: stage.admin.user,
    "mine": lambda stage, name: stage.admin.project,
    "member": lambda stage, name: _role(stage, "member"),
    "walker": lambda stage, name: _walker(stage, "walker"),
    "token": _token,
    "rule": _access_rule,
    "registered": _registered,
    "limit": _limit,
    "ec2": _ec2,
    "configured": _configured,
    "implied": _implied,
    "joined": _used("/v3/groups/{group}/users/{user:in-group}", "{user:in-group}"),
    "leaving": _used("/v3/groups/{group}/users/{user:parting}", "{user:parting}"),
    "idp": _put(
        f"{FED}/identity_providers/{{}}", "identity_provider", {"remote_ids": ["{}-remote"], "description": "an idp"}
    ),
    "mapping": _put(f"{FED}/mappings/{{}}", "mapping", {"rules": RULES}),
    "protocol": _put(f"{IDP}/protocols/{{}}", "protocol", {"mapping_id": "{mapping}"}),
    "sp": _put(
        f"{FED}/service_providers/{{}}",
        "service_provider",
        {"auth_url": ELSEWHERE, "sp_url": ELSEWHERE, "enabled": False},
    ),
    "request": _request_token,
    "access": _access_token,
}


# -- scenes ------------------------------------------------------------------------------------------------------------


def _at(path: str, body: Any = None, **more: Any) -> Scene:
    """A request of the administrator; {noun} and {noun:name} stand for ids."""

    def scene(stage: Stage, version: str) -> Request:
        return Request(_filled(stage, path), _filled(stage, body), **more)

    return scene


def _after(before: str, path: str, body: Any = None, **more: Any) -> Scene:
    """The same after a PUT at `before`."""

    def scene(stage: Stage, version: str) -> Request:
        _ask(stage, "PUT", _filled(stage, before))
        return Request(_filled(stage, path), _filled(stage, body), **more)

    return scene


def _with(thing: str, path: str, body: Any = None) -> Scene:
    """The same when the thing (`noun`, `noun:name`) is there, which the path does not name."""

    def scene(stage: Stage, version: str) -> Request:
        _filled(stage, f"{{{thing}}}")
        return Request(_filled(stage, path), _filled(stage, body))

    return scene


def _among(path: str, key: str, noun: str, by: str = "id") -> Scene:
    """A list that has everybody's: of it, what is ours."""

    def scene(stage: Stage, version: str) -> Request:
        own = _thing(stage, noun)

        def only(answer: Any) -> Any:
            return answer | {key: [row for row in answer[key] if row[by] == own]}

        return Request(_filled(stage, path), cut=only)

    return scene


def _walking(path: str) -> Scene:
    """A request of the walker."""

    def scene(stage: Stage, version: str) -> Request:
        return Request(path, headers={"X-Auth-Token": _thing(stage, "token")})

    return scene


def _told(stage: Stage, name: str = "sample") -> dict[str, str]:
    return {"X-Subject-Token": _thing(stage, "token", name)}


def _brief_catalog(answer: Any) -> Any:
    """Of the catalogue what every cloud has."""
    if "access" in answer:
        access = answer["access"]
        shown = [s for s in access["serviceCatalog"] if s["type"] == "identity"]
        return {"access": access | {"serviceCatalog": shown}}
    if "token" in answer:
        return {"token": _brief_catalog(answer["token"])}
    return answer | {"catalog": [s for s in answer["catalog"] if s["type"] == "identity"]}


def _issue(stage: Stage, version: str) -> Request:
    _thing(stage, "walker")
    return Request(
        "/v3/auth/tokens", _login("walker", project={"id": _thing(stage, "project", "walker")}), cut=_brief_catalog
    )


def _events(stage: Stage, version: str) -> Request:
    _ask(stage, "DELETE", "/v3/auth/tokens", **_told(stage, "revoked"))

    def last(answer: Any) -> Any:
        return answer | {"events": [e for e in answer["events"] if "audit_id" in e][-1:]}

    return Request("/v3/OS-REVOKE/events", cut=last)


def _now(stage: Stage) -> dt.datetime:
    return dt.datetime.fromtimestamp(stage.sim.cloud.world.now(), dt.UTC)


def _signed_ec2(path: str) -> Scene:
    """Signature version 2."""

    def scene(stage: Stage, version: str) -> Request:
        access = _thing(stage, "ec2")
        secret = stage.things["whole ec2 sample"]["secret"]
        params = {
            "SignatureVersion": "2",
            "SignatureMethod": "HmacSHA256",
            "Timestamp": _now(stage).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        query = "&".join(f"{k}={quote(v, safe='-_.~')}" for k, v in sorted(params.items()))
        digest = hmac.new(secret.encode(), f"GET\nec2.example\n/\n{query}".encode(), hashlib.sha256).digest()
        given = {"access": access, "signature": base64.b64encode(digest).decode(), "host": "ec2.example"}
        return Request(
            path, {"credentials": given | {"verb": "GET", "path": "/", "params": params}}, cut=_brief_catalog
        )

    return scene


def _signed_s3(stage: Stage, version: str) -> Request:
    access, when = _thing(stage, "ec2"), _now(stage)
    day = when.strftime("%Y%m%d")
    text = f"AWS4-HMAC-SHA256\n{when.strftime('%Y%m%dT%H%M%SZ')}\n{day}/RegionOne/s3/aws4_request\n{'0' * 64}"
    key = f"AWS4{stage.things['whole ec2 sample']['secret']}".encode()
    for part in (day, "RegionOne", "s3", "aws4_request", text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    given = {"access": access, "token": base64.urlsafe_b64encode(text.encode()).decode(), "signature": key.hex()}
    return Request("/v3/s3tokens", {"credentials": given}, cut=_brief_catalog)


def _grants() -> dict[str, Scene]:
    """Of users and groups, on projects, domains and the system, for themselves and inherited."""
    out: dict[str, Scene] = {}
    for target, place in (("project", "/projects/{project}"), ("domain", "/domains/{domain}"), ("system", "/system")):
        for who in ("user", "group"):
            for inherited in (False, True) if target != "system" else (False,):
                base, tail = ("/v3/OS-INHERIT", "/inherited_to_projects") if inherited else ("/v3", "")
                roles = f"{base}{place}/{who}s/{{{who}}}/roles"
                one, end = f"{roles}/{{role}}{tail}", "_inherited" if inherited else ""
                name = f"{who}_on_{target}{end}"
                again = "inherited_to_projects" if inherited else "roles"
                out |= {
                    f"grants.of_{name}": _after(one, roles + tail),
                    f"grants.put_{name}": _at(one),
                    f"grants.check_{name}": _after(one, one),
                    f"grants.check_{name}.{again}": _after(one, one),
                    f"grants.take_{name}": _after(one, one),
                }
    return out


def _disabled(stage: Stage, version: str) -> Request:
    """Only such a domain is deleted."""
    id = _thing(stage, "domain", "going")
    _ask(stage, "PATCH", f"/v3/domains/{id}", {"domain": {"enabled": False}})
    return Request(f"/v3/domains/{id}")


def _request(stage: Stage, version: str) -> Request:
    path = "/v3/OS-OAUTH1/request_token"
    return Request(
        path, headers=_signed(stage, path, callback_uri="oob") | {"Requested-Project-Id": stage.admin.project}
    )


def _exchange(stage: Stage, version: str) -> Request:
    return Request("/v3/OS-OAUTH1/access_token", headers=_granted(stage, "exchanged"))


def _oauth2(stage: Stage, version: str) -> Request:
    id = _thing(stage, "app", "robot")
    secret = stage.things["whole app robot"]["secret"]
    basic = base64.b64encode(f"{id}:{secret}".encode()).decode()
    headers = FORM | {"Authorization": f"Basic {basic}"}
    return Request(
        "/v3/OS-OAUTH2/token",
        raw=b"grant_type=client_credentials",
        headers=headers,
        cut=lambda answer: answer | {"expires_in": 3600},
    )


def _own_password(stage: Stage, version: str) -> Request:
    user, project = _thing(stage, "user", "changing-own"), _thing(stage, "project", "walker")
    _ask(stage, "PUT", f"/v3/projects/{project}/users/{user}/roles/{_thing(stage, 'member')}")
    token = _ask(stage, "POST", "/v3/auth/tokens", _login("changing-own", project={"id": project})).headers[
        "x-subject-token"
    ]
    body = {"user": {"original_password": PASSWORD, "password": "other"}}
    return Request(f"/v2.0/OS-KSCRUD/users/{user}", body, headers={"X-Auth-Token": token}, cut=_brief_catalog)


def _reference(stage: Stage, version: str) -> Request:
    user, project = _thing(stage, "user", "referred"), _thing(stage, "project", "walker")
    _ask(stage, "PUT", f"/v3/projects/{project}/users/{user}/roles/{_thing(stage, 'member')}")
    id = _ask(stage, "GET", f"/v2.0/users/{user}/roleRefs").json["roles"][0]["id"]
    return Request(f"/v2.0/users/{user}/roleRefs/{quote(id, safe='=&')}")


# fmt: off
ASSERTION = {"auth": {"identity": {"methods": ["token"], "token": {"id": "none"}}, "scope": {"service_provider": {"id": "{sp}"}}}}
USER, APPS, EC2 = "/v3/users/{user}", "/v3/users/{me}/application_credentials", "/v3/users/{walker}/credentials/OS-EC2"
POLICY, FILTER, CONFIG = "/v3/policies/{policy}/OS-ENDPOINT-POLICY", "/v3/OS-EP-FILTER", "/v3/domains/{configured:own-config}/config"
EP_GROUP = f"{FILTER}/endpoint_groups/{{endpoint_group}}"
IMPLIES = "/v3/roles/{role:prior-inner}/implies"
WEB = "/v3/auth/OS-FEDERATION"
OLD = "/v2.0/users/{user:old}"
OLD_EC2 = "/v2.0/users/{walker}/credentials/OS-EC2"
OLD_ROLES = "/v2.0/tenants/{project}/users/{user:old}/roles"
GRANTED = "/v3/users/{me}/OS-OAUTH1/access_tokens"
SCENES: dict[str, Scene] = {
    "documents.versions": _at("/"),
    "documents.version": _at("/v3"),
    "auth.issue": _issue,
    "auth.show": lambda stage, version: Request("/v3/auth/tokens", headers=_told(stage), cut=_brief_catalog),
    "auth.revoke": lambda stage, version: Request("/v3/auth/tokens", headers=_told(stage, "going")),
    "auth.catalog": lambda stage, version: Request("/v3/auth/catalog", cut=_brief_catalog),
    "auth.projects": _walking("/v3/auth/projects"),
    "auth.domains": _walking("/v3/auth/domains"),
    "auth.system": _walking("/v3/auth/system"),
    "auth.pki": _at("/v3/auth/tokens/OS-PKI/revoked", refused=True),
    "auth.events": _events,
    "ec2.ec2tokens": _signed_ec2("/v3/ec2tokens"),
    "ec2.s3tokens": _signed_s3,
    "actions.create_user": _at("/v3/users", {"user": {"name": "fresh", "password": PASSWORD, "email": "new@example.org"}}),
    "users.index": _with("user", "/v3/users?name=sample&limit=1"),
    "users.show": _at(USER),
    "actions.update_user": _at("/v3/users/{user:changing}", {"user": {"name": "changed", "default_project_id": "{project}"}}),
    "actions.delete_user": _at("/v3/users/{user:going}"),
    "actions.change_password": _at("/v3/users/{user:changing}/password", {"user": {"original_password": PASSWORD, "password": "other"}}),
    "users.projects": _at("/v3/users/{walker}/projects"),
    "groups.of_user": _at("/v3/users/{joined}/groups"),
    "credentials.create_ec2": _at(EC2, {"tenant_id": "{project:walker}"}),
    "credentials.index_ec2": _at("/v3/users/{user}/credentials/OS-EC2"),
    "credentials.show_ec2": _at(EC2 + "/{ec2}"),
    "credentials.delete_ec2": _at(EC2 + "/{ec2:going}"),
    "credentials.create": _at("/v3/credentials", {"credential": {"type": "new", "blob": "new", "user_id": "{user:changing}"}}),
    "credentials.index": _with("credential", "/v3/credentials?user_id={user}&type=sample"),
    "credentials.show": _at("/v3/credentials/{credential}"),
    "credentials.update": _at("/v3/credentials/{credential:changing}", {"credential": {"blob": "changed", "user_id": "{user:changing}"}}),
    "credentials.delete": _at("/v3/credentials/{credential:going}"),
    "actions.create_group": _at("/v3/groups", {"group": {"name": "fresh", "color": "red"}}),
    "groups.index": _with("group", "/v3/groups?name=sample"),
    "groups.show": _at("/v3/groups/{group}"),
    "actions.update_group": _at("/v3/groups/{group:changing}", {"group": {"description": "changed"}}),
    "actions.delete_group": _at("/v3/groups/{group:going}"),
    "groups.members": _with("joined", "/v3/groups/{group}/users"),
    "actions.add": _at("/v3/groups/{group:changing}/users/{user}"),
    "groups.check": _at("/v3/groups/{group}/users/{joined}"),
    "groups.check.users": _at("/v3/groups/{group}/users/{joined}"),
    "actions.remove": _at("/v3/groups/{group}/users/{leaving}"),
    "projects.create": _at("/v3/projects", {"project": {"name": "fresh", "color": "red"}}),
    "projects.index": _with("project", "/v3/projects?name=sample"),
    "projects.show": _with("below", "/v3/projects/{project}?subtree_as_ids&parents_as_list"),
    "projects.update": _at("/v3/projects/{project:changing}", {"project": {"description": "changed"}}),
    "projects.delete": _at("/v3/projects/{project:going}"),
    "projects.tags": _at("/v3/projects/{project}/tags"),
    "projects.replace_tags": _at("/v3/projects/{project:changing}/tags", {"tags": ["two", "three"]}),
    "projects.has_tag": _at("/v3/projects/{project}/tags/one"),
    "projects.add_tag": _at("/v3/projects/{project:changing}/tags/four"),
    "projects.delete_tag": _at("/v3/projects/{project:changing}/tags/two"),
    "projects.delete_tags": _at("/v3/projects/{project:changing}/tags"),
    "domains.create": _at("/v3/domains", {"domain": {"name": "fresh", "color": "red"}}),
    "domains.index": _with("domain", "/v3/domains?name=sample"),
    "domains.show": _at("/v3/domains/{domain}"),
    "domains.update": _at("/v3/domains/{domain:changing}", {"domain": {"description": "changed"}}),
    "domains.delete": _disabled,
    "roles.create": _at("/v3/roles", {"role": {"name": "fresh", "color": "red"}}),
    "roles.index": _with("role", "/v3/roles?name=sample"),
    "roles.show": _at("/v3/roles/{role}"),
    "roles.update": _at("/v3/roles/{role:changing}", {"role": {"description": "changed"}}),
    "roles.delete": _at("/v3/roles/{role:going}"),
    "roles.implies": _with("implied:inner", IMPLIES),
    "roles.imply": _at("/v3/roles/{role:prior-new}/implies/{role:inner-new}"),
    "roles.show_implied": _at(IMPLIES + "/{implied:inner}"),
    "roles.check_implied": _at(IMPLIES + "/{implied:inner}"),
    "roles.imply_no_more": _at("/v3/roles/{role:prior-ending}/implies/{implied:ending}"),
    "roles.inferences": lambda stage, version: Request("/v3/role_inferences", cut=lambda answer: answer | {"role_inferences": [r for r in answer["role_inferences"] if r["prior_role"]["name"] == "prior-inner"]}),
    **_grants(),
    "assignments.index": _after("/v3/projects/{project}/users/{user}/roles/{role}", "/v3/role_assignments?user.id={user}&scope.project.id={project}&include_names"),
    "trusts.create": _at("/v3/OS-TRUST/trusts", {"trust": {"trustor_user_id": "{me}", "trustee_user_id": "{user:changing}", "project_id": "{mine}", "impersonation": False, "roles": [{"name": "member"}]}}),
    "trusts.index": _among("/v3/OS-TRUST/trusts?trustor_user_id={me}", "trusts", "trust"),
    "trusts.show": _at("/v3/OS-TRUST/trusts/{trust}"),
    "trusts.roles": _at("/v3/OS-TRUST/trusts/{trust}/roles"),
    "trusts.role": _at("/v3/OS-TRUST/trusts/{trust}/roles/{member}"),
    "trusts.delete": _at("/v3/OS-TRUST/trusts/{trust:going}"),
    "app_credentials.create": _at(APPS, {"application_credential": {"name": "fresh", "roles": [{"name": "reader"}], "access_rules": [{"service": "image", "method": "GET", "path": "/v2/images"}]}}),
    "app_credentials.index": _with("app", APPS + "?name=sample"),
    "app_credentials.show": _at(APPS + "/{app}"),
    "app_credentials.delete": _at(APPS + "/{app:going}"),
    "app_credentials.rules": _at("/v3/users/{me}/access_rules?path=/v2.1/sample"),
    "app_credentials.rule": _at("/v3/users/{me}/access_rules/{rule:ended}"),
    "app_credentials.delete_rule": _at("/v3/users/{me}/access_rules/{rule:unused}"),
    "limits.register": _at("/v3/registered_limits", {"registered_limits": [{"service_id": "{service}", "resource_name": "new", "default_limit": 3}]}),
    "limits.registered": _with("registered", "/v3/registered_limits?service_id={service}&resource_name=sample"),
    "limits.show_registered": _at("/v3/registered_limits/{registered}"),
    "limits.update_registered": _at("/v3/registered_limits/{registered:changing}", {"registered_limit": {"default_limit": 6}}),
    "limits.delete_registered": _at("/v3/registered_limits/{registered:going}"),
    "limits.limit_model": _at("/v3/limits/model"),
    "limits.create": _with("registered:limited", "/v3/limits", {"limits": [{"service_id": "{service}", "resource_name": "limited", "resource_limit": 2, "project_id": "{project}"}]}),
    "limits.index": _with("limit", "/v3/limits?service_id={service}&resource_name=sample"),
    "limits.show": _at("/v3/limits/{limit}"),
    "limits.update": _at("/v3/limits/{limit:changed}", {"limit": {"resource_limit": 1}}),
    "limits.delete": _at("/v3/limits/{limit:ending}"),
    "policies.create": _at("/v3/policies", {"policy": {"type": "new/type", "blob": "new", "color": "red"}}),
    "policies.index": _with("policy", "/v3/policies?type=sample/type"),
    "policies.show": _at("/v3/policies/{policy}"),
    "policies.update": _at("/v3/policies/{policy:changing}", {"policy": {"blob": "changed"}}),
    "policies.delete": _at("/v3/policies/{policy:going}"),
    "policies.endpoints": _after(f"{POLICY}/endpoints/{{endpoint}}", f"{POLICY}/endpoints"),
    "policies.put_for_endpoint": _at(f"{POLICY}/endpoints/{{endpoint}}"),
    "policies.has_for_endpoint": _after(f"{POLICY}/endpoints/{{endpoint}}", f"{POLICY}/endpoints/{{endpoint}}"),
    "policies.for_endpoint": _after(f"{POLICY}/endpoints/{{endpoint}}", "/v3/endpoints/{endpoint}/OS-ENDPOINT-POLICY/policy"),
    "policies.take_for_endpoint": _after(f"{POLICY}/endpoints/{{endpoint}}", f"{POLICY}/endpoints/{{endpoint}}"),
    "policies.put_for_service": _at(f"{POLICY}/services/{{service}}"),
    "policies.has_for_service": _after(f"{POLICY}/services/{{service}}", f"{POLICY}/services/{{service}}"),
    "policies.take_for_service": _after(f"{POLICY}/services/{{service}}", f"{POLICY}/services/{{service}}"),
    "policies.put_for_region": _at(f"{POLICY}/services/{{service}}/regions/{{region}}"),
    "policies.has_for_region": _after(f"{POLICY}/services/{{service}}/regions/{{region}}", f"{POLICY}/services/{{service}}/regions/{{region}}"),
    "policies.take_for_region": _after(f"{POLICY}/services/{{service}}/regions/{{region}}", f"{POLICY}/services/{{service}}/regions/{{region}}"),
    "endpoint_groups.create": _at(f"{FILTER}/endpoint_groups", {"endpoint_group": {"name": "fresh", "filters": {"interface": "public"}, "description": "d"}}),
    "endpoint_groups.index": _with("endpoint_group", f"{FILTER}/endpoint_groups?name=sample"),
    "endpoint_groups.show": _at(EP_GROUP),
    "endpoint_groups.update": _at(f"{FILTER}/endpoint_groups/{{endpoint_group:changing}}", {"endpoint_group": {"name": "changed"}}),
    "endpoint_groups.delete": _at(f"{FILTER}/endpoint_groups/{{endpoint_group:going}}"),
    "endpoint_groups.endpoints_of": _with("endpoint", f"{EP_GROUP}/endpoints"),
    "endpoint_groups.projects_of": _after(f"{EP_GROUP}/projects/{{project}}", f"{EP_GROUP}/projects"),
    "endpoint_groups.give": _at(f"{EP_GROUP}/projects/{{project}}"),
    "endpoint_groups.is_given": _after(f"{EP_GROUP}/projects/{{project}}", f"{EP_GROUP}/projects/{{project}}"),
    "endpoint_groups.of_project": _after(f"{EP_GROUP}/projects/{{project}}", f"{FILTER}/projects/{{project}}/endpoint_groups"),
    "endpoint_groups.take": _after(f"{EP_GROUP}/projects/{{project}}", f"{EP_GROUP}/projects/{{project}}"),
    "endpoint_groups.add": _at(f"{FILTER}/projects/{{project}}/endpoints/{{endpoint}}"),
    "endpoint_groups.endpoints_for": _after(f"{FILTER}/projects/{{project}}/endpoints/{{endpoint}}", f"{FILTER}/projects/{{project}}/endpoints"),
    "endpoint_groups.check": _after(f"{FILTER}/projects/{{project}}/endpoints/{{endpoint}}", f"{FILTER}/projects/{{project}}/endpoints/{{endpoint}}"),
    "endpoint_groups.projects_for": _after(f"{FILTER}/projects/{{project}}/endpoints/{{endpoint}}", f"{FILTER}/endpoints/{{endpoint}}/projects"),
    "endpoint_groups.remove": _after(f"{FILTER}/projects/{{project}}/endpoints/{{endpoint}}", f"{FILTER}/projects/{{project}}/endpoints/{{endpoint}}"),
    "domain_config.create": _at("/v3/domains/{domain:new-config}/config", {"config": {"ldap": {"url": "ldap://localhost"}}}),
    "domain_config.show": _at(CONFIG),
    "domain_config.show.config": _at(f"{CONFIG}/ldap"),
    "domain_config.show.config.get": _at(f"{CONFIG}/ldap/url"),
    "domain_config.update": _at(CONFIG, {"config": {"ldap": {"url": "ldap://other"}}}),
    "domain_config.update_group": _at(f"{CONFIG}/ldap", {"config": {"ldap": {"user_tree_dn": "ou=People"}}}),
    "domain_config.update_option": _at(f"{CONFIG}/ldap/url", {"config": {"url": "ldap://third"}}),
    "domain_config.delete.config.delete": _at("/v3/domains/{configured:ending-option}/config/ldap/url"),
    "domain_config.delete.config": _at("/v3/domains/{configured:ending-group}/config/ldap"),
    "domain_config.delete": _at("/v3/domains/{configured:ending}/config"),
    "domain_config.defaults": _at("/v3/domains/config/default"),
    "domain_config.defaults.default": _at("/v3/domains/config/identity/default"),
    "domain_config.defaults.default.get": _at("/v3/domains/config/identity/driver/default"),
    "catalog.create_region": _at("/v3/regions", {"region": {"id": "fresh", "color": "red"}}),
    "catalog.put_region": _at("/v3/regions/put", {"region": {"description": "put"}}),
    "catalog.index_regions": _with("inner_region", "/v3/regions?parent_region_id=sample"),
    "catalog.show_region": _at("/v3/regions/{region}"),
    "catalog.update_region": _at("/v3/regions/{region:changing}", {"region": {"description": "changed"}}),
    "catalog.delete_region": _at("/v3/regions/{region:going}"),
    "catalog.create_service": _at("/v3/services", {"service": {"type": "fresh-type", "color": "red"}}),
    "catalog.index_services": _with("service", "/v3/services?name=sample"),
    "catalog.show_service": _at("/v3/services/{service}"),
    "catalog.update_service": _at("/v3/services/{service:changing}", {"service": {"description": "changed"}}),
    "catalog.delete_service": _at("/v3/services/{service:going}"),
    "catalog.create_endpoint": _at("/v3/endpoints", {"endpoint": {"service_id": "{service:changing}", "interface": "public", "url": ELSEWHERE, "color": "red"}}),
    "catalog.index_endpoints": _with("endpoint", "/v3/endpoints?service_id={service}"),
    "catalog.show_endpoint": _at("/v3/endpoints/{endpoint}"),
    "catalog.update_endpoint": _at("/v3/endpoints/{endpoint:changing}", {"endpoint": {"url": ELSEWHERE + "/changed", "service_id": "{service:changing}"}}),
    "catalog.delete_endpoint": _at("/v3/endpoints/{endpoint:going}"),
    "providers.providers": _with("idp", f"{FED}/identity_providers?id=sample"),
    "providers.create_provider": _at(f"{FED}/identity_providers/fresh", {"identity_provider": {"enabled": True, "remote_ids": ["fresh-remote"]}}),
    "providers.show_provider": _at(IDP),
    "providers.update_provider": _at(f"{FED}/identity_providers/{{idp:changing}}", {"identity_provider": {"description": "changed"}}),
    "providers.delete_provider": _at(f"{FED}/identity_providers/{{idp:going}}"),
    "providers.protocols": _with("protocol", f"{IDP}/protocols"),
    "providers.create_protocol": _at(f"{FED}/identity_providers/{{idp:changing}}/protocols/fresh", {"protocol": {"mapping_id": "{mapping}"}}),
    "providers.show_protocol": _at(f"{IDP}/protocols/{{protocol}}"),
    "providers.update_protocol": _at(f"{FED}/identity_providers/{{idp:changing}}/protocols/fresh", {"protocol": {"mapping_id": "{mapping:other}"}}),
    "providers.delete_protocol": _at(f"{FED}/identity_providers/{{idp:changing}}/protocols/fresh"),
    "providers.mappings": _among(f"{FED}/mappings", "mappings", "mapping"),
    "providers.create_mapping": _at(f"{FED}/mappings/fresh", {"mapping": {"rules": RULES}}),
    "providers.show_mapping": _at(f"{FED}/mappings/{{mapping}}"),
    "providers.update_mapping": _at(f"{FED}/mappings/{{mapping:changing}}", {"mapping": {"rules": RULES}}),
    "providers.delete_mapping": _at(f"{FED}/mappings/{{mapping:going}}"),
    "providers.service_providers": _with("sp", f"{FED}/service_providers?id=sample"),
    "providers.create_service_provider": _at(f"{FED}/service_providers/fresh", {"service_provider": {"auth_url": ELSEWHERE, "sp_url": ELSEWHERE, "enabled": False}}),
    "providers.show_service_provider": _at(f"{FED}/service_providers/{{sp}}"),
    "providers.update_service_provider": _at(f"{FED}/service_providers/{{sp:changing}}", {"service_provider": {"description": "changed"}}),
    "providers.delete_service_provider": _at(f"{FED}/service_providers/{{sp:going}}"),
    "auth.projects.projects": _walking(f"{FED}/projects"),
    "auth.domains.domains": _walking(f"{FED}/domains"),
    "websso.authenticate": _at(f"{IDP}/protocols/{{protocol}}/auth", refused=True),
    "websso.authenticate.auth": _at(f"{IDP}/protocols/{{protocol}}/auth", refused=True),
    "saml_login.consume": _at(f"{IDP}/protocols/{{protocol}}/saml2/acs", refused=True),
    "saml_login.own_metadata": _at(f"{IDP}/protocols/{{protocol}}/saml2/metadata", refused=True),
    "saml_login.issuer_metadata": _at(f"{FED}/saml2/metadata"),
    "saml_login.assertion": _at(f"{WEB}/saml2", ASSERTION, refused=True),
    "saml_login.enveloped_assertion": _at(f"{WEB}/saml2/ecp", ASSERTION, refused=True),
    "websso.websso": _at(f"{WEB}/websso/none?origin={ELSEWHERE}", refused=True),
    "websso.websso.websso": _at(f"{WEB}/websso/none?origin={ELSEWHERE}", refused=True),
    "websso.websso_by": _at(f"{WEB}/identity_providers/{{idp}}/protocols/{{protocol}}/websso?origin={ELSEWHERE}", refused=True),
    "websso.websso_by.websso": _at(f"{WEB}/identity_providers/{{idp}}/protocols/{{protocol}}/websso?origin={ELSEWHERE}", refused=True),
    "federated_login.callback": _at(f"{WEB}/oidc/callback?state=none&code=none", refused=True),
    "oauth1.create_consumer": _at("/v3/OS-OAUTH1/consumers", {"consumer": {"description": "new"}}),
    "oauth1.consumers": _among("/v3/OS-OAUTH1/consumers", "consumers", "consumer"),
    "oauth1.show_consumer": _at("/v3/OS-OAUTH1/consumers/{consumer}"),
    "oauth1.update_consumer": _at("/v3/OS-OAUTH1/consumers/{consumer:changing}", {"consumer": {"description": "changed"}}),
    "oauth1.delete_consumer": _at("/v3/OS-OAUTH1/consumers/{consumer:going}"),
    "oauth1.request_token": _request,
    "oauth1.authorize": _at("/v3/OS-OAUTH1/authorize/{request:given}", {"roles": [{"id": "{member}"}]}),
    "oauth1.access_token": _exchange,
    "oauth1.list_access": _among(GRANTED, "access_tokens", "access"),
    "oauth1.show_access": _at(GRANTED + "/{access}"),
    "oauth1.list_roles": _at(GRANTED + "/{access}/roles"),
    "oauth1.show_role": _at(GRANTED + "/{access}/roles/{member}"),
    "oauth1.delete_access": _at(GRANTED + "/{access:going}"),
    "oauth2.token": _oauth2,
    "documents.version.v2.0": _at("/v2.0"),
    "documents.extensions": _at("/v2.0/extensions"),
    "documents.extension": _at("/v2.0/extensions/OS-EC2"),
    "tokens.issue": lambda stage, version: Request("/v2.0/tokens", {"auth": {"passwordCredentials": {"username": "walker", "password": PASSWORD}, "tenantName": "walker"}}, cut=_brief_catalog),
    "tokens.show": _at("/v2.0/tokens/{token:old}", cut=_brief_catalog),
    "tokens.endpoints": _at("/v2.0/tokens/{token:old}/endpoints", cut=lambda answer: answer | {"endpoints": [e for e in answer["endpoints"] if e["type"] == "identity"]}),
    "tokens.revoke": _at("/v2.0/tokens/{token:old-going}"),
    "tokens.change_password": _own_password,
    "tenants.index": _walking("/v2.0/tenants"),
    "tenants.create": _at("/v2.0/tenants", {"tenant": {"name": "fresh-old", "color": "red"}}),
    "tenants.found": _at("/v2.0/tenants/{project}"),
    "tenants.update": _at("/v2.0/tenants/{project:changing}", {"tenant": {"description": "changed"}}),
    "tenants.update.tenants": _at("/v2.0/tenants/{project:changing}", {"tenant": {"description": "changed again"}}),
    "tenants.delete": _at("/v2.0/tenants/{project:old-going}"),
    "tenants.members": _at("/v2.0/tenants/{project:walker}/users", cut=lambda answer: answer | {"users": [u for u in answer["users"] if u["name"] == "walker"]}),
    "users.grant": _at(OLD_ROLES + "/OS-KSADM/{role}"),
    "users.granted": _after(OLD_ROLES + "/OS-KSADM/{role}", OLD_ROLES),
    "users.take": _after(OLD_ROLES + "/OS-KSADM/{role}", OLD_ROLES + "/OS-KSADM/{role}"),
    "users.index.users": _among("/v2.0/users", "users", "user"),
    "users.create": _at("/v2.0/users", {"user": {"name": "fresh-old", "password": PASSWORD, "email": "new@example.org", "tenantId": "{project:changing}"}}),
    "users.found": _at(OLD),
    "users.update": _at(OLD, {"user": {"email": "changed@example.org"}}),
    "users.update.password": _at(OLD + "/OS-KSADM/password", {"user": {"password": "second"}}),
    "users.update.enabled": _at(OLD + "/OS-KSADM/enabled", {"user": {"enabled": False}}),
    "users.update.tenant": _at(OLD + "/OS-KSADM/tenant", {"user": {"tenantId": "{project:changing}"}}),
    "users.update.password.put": _at(OLD + "/password", {"user": {"password": "third"}}),
    "users.update.enabled.put": _at(OLD + "/enabled", {"user": {"enabled": True}}),
    "users.update.tenant.put": _at(OLD + "/tenant", {"user": {"tenantId": "{project:changing}"}}),
    "users.delete": _at("/v2.0/users/{user:old-going}"),
    "users.no_tenant": _at(OLD + "/roles", refused=True),
    "users.no_tenant.OS-KSADM": _at(OLD + "/roles/OS-KSADM/{role}", refused=True),
    "users.no_tenant.OS-KSADM.delete": _at(OLD + "/roles/OS-KSADM/{role}", refused=True),
    "users.references": _at("/v2.0/users/{walker}/roleRefs"),
    "users.unrefer": _reference,
    "credentials.create.OS-EC2": _at(OLD_EC2, {"tenant_id": "{project:walker}"}),
    "credentials.index.OS-EC2": _at("/v2.0/users/{user}/credentials/OS-EC2"),
    "credentials.show.OS-EC2": _at(OLD_EC2 + "/{ec2}"),
    "credentials.delete.OS-EC2": _at(OLD_EC2 + "/{ec2:old-going}"),
    "credentials.exchange": _signed_ec2("/v2.0/ec2tokens"),
    "roles.index.roles": _among("/v2.0/OS-KSADM/roles", "roles", "role"),
    "roles.create.roles": _at("/v2.0/OS-KSADM/roles", {"role": {"name": "fresh-old", "color": "red"}}),
    "roles.show.roles": _at("/v2.0/OS-KSADM/roles/{role}"),
    "roles.delete.roles": _at("/v2.0/OS-KSADM/roles/{role:old-going}"),
    "catalog.services": _among("/v2.0/OS-KSADM/services", "OS-KSADM:services", "service"),
    "catalog.create_service.services": _at("/v2.0/OS-KSADM/services", {"OS-KSADM:service": {"name": "fresh-old", "type": "fresh-old-type", "description": "a service"}}),
    "catalog.service": _at("/v2.0/OS-KSADM/services/{service}"),
    "catalog.delete_service.services": _at("/v2.0/OS-KSADM/services/{service:old-going}"),
    "catalog.endpoints": _among("/v2.0/endpoints", "endpoints", "old_endpoint"),
    "catalog.create_endpoint.endpoints": _at("/v2.0/endpoints", {"endpoint": {"service_id": "{old_service:new}", "publicurl": ELSEWHERE, "internalurl": ELSEWHERE + "/internal", "region": "{region}"}}),
    "catalog.delete_endpoint.endpoints": _at("/v2.0/endpoints/{old_endpoint:going}"),
}
# fmt: on
