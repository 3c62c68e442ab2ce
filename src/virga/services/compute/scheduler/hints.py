# SPDX-License-Identifier: Apache-2.0
"""What a server's builder tells the scheduler (`os:scheduler_hints`; Nova, "Compute schedulers", "Create server"). Which hints there are and
how long they may be says `wire.SchedulerHints`; what they mean is said here. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from virga.ground.errors import Invalid
from virga.services.compute import model
from virga.services.compute.scheduler import query as queries

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
FILTERS = {
    "same_host": "SameHostFilter",
    "different_host": "DifferentHostFilter",
    "build_near_host_ip": "SimpleCIDRAffinityFilter",
    "query": "JsonFilter",
}
"""The filter that reads a hint. `target_cell` and `different_cell` are read by none: there is one cell."""
POLICIES = {model.AFFINITY: "ServerGroupAffinityFilter", model.ANTI_AFFINITY: "ServerGroupAntiAffinityFilter"}
"""The filter that sees to a server group's policy; weighers see to the soft ones."""
UUID = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
NEAR = "/24"
"""How near `build_near_host_ip` means where `cidr` says nothing."""


@dataclass(frozen=True)
class Hints:
    """`same_host` and `different_host` are ids of servers; `same_host` None is no hint. `near`: the hosts' addresses are in it."""

    group: str | None = None
    same_host: Sequence[str] | None = None
    different_host: Sequence[str] = ()
    near: Network | None = None
    query: queries.Query | None = None


def read(sent: Mapping[str, Any]) -> Hints:
    """The hints as they were sent, by their names. Raises Invalid that names the hint."""
    group, same, different = (_ids(sent, name) for name in ("group", "same_host", "different_host"))
    return Hints(
        group=group[0] if group else None,
        same_host=same or None,
        different_host=different,
        near=_near(sent),
        query=_query(sent.get("query")),
    )


def _ids(sent: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """One alone may stand without its list."""
    value = sent.get(name) or ()
    ids = (value,) if isinstance(value, str) else tuple(value)
    for id in ids:
        if UUID.fullmatch(id) is None:
            raise _bad(name, f"'{id[:36]}' is not a UUID")
    return ids


def _near(sent: Mapping[str, Any]) -> Network | None:
    address = sent.get("build_near_host_ip")
    if address is None:
        return None
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise _bad("build_near_host_ip", f"'{str(address)[:64]}' is not an IP address") from None
    size = sent.get("cidr", NEAR)
    try:
        return ipaddress.ip_network(f"{address}{size}", strict=False)
    except ValueError:
        raise _bad("cidr", f"'{address}{size}' is no network") from None


def _query(value: Any) -> queries.Query | None:
    if not value:
        return None
    if not isinstance(value, str):
        raise _bad("query", "a JSON list in a text is needed")
    return queries.parse(value)


def check_enabled(hints: Mapping[str, Any], policy: str | None, enabled: Sequence[str]) -> None:
    """Raise Invalid for a hint, or a group of a policy, that no enabled filter would look at: what is asked for is not passed over."""
    for name, needed in FILTERS.items():
        if hints.get(name) and needed not in enabled:
            raise _bad(name, f"this cloud does not place servers by it: {needed} is not in compute.enabled_filters")
    needed_by_policy = POLICIES.get(policy or "")
    if needed_by_policy is not None and needed_by_policy not in enabled:
        raise _bad("group", f"ServerGroup policy is not supported: {needed_by_policy} not configured")


def _bad(name: str, why: str) -> Invalid:
    return Invalid(f"Invalid input for field 'os:scheduler_hints.{name}': {why}", field=name)
