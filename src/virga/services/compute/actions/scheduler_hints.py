# SPDX-License-Identifier: Apache-2.0
"""The scheduler hints of a new server: what they refer to is there for their sender, and something in this cloud reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from virga.ground.act import Act
from virga.ground.errors import Invalid, NotFound
from virga.ground.wire import given
from virga.services.compute import model, wire
from virga.services.compute.actions import server_groups, server_lookup
from virga.services.compute.scheduler import hints
from virga.services.compute.settings import Compute


@dataclass(frozen=True)
class Placing:
    """Hints as they were sent, by their names (None: none were), and the server group that they name."""

    hints: dict[str, Any] | None = None
    group: model.ServerGroup | None = None


def checked(act: Act, body: wire.CreateServerBody, count: int) -> Placing:
    """What `count` servers are told the scheduler with. Raises Invalid that names the hint, Forbidden when the group would have too many
    members."""
    shape = body.hints if isinstance(body.hints, wire.SchedulerHints) else body.old_hints
    if not isinstance(shape, wire.SchedulerHints):
        return Placing()
    sent = {name: value for name, value in given(shape).items() if name != "extra"} | shape.extra
    read = hints.read(sent)
    for name, ids in (("same_host", read.same_host or ()), ("different_host", read.different_host)):
        for id in ids:
            _seen(act, name, id)
    group = server_groups.joining(act, read.group, count) if read.group is not None else None
    hints.check_enabled(sent, group.policy if group is not None else None, act.use(Compute).enabled_filters)
    return Placing(sent or None, group)


def _seen(act: Act, name: str, id: str) -> None:
    try:
        server_lookup.found(act, id)
    except NotFound as e:
        raise Invalid(f"Invalid input for field 'os:scheduler_hints.{name}': {e.message}", field=name) from None
