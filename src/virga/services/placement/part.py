# SPDX-License-Identifier: Apache-2.0
"""Placement as a part of a process: rows and an API, nothing that runs."""

from __future__ import annotations

from virga.services.part import Part, rules_of
from virga.services.placement import policy, routes

PART = Part(name="placement", apis=lambda _: (routes.SERVICE,), rules=rules_of(policy))
