# SPDX-License-Identifier: Apache-2.0
"""One walk through the whole Identity API, for a real Keystone and for ours: makes one of every noun, then reads every way to them.
`walk(ask, password)` gives what was answered; `ask(method, path, body, token)` gives (status, headers, JSON)."""

DOMAIN = {"id": "default"}


def by_password(user, password, project):
    way = {"methods": ["password"], "password": {"user": user | {"password": password}}}
    return {"auth": {"identity": way, "scope": {"project": project}}}


class Walk:
    def __init__(self, ask, token):
        self.ask, self.token, self.seen = ask, token, []

    def __call__(self, method, path, body=None, token=None):
        status, _, answer = self.ask(method, path, body, token or self.token)
        self.seen.append({"method": method, "path": path, "status": status, "body": answer})
        if method != "GET" and status >= 300:
            raise SystemExit(f"{method} {path}: {status} {answer}")
        return answer or {}

    def make(self, path, key, **fields):
        return self("POST", path, {key: fields})[key]["id"]


def grants(w, m):
    for role in ("role", "other"):
        m[role] = w.make("/v3/roles", "role", name=role, description="x")
    m["domains_role"] = w.make("/v3/roles", "role", name="its", domain_id=m["domain"])
    w("PUT", f"/v3/roles/{m['role']}/implies/{m['other']}")
    for target in (f"projects/{m['project']}", f"domains/{m['domain']}", "system"):
        for who in (f"users/{m['user']}", f"groups/{m['group']}"):
            w("PUT", f"/v3/{target}/{who}/roles/{m['role']}")
            if target != "system":
                w("PUT", f"/v3/OS-INHERIT/{target}/{who}/roles/{m['role']}/inherited_to_projects")


def catalogue(w, m):
    m["region"] = w.make("/v3/regions", "region", id="walked", description="x")
    m["service"] = w.make("/v3/services", "service", name="s", type="x", description="y")
    m["endpoint"] = w.make(
        "/v3/endpoints",
        "endpoint",
        service_id=m["service"],
        interface="public",
        url="http://x/$(project_id)s",
        region_id=m["region"],
    )
    m["policy"] = w.make("/v3/policies", "policy", type="application/json", blob="{}")
    for use in (
        f"endpoints/{m['endpoint']}",
        f"services/{m['service']}",
        f"services/{m['service']}/regions/{m['region']}",
    ):
        w("PUT", f"/v3/policies/{m['policy']}/OS-ENDPOINT-POLICY/{use}")
    m["endpoint_group"] = w.make(
        "/v3/OS-EP-FILTER/endpoint_groups",
        "endpoint_group",
        name="eg",
        description="x",
        filters={"service_id": m["service"]},
    )
    w("PUT", f"/v3/OS-EP-FILTER/endpoint_groups/{m['endpoint_group']}/projects/{m['project']}")
    w("PUT", f"/v3/OS-EP-FILTER/projects/{m['project']}/endpoints/{m['endpoint']}")
    about = {"service_id": m["service"], "region_id": m["region"], "resource_name": "thing"}
    m["registered"] = w("POST", "/v3/registered_limits", {"registered_limits": [about | {"default_limit": 5}]})[
        "registered_limits"
    ][0]["id"]
    m["limit"] = w("POST", "/v3/limits", {"limits": [about | {"resource_limit": 4, "project_id": m["project"]}]})[
        "limits"
    ][0]["id"]


def delegated(w, m, token):
    m["credential"] = w.make(
        "/v3/credentials", "credential", type="cert", blob="x", user_id=m["user"], project_id=m["project"]
    )
    m["access"] = w("POST", f"/v3/users/{m['user']}/credentials/OS-EC2", {"tenant_id": m["project"]})["credential"][
        "access"
    ]
    rules = [{"service": "compute", "method": "GET", "path": "/v2.1/servers"}]
    wanted = {"application_credential": {"name": "ac", "description": "x", "access_rules": rules}}
    made = w("POST", f"/v3/users/{m['user']}/application_credentials", wanted, token)["application_credential"]
    m["app"], m["rule"] = made["id"], made["access_rules"][0]["id"]
    trust = {
        "trustor_user_id": m["user"],
        "trustee_user_id": m["admin"],
        "project_id": m["project"],
        "impersonation": True,
        "roles": [{"id": m["role"]}],
    }
    m["trust"] = w("POST", "/v3/OS-TRUST/trusts", {"trust": trust}, token)["trust"]["id"]
    m["consumer"] = w.make("/v3/OS-OAUTH1/consumers", "consumer", description="x")


def elsewhere(w, m):
    fed = "/v3/OS-FEDERATION"
    w(
        "PUT",
        f"{fed}/mappings/m",
        {"mapping": {"rules": [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "x"}]}]}},
    )
    w("PUT", f"{fed}/identity_providers/i", {"identity_provider": {"enabled": True, "remote_ids": ["r"]}})
    w("PUT", f"{fed}/identity_providers/i/protocols/p", {"protocol": {"mapping_id": "m"}})
    w(
        "PUT",
        f"{fed}/service_providers/s",
        {"service_provider": {"auth_url": "http://x/a", "sp_url": "http://x/b", "enabled": True}},
    )
    w(
        "PUT",
        f"/v3/domains/{m['domain']}/config",
        {"config": {"ldap": {"url": "ldap://127.0.0.1:1", "suffix": "dc=x", "password": "y"}}},
    )


