# SPDX-License-Identifier: Apache-2.0
"""Hypervisors: the hosts, and what is used of each."""

from __future__ import annotations

from virga.authority.rules import Rule, allow
from virga.ground.errors import NotFound
from virga.ground.http.call import Call
from virga.services.compute import model, policy, store


def index(call: Call) -> list[tuple[model.Host, model.Used]]:
    """GET /os-hypervisors"""
    return _matching(call, policy.HYPERVISORS)


def detail(call: Call) -> list[tuple[model.Host, model.Used]]:
    """GET /os-hypervisors/detail, with what is used of each."""
    return _matching(call, policy.HYPERVISORS_DETAIL)


def _matching(call: Call, rule: Rule) -> list[tuple[model.Host, model.Used]]:
    allow(call, rule)
    used = store.used(call.tx)
    pattern = call.query.get("hypervisor_hostname_pattern")
    hosts = store.HOSTS.find(call.tx, order=store.HOSTS.c.number)
    if pattern is not None:
        hosts = [h for h in hosts if pattern in h.name]
        if not hosts and call.version < (2, 53):
            raise NotFound(f"No hypervisor matching '{pattern[:64]}' could be found.")
    return [(h, used.get(h.name, model.Used())) for h in hosts]


def show(call: Call, id: str) -> tuple[model.Host, model.Used]:
    """GET /os-hypervisors/{id}, by number, or by uuid since 2.53. Raises NotFound."""
    for host, used in _matching(call, policy.HYPERVISORS_SHOW):
        if id in {host.id, str(host.number)}:
            return host, used
    raise NotFound(f"Hypervisor with ID '{id[:64]}' could not be found.")


def statistics(call: Call) -> list[tuple[model.Host, model.Used]]:
    """GET /os-hypervisors/statistics"""
    return [(h, u) for h, u in _matching(call, policy.HYPERVISORS_SUM) if h.enabled]
