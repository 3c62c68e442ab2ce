# SPDX-License-Identifier: Apache-2.0
"""Availability zones, and the hosts in them."""

from __future__ import annotations

from virga.authority.rules import allow
from virga.ground.act import Act
from virga.services.compute import model, policy, store


def index(act: Act) -> list[model.Host]:
    """GET /os-availability-zone"""
    allow(act, policy.ZONES)
    return store.HOSTS.find(act.tx, order=store.HOSTS.c.name)


def detail(act: Act) -> list[model.Host]:
    """GET /os-availability-zone/detail: which hosts there are is the operator's business."""
    allow(act, policy.ZONES_DETAIL)
    return store.HOSTS.find(act.tx, order=store.HOSTS.c.name)