READS = """
/v3 /v3/auth/tokens /v3/auth/catalog /v3/auth/projects /v3/auth/domains /v3/auth/system /v3/auth/tokens/OS-PKI/revoked /v3/OS-REVOKE/events
/v3/domains /v3/domains/{domain} /v3/projects?domain_id={domain} /v3/projects/{project} /v3/projects/{below}?parents_as_list
/v3/projects/{project}?subtree_as_list /v3/projects/{below}?parents_as_ids /v3/projects/{project}?subtree_as_ids /v3/projects/{project}/tags
/v3/users?domain_id={domain} /v3/users/{user} /v3/users/{user}/groups /v3/users/{user}/projects /v3/groups /v3/groups/{group} /v3/groups/{group}/users
/v3/roles /v3/roles/{role} /v3/roles/{domains_role} /v3/roles/{role}/implies /v3/roles/{role}/implies/{other} /v3/role_inferences
/v3/role_assignments?user.id={user} /v3/role_assignments?user.id={user}&effective /v3/role_assignments?user.id={user}&include_names
/v3/projects/{project}/users/{user}/roles /v3/projects/{project}/groups/{group}/roles /v3/domains/{domain}/users/{user}/roles
/v3/domains/{domain}/groups/{group}/roles /v3/system/users/{user}/roles /v3/system/groups/{group}/roles
/v3/OS-INHERIT/domains/{domain}/users/{user}/roles/inherited_to_projects /v3/OS-INHERIT/domains/{domain}/groups/{group}/roles/inherited_to_projects
/v3/regions /v3/regions/{region} /v3/services /v3/services/{service} /v3/endpoints /v3/endpoints/{endpoint} /v3/policies /v3/policies/{policy}
/v3/endpoints/{endpoint}/OS-ENDPOINT-POLICY/policy /v3/policies/{policy}/OS-ENDPOINT-POLICY/endpoints
/v3/OS-EP-FILTER/endpoint_groups /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group} /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group}/projects
/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group}/endpoints /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group}/projects/{project}
/v3/OS-EP-FILTER/projects/{project}/endpoints /v3/OS-EP-FILTER/projects/{project}/endpoint_groups /v3/OS-EP-FILTER/endpoints/{endpoint}/projects
/v3/credentials /v3/credentials/{credential} /v3/users/{user}/credentials/OS-EC2 /v3/users/{user}/credentials/OS-EC2/{access}
/v3/registered_limits /v3/registered_limits/{registered} /v3/limits /v3/limits/{limit} /v3/limits/model
/v3/domains/{domain}/config /v3/domains/{domain}/config/ldap /v3/domains/{domain}/config/ldap/url /v3/domains/config/default
/v3/domains/config/ldap/default /v3/domains/config/ldap/url/default /v3/domains/{domain}/config/security_compliance
/v3/domains/default/config/security_compliance /v3/domains/default/config/security_compliance/password_regex
/v3/users/{user}/application_credentials /v3/users/{user}/application_credentials/{app} /v3/users/{user}/access_rules
/v3/users/{user}/access_rules/{rule} /v3/OS-OAUTH1/consumers /v3/OS-OAUTH1/consumers/{consumer} /v3/users/{user}/OS-OAUTH1/access_tokens
/v3/OS-FEDERATION/mappings /v3/OS-FEDERATION/mappings/m /v3/OS-FEDERATION/identity_providers /v3/OS-FEDERATION/identity_providers/i
/v3/OS-FEDERATION/identity_providers/i/protocols /v3/OS-FEDERATION/identity_providers/i/protocols/p /v3/OS-FEDERATION/service_providers
/v3/OS-FEDERATION/service_providers/s /v3/OS-FEDERATION/projects /v3/OS-FEDERATION/domains
"""
OWN = "/v3/OS-TRUST/trusts?trustor_user_id={user} /v3/OS-TRUST/trusts/{trust} /v3/OS-TRUST/trusts/{trust}/roles /v3/OS-TRUST/trusts/{trust}/roles/{role}"


def walk(ask, password):
    first = by_password({"name": "admin", "domain": DOMAIN}, password, {"name": "admin", "domain": DOMAIN})
    _, headers, answer = ask("POST", "/v3/auth/tokens", first, None)
    w, m = Walk(ask, headers["X-Subject-Token"]), {"admin": answer["token"]["user"]["id"]}
    m["domain"] = w.make("/v3/domains", "domain", name="d", description="x")
    m["project"] = w.make("/v3/projects", "project", name="p", domain_id=m["domain"], description="x", tags=["a", "b"])
    m["below"] = w.make("/v3/projects", "project", name="below", domain_id=m["domain"], parent_id=m["project"])
    options = {"ignore_password_expiry": True}
    m["user"] = w.make(
        "/v3/users",
        "user",
        name="u",
        domain_id=m["domain"],
        password="pw",
        email="e@x",
        default_project_id=m["project"],
        options=options,
    )
    m["group"] = w.make("/v3/groups", "group", name="g", domain_id=m["domain"], description="x")
    w("PUT", f"/v3/groups/{m['group']}/users/{m['user']}")
    grants(w, m)
    catalogue(w, m)
    _, headers, _ = ask("POST", "/v3/auth/tokens", by_password({"id": m["user"]}, "pw", {"id": m["project"]}), None)
    token = headers["X-Subject-Token"]
    delegated(w, m, token)
    elsewhere(w, m)
    for path in READS.split():
        w("GET", path.format(**m))
    for path in OWN.split():
        w("GET", path.format(**m), None, token)
    return w.seen
