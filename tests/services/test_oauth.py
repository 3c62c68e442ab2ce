# SPDX-License-Identifier: Apache-2.0
"""OAuth 2 client credentials and OAuth 1 consumers."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qsl

from oauthlib.oauth1 import Client

from sim_cloud import BASE, SimCloud, Tenant


def credential(t: Tenant, **more: Any) -> dict[str, Any]:
    body = {"application_credential": {"name": "robot"} | more}
    return dict(t.post(f"/identity/v3/users/{t.user}/application_credentials", body, 201)["application_credential"])


def ask(sim: SimCloud, id: str, secret: str, data: str = "grant_type=client_credentials", **headers: str) -> Any:
    basic = base64.b64encode(f"{id}:{secret}".encode()).decode()
    sent = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Basic {basic}"} | headers
    return sim.http.post("/identity/v3/OS-OAUTH2/token", content=data, headers=sent)


def test_client_credentials(sim: SimCloud) -> None:
    t = sim.tenant("olga")
    robot = credential(t)
    got = ask(sim, robot["id"], robot["secret"])
    assert got.status_code == 200 and got.headers["cache-control"] == "no-store", got.text
    body = got.json()
    assert (
        set(body) == {"access_token", "expires_in", "token_type"}
        and body["token_type"] == "Bearer"
        and 0 < body["expires_in"] <= 3600
    )
    made = Tenant(sim.http, body["access_token"])
    made.get("/compute/v2.1/servers", 200)
    assert (
        made.ask(
            "POST", f"/identity/v3/users/{t.user}/application_credentials", {"application_credential": {"name": "more"}}
        ).code
        == 403
    )
    t.delete(f"/identity/v3/users/{t.user}/application_credentials/{robot['id']}", 204)
    assert made.ask("GET", "/compute/v2.1/servers").code == 401


def test_client_credentials_refused(sim: SimCloud) -> None:
    robot = credential(sim.tenant("oleg"))
    for id, secret in (
        (robot["id"], "wrong"),
        ("nobody", robot["secret"]),
        (sim.admin.user, "admin"),
        ("x" * 500, "y" * 9000),
    ):
        got = ask(sim, id, secret)
        assert (
            got.status_code == 401
            and got.json()["error"] == "invalid_client"
            and "Keystone uri" in got.headers["www-authenticate"]
        )
    for header in (
        "",
        "Bearer x",
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"\xff\xfe").decode(),
        "Basic " + base64.b64encode(b"nocolon").decode(),
    ):
        assert ask(sim, "x", "y", Authorization=header).status_code == 401, header
    assert ask(sim, robot["id"], robot["secret"], "").json()["error"] == "invalid_request"
    assert ask(sim, robot["id"], robot["secret"], "grant_type=password").json()["error"] == "unsupported_grant_type"
    assert ask(sim, robot["id"], robot["secret"], "grant_type=client_credentials&" * 200).status_code in {400, 401}
    assert ask(sim, robot["id"], robot["secret"], "\x00\xff").status_code == 400


# -- OAuth 1 -------------------------------------------------------------------------------------------------------

O1 = "/identity/v3/OS-OAUTH1"


def sign(
    sim: SimCloud,
    path: str,
    key: str,
    secret: str,
    token: str = "",
    token_secret: str = "",
    body: Any = None,
    **more: Any,
) -> Any:
    """A request as oauthlib's client signs it."""
    headers = more.pop("headers", {})
    client = Client(
        key, client_secret=secret, resource_owner_key=token or None, resource_owner_secret=token_secret or None, **more
    )
    _, signed, _ = client.sign(BASE + path, http_method="POST")
    return (
        sim.http.post(path, json=body, headers=signed | headers)
        if body
        else sim.http.post(path, headers=signed | headers)
    )


