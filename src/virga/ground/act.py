# SPDX-License-Identifier: Apache-2.0
"""An action below HTTP: who acts, in which cloud, in which transaction. Requests, sagas, loops and the start-up act alike; what a request has
besides (its version, its query, its body) is in `virga.ground.http.call.Call`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

from virga.ground.db.engine import Database, Tx
from virga.ground.errors import Unauthorized
from virga.ground.events import Event, emit
from virga.ground.registry import Registry
from virga.ground.world import World

T = TypeVar("T")


class Overrides(Protocol):
    """The operator's decisions by the names of rules."""

    @property
    def get(self) -> Callable[[str], Any]: ...


class AccessRule(Protocol):
    """One kind of request that a token may make: `covers(service type, method, paths)`."""

    def covers(self, service: str, method: str, paths: Sequence[str]) -> bool: ...


NO_OVERRIDES: Overrides = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: what a token says, resolved against the database of this second."""

    user_id: str
    user_name: str
    user_domain_id: str
    roles: frozenset[str] = frozenset()
    project_id: str | None = None
    domain_id: str | None = None
    system: bool = False
    token_id: str = ""
    expires: float = 0.0
    project_domain_id: str | None = None
    trust_id: str | None = None
    app_credential_id: str | None = None
    restricted: bool = False
    """An application credential that may not make others like it, nor trusts or EC2 credentials."""
    oauth_token_id: str | None = None
    """The access token of OAuth 1 that the authority was handed to."""
    access_key_id: str | None = None
    """The credential (EC2, S3) whose signature stood for a token."""
    access_rules: tuple[AccessRule, ...] | None = None
    """The only requests that this token may make; None is no restriction."""
    overrides: Overrides = field(default_factory=lambda: NO_OVERRIDES, compare=False, repr=False)
    """The operator's rules, by name, in place of the program's."""

    @property
    def delegated(self) -> bool:
        """Whether somebody else's, or a part of one's own, authority is used: a trust, an application credential, OAuth 1, an
        access key."""
        return (
            self.trust_id is not None
            or self.app_credential_id is not None
            or self.oauth_token_id is not None
            or self.access_key_id is not None
        )

    def hold_to_rules(self, service: str, method: str, paths: Sequence[str]) -> None:
        """Raise unless the token's access rules, if it has any, cover the request: `service` is the type, `paths` the spellings of the
        path. Every way in asks this, in every service (Keystone, "Application Credentials", access rules).
        Raises Unauthorized."""
        if self.access_rules is not None and not any(rule.covers(service, method, paths) for rule in self.access_rules):
            raise Unauthorized(
                f"The access rules of application credential {self.app_credential_id} do not cover {method} {paths[0]} of {service}."
            )


NOBODY = Actor(user_id="", user_name="", user_domain_id="")


@dataclass(slots=True)
class Act:
    """Something that `actor` does. Actions, and what services offer each other, take this; only what reads a request takes a `Call`.
    `open` is the transaction it happens in, `request_id` what it is logged under, `notes` what those who serve the actor may want to know
    of it afterwards (which rule let it pass)."""

    actor: Actor
    registry: Registry
    db: Database
    open: Tx | None = None
    request_id: str = ""
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def tx(self) -> Tx:
        """The open transaction. Raises RuntimeError in an action that opens its own."""
        if self.open is None:
            raise RuntimeError("this row opens its own transactions")
        return self.open

    @property
    def world(self) -> World:
        return self.registry.use(World)

    def now(self) -> float:
        """Seconds since 1970, by the cloud's clock."""
        return self.world.now()

    def use(self, kind: type[T]) -> T:
        """The one `kind` that this process has."""
        return self.registry.use(kind)

    def emit(self, event: Event) -> None:
        """Tell everybody, once the transaction is committed."""
        emit(self.tx, self.registry, event)
