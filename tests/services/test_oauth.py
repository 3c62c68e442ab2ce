# SPDX-License-Identifier: Apache-2.0
"""OAuth 2 client credentials and OAuth 1 consumers."""

from __future__ import annotations

import base64
from typing import Any

from houses import House, Tenant


def credential(t: Tenant, **more: Any) -> dict[str, Any]:
    body = {"application_credential": {"name": "robot"} | more}
    return dict(t.post(f"/identity/v3/users/{t.user}/application_credentials", body, 201)["application_credential"])


def ask(house: House, id: str, secret: str, data: str = "grant_type=client_credentials", **headers: str) -> Any:
    basic = base64.b64encode(f"{id}:{secret}".encode()).decode()
    sent = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Basic {basic}"} | headers
    return house.http.post("/identity/v3/OS-OAUTH2/token", content=data, headers=sent)


def test_client_credentials(house: House) -> None:
    t = house.tenant("olga")
    robot = credential(t)
    got = ask(house, robot["id"], robot["secret"])
    assert got.status_code == 200 and got.headers["cache-control"] == "no-store", got.text
    body = got.json()
    assert set(body) == {"access_token", "expires_in", "token_type"} and body["token_type"] == "Bearer" and 0 < body["expires_in"] <= 3600
    made = Tenant(house.http, body["access_token"])
    made.get("/compute/v2.1/servers", 200)
    assert (
        made.ask("POST", f"/identity/v3/users/{t.user}/application_credentials", {"application_credential": {"name": "more"}}).code == 403
    )
    t.delete(f"/identity/v3/users/{t.user}/application_credentials/{robot['id']}", 204)
    assert made.ask("GET", "/compute/v2.1/servers").code == 401


def test_client_credentials_refused(house: House) -> None:
    robot = credential(house.tenant("oleg"))
    for id, secret in ((robot["id"], "wrong"), ("nobody", robot["secret"]), (house.admin.user, "admin"), ("x" * 500, "y" * 9000)):
        got = ask(house, id, secret)
        assert got.status_code == 401 and got.json()["error"] == "invalid_client" and "Keystone uri" in got.headers["www-authenticate"]
    for header in (
        "",
        "Bearer x",
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"\xff\xfe").decode(),
        "Basic " + base64.b64encode(b"nocolon").decode(),
    ):
        assert ask(house, "x", "y", Authorization=header).status_code == 401, header
    assert ask(house, robot["id"], robot["secret"], "").json()["error"] == "invalid_request"
    assert ask(house, robot["id"], robot["secret"], "grant_type=password").json()["error"] == "unsupported_grant_type"
    assert ask(house, robot["id"], robot["secret"], "grant_type=client_credentials&" * 200).status_code in {400, 401}
    assert ask(house, robot["id"], robot["secret"], "\x00\xff").status_code == 400