def test_a_consumer_gets_what_a_user_grants_and_no_more(sim: SimCloud) -> None:
    a = sim.admin
    made = a.post(f"{O1}/consumers", {"consumer": {"description": "d"}}, 201)["consumer"]
    key, secret = made["id"], made["secret"]
    assert (
        "secret" not in a.get(f"{O1}/consumers/{key}")["consumer"] and len(a.get(f"{O1}/consumers")["consumers"]) == 1
    )
    wanted = {"Requested-Project-Id": a.project}
    got = sign(sim, f"{O1}/request_token", key, secret, headers=wanted, callback_uri="oob")
    assert got.status_code == 201 and got.headers["content-type"] == "application/x-www-form-urlencoded", got.text
    request = dict(parse_qsl(got.text))
    assert sign(sim, f"{O1}/request_token", key, "wrong", headers=wanted).status_code == 401
    assert sign(sim, f"{O1}/request_token", "nobody", secret, headers=wanted).status_code == 401
    assert sign(sim, f"{O1}/request_token", key, secret).status_code == 400
    plain = sign(
        sim, f"{O1}/request_token", key, secret, headers=wanted, signature_method="PLAINTEXT", callback_uri="oob"
    )
    assert plain.status_code == 201 and ":" in plain.text, "times are as they are, not escaped"
    assert (
        sign(sim, f"{O1}/request_token", key, "wrong", headers=wanted, signature_method="PLAINTEXT").status_code == 401
    )
    assert sim.http.post(f"{O1}/request_token", headers=wanted).status_code == 400
    token, token_secret = request["oauth_token"], request["oauth_token_secret"]
    assert sign(sim, f"{O1}/access_token", key, secret, token, token_secret, verifier="00000000").status_code == 401, (
        "not granted yet"
    )
    member = a.get("/identity/v3/roles?name=member")["roles"][0]["id"]
    other = a.post("/identity/v3/roles", {"role": {"name": "cook"}})["role"]["id"]
    assert a.ask("PUT", f"{O1}/authorize/{token}", {"roles": [{"id": other}]}).code == 401, (
        "a role that one does not have"
    )
    verifier = a.put(f"{O1}/authorize/{token}", {"roles": [{"id": member}]}, 200)["token"]["oauth_verifier"]
    assert a.ask("PUT", f"{O1}/authorize/{token}", {"roles": [{"id": member}]}).code == 403
    assert sign(sim, f"{O1}/access_token", key, secret, token, token_secret, verifier="00000000").status_code == 401
    access = dict(parse_qsl(sign(sim, f"{O1}/access_token", key, secret, token, token_secret, verifier=verifier).text))
    assert sign(sim, f"{O1}/access_token", key, secret, token, token_secret, verifier=verifier).status_code == 401, (
        "once"
    )
    pair = (access["oauth_token"], access["oauth_token_secret"])
    body = {"auth": {"identity": {"methods": ["oauth1"], "oauth1": {}}}}
    got = sign(sim, "/identity/v3/auth/tokens", key, secret, *pair, body=body)
    assert got.status_code == 201, got.text
    answer = got.json()["token"]
    assert {r["name"] for r in answer["roles"]} == {"member", "reader"} and answer["project"]["id"] == a.project
    assert answer["OS-OAUTH1"] == {"consumer_id": key, "access_token_id": pair[0]}
    robot = Tenant(sim.http, got.headers["x-subject-token"])
    robot.get("/compute/v2.1/servers", 200)
    # delegated authority makes no more of itself (D5)
    assert robot.ask("GET", "/identity/v3/users").code == 403
    assert (
        robot.ask(
            "POST", f"/identity/v3/users/{a.user}/application_credentials", {"application_credential": {"name": "x"}}
        ).code
        == 403
    )
    assert robot.ask("POST", f"/identity/v3/users/{a.user}/credentials/OS-EC2", {"tenant_id": a.project}).code == 403
    trust = {
        "trustor_user_id": a.user,
        "trustee_user_id": a.user,
        "project_id": a.project,
        "impersonation": True,
        "roles": [{"id": member}],
    }
    assert robot.ask("POST", "/identity/v3/OS-TRUST/trusts", {"trust": trust}).code == 403
    assert robot.ask("GET", f"/identity/v3/users/{a.user}/OS-OAUTH1/access_tokens").code == 403
    again = {"auth": {"identity": {"methods": ["token"], "token": {"id": robot.token}}}}
    assert sim.http.post("/identity/v3/auth/tokens", json=again).status_code == 403
    for scope in ({"system": {"all": True}}, {"project": {"id": a.project}}):
        wider = {"auth": body["auth"] | {"scope": scope}}
        assert sign(sim, "/identity/v3/auth/tokens", key, secret, *pair, body=wider).status_code == 403
    assert sign(sim, "/identity/v3/auth/tokens", key, secret, pair[0], "wrong", body=body).status_code == 401
    # the same request again, and an old one
    client = Client(key, client_secret=secret, resource_owner_key=pair[0], resource_owner_secret=pair[1])
    _, once, _ = client.sign(BASE + "/identity/v3/auth/tokens", http_method="POST")
    assert sim.http.post("/identity/v3/auth/tokens", json=body, headers=once).status_code == 201
    assert sim.http.post("/identity/v3/auth/tokens", json=body, headers=once).status_code == 401
    assert (
        sign(sim, "/identity/v3/auth/tokens", key, secret, *pair, body=body, timestamp="1000000000").status_code == 401
    )
    # what was granted can be seen and taken back
    mine = f"/identity/v3/users/{a.user}/OS-OAUTH1/access_tokens"
    assert [t["id"] for t in a.get(mine)["access_tokens"]] == [pair[0]]
    assert [r["id"] for r in a.get(f"{mine}/{pair[0]}/roles")["roles"]] == [member]
    a.get(f"{mine}/{pair[0]}/roles/{member}", 200)
    t = sim.tenant("oda")
    assert t.ask("GET", f"{mine}/{pair[0]}").code == 403 and t.ask("DELETE", f"{mine}/{pair[0]}").code == 403
    assert t.ask("GET", f"/identity/v3/users/{t.user}/OS-OAUTH1/access_tokens/{pair[0]}").code == 403
    a.delete(f"{mine}/{pair[0]}", 204)
    assert robot.ask("GET", "/compute/v2.1/servers").code == 401
    a.delete(f"{O1}/consumers/{key}", 204)
