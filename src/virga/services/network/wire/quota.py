# SPDX-License-Identifier: Apache-2.0
"""Quotas on the wire."""

from __future__ import annotations

from virga.ground.wire import UNSET, UnsetType
from virga.services.network.wire.shapes import Most, Wire


class Quota(Wire):
    network: Most | UnsetType = UNSET
    subnet: Most | UnsetType = UNSET
    port: Most | UnsetType = UNSET
    router: Most | UnsetType = UNSET
    floatingip: Most | UnsetType = UNSET
    security_group: Most | UnsetType = UNSET
    security_group_rule: Most | UnsetType = UNSET
    check_limit: bool = False
    force: bool = False
