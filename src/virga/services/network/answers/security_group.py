# SPDX-License-Identifier: Apache-2.0
"""Security groups and their rules as they are shown."""

from __future__ import annotations

from virga.services.network.answers.shapes import Labelled, Owned


class Rule(Owned, kw_only=True):
    """A rule of a security group as it is shown."""

    security_group_id: str
    direction: str
    ethertype: str
    protocol: str | None
    port_range_min: int | None
    port_range_max: int | None
    remote_ip_prefix: str | None
    remote_group_id: str | None
    normalized_cidr: str | None


class Group(Labelled, kw_only=True):
    """A security group as it is shown."""

    stateful: bool
    security_group_rules: list[Rule]
