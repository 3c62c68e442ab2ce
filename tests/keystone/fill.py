# SPDX-License-Identifier: Apache-2.0
"""Runs inside a real Keystone (its own venv), not in ours: makes a database and fills it through Keystone's own API.
`python fill.py FOLDER [URL]`: FOLDER gets keystone.conf and, without a database URL, keystone.db."""

import json
import sys
from pathlib import Path

from real import start

folder = Path(sys.argv[1])
client = start(folder, sys.argv[2] if len(sys.argv) > 2 else f"sqlite:///{folder}/keystone.db")


def ask(method, path, body=None, token=None):
    headers = {"Content-Type": "application/json"} | ({"X-Auth-Token": token} if token else {})
    got = client.open(
        path,
        method=method,
        data=json.dumps(body) if body is not None else None,
        headers=headers,
        base_url="http://old:5000",
    )
    if got.status_code >= 300:
        raise SystemExit(f"{method} {path}: {got.status} {got.get_data(as_text=True)}")
    return got


def log_in(user, password, scope):
    identity = {
        "methods": ["password"],
        "password": {"user": {"name": user, "domain": {"id": "default"}, "password": password}},
    }
    return ask("POST", "/v3/auth/tokens", {"auth": {"identity": identity, "scope": scope}}).headers["X-Subject-Token"]


token = log_in("admin", "adminpw", {"project": {"name": "admin", "domain": {"id": "default"}}})


def make(noun, **body):
    return json.loads(ask("POST", f"/v3/{noun}s", {noun: body}, token).get_data())[noun]


def put(path):
    ask("PUT", path, None, token)


corp = make("domain", name="corp", description="The firm")
parent = make("project", name="research", domain_id=corp["id"], description="d", tags=["blue", "green"])
child = make("project", name="lab", domain_id=corp["id"], parent_id=parent["id"], cost="7")
off = make("project", name="closed", domain_id="default", enabled=False)
users = {}
for name, domain, more in (
    ("anna", corp["id"], {"email": "anna@corp"}),
    ("bert", corp["id"], {"enabled": False}),
    ("carla", "default", {"default_project_id": child["id"], "options": {"ignore_password_expiry": True}}),
    ("nopw", "default", {}),
):
    body = {"name": name, "domain_id": domain} | more
    users[name] = make("user", **(body if name == "nopw" else body | {"password": f"{name}-secret"}))
ask("PATCH", f"/v3/users/{users['anna']['id']}", {"user": {"password": "anna-second"}}, token)
from keystone.conf import CONF  # noqa: E402

for kind in ("scrypt", "pbkdf2_sha512"):
    CONF.set_override("password_hash_algorithm", kind, group="identity")
    CONF.set_override("password_hash_rounds", {"scrypt": 8, "pbkdf2_sha512": 1000}[kind], group="identity")
    users[kind] = make("user", name=kind, domain_id="default", password=f"{kind}-secret")
role = make("role", name="cook", description="cooks")
own = make("role", name="chief", domain_id=corp["id"])
roles = {r["name"]: r["id"] for r in json.loads(ask("GET", "/v3/roles", None, token).get_data())["roles"]}
put(f"/v3/roles/{role['id']}/implies/{roles['reader']}")
group = make("group", name="team", domain_id=corp["id"], description="t")
put(f"/v3/groups/{group['id']}/users/{users['anna']['id']}")
put(f"/v3/projects/{parent['id']}/users/{users['anna']['id']}/roles/{roles['member']}")
put(f"/v3/projects/{child['id']}/groups/{group['id']}/roles/{role['id']}")
put(f"/v3/domains/{corp['id']}/users/{users['anna']['id']}/roles/{own['id']}")
put(f"/v3/OS-INHERIT/domains/{corp['id']}/groups/{group['id']}/roles/{roles['reader']}/inherited_to_projects")
put(f"/v3/projects/{child['id']}/users/{users['carla']['id']}/roles/{roles['member']}")
for kind in ("scrypt", "pbkdf2_sha512"):
    put(f"/v3/projects/{parent['id']}/users/{users[kind]['id']}/roles/{roles['member']}")
put(f"/v3/system/users/{users['carla']['id']}/roles/{roles['reader']}")
put(f"/v3/system/groups/{group['id']}/roles/{roles['reader']}")
region = make("region", id="Two", parent_region_id="RegionOne", description="second")
service = make("service", type="dns", name="designate", description="names")
make("endpoint", service_id=service["id"], interface="public", url="http://old:9001/$(project_id)s", region_id="Two")
compute = make("service", type="compute", name="nova")
make("endpoint", service_id=compute["id"], interface="public", url="http://old:8774/v2.1", region_id="RegionOne")
