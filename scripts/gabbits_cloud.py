# SPDX-License-Identifier: Apache-2.0
"""The cloud that `scripts/gabbits` judges: placement alone, at the root of a port, in memory, without a host.

    .venv/bin/python scripts/gabbits_cloud.py PORT

`POST /sim/fresh` begins anew with an empty placement; with `?policy=open` every rule holds for
everybody, with `?policy=legacy` those hold that upstream has left behind. Who asks is
what the headers say, as with placement's own `noauth2`: the token is the user's name, `x-roles` its roles (a user called admin has that
role), `x-project-id` its project, `openstack-system-scope` a scope. So these cases judge placement, and not identity."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

import uvicorn

from virga.app import Cloud
from virga.authority.overrides import Overrides
from virga.authority.rules import ADMIN, SERVICE, YES, Check
from virga.ground.act import Actor
from virga.ground.http.call import Authenticator
from virga.services.placement import routes
from virga.settings import load

PLACEMENT = dataclasses.replace(routes.SERVICE, path="")


def everybody(_: str) -> Check:
    """A policy by which every rule holds."""
    return YES


def legacy(name: str) -> Check | None:
    """Upstream's policy while `enforce_new_defaults` is off: what is the services' now was the administrator's, too."""
    return ADMIN | SERVICE if name == "placement:reshaper:reshape" else None


class Headers:
    """An authenticator that believes what it is told: user, project, roles and scope, parted by bars."""

    def __init__(self, policy: Callable[[str], Check | None] | None) -> None:
        self.more: dict[str, Any] = {}
        if policy is not None:
            self.more["overrides"] = Overrides(None)
            self.more["overrides"].get = policy

    def hot(self, token: str) -> Actor | None:
        user, project, roles, system = token.split("|")
        return Actor(
            user_id=user,
            user_name=user,
            user_domain_id="default",
            roles=frozenset(roles.split(",")) if roles else frozenset(),
            project_id=None if system else project,
            project_domain_id=None if system else "default",
            system=bool(system),
            **self.more,
        )

    cold = hot


POLICIES = {b"policy=open": everybody, b"policy=legacy": legacy}


class Judged:
    """An ASGI application: the API of a cloud that is made anew when asked."""

    def __init__(self) -> None:
        self.cloud: Cloud | None = None

    def fresh(self, policy: Callable[[str], Check | None] | None) -> None:
        if self.cloud is not None:
            self.cloud.db.close()
        settings = load(env={}, state="/nonexistent", simulated=True, ephemeral=True)
        self.cloud = Cloud(settings)
        self.cloud.prepare()
        self.cloud.simulate()
        self.cloud.registry.put(Authenticator, Headers(policy))
        self.cloud.api_app.mounts = {}
        self.cloud.api_app.roots = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == "/sim/fresh":
            self.fresh(POLICIES.get(scope["query_string"]))
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        assert self.cloud is not None
        told = dict(scope["headers"])
        token = told.pop(b"x-auth-token", None)
        if token is not None:
            user, _, project = token.decode().partition(":")
            roles = told.get(b"x-roles", b"admin" if user == "admin" else b"").decode()
            project = told.get(b"x-project-id", (project or user).encode()).decode()
            system = told.get(b"openstack-system-scope", b"").decode()
            told[b"x-auth-token"] = "|".join((user, project, roles, system)).encode()
        self.cloud.api_app.main_port = scope["server"][1]
        self.cloud.api_app.ports = {scope["server"][1]: PLACEMENT}
        await self.cloud.api_app(scope | {"headers": list(told.items())}, receive, send)


def main() -> None:
    config = uvicorn.Config(Judged(), port=int(sys.argv[1]), log_level="error", lifespan="off", server_header=False)
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
