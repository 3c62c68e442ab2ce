# SPDX-License-Identifier: Apache-2.0
"""What a server writes on its console."""

from __future__ import annotations

from virga.authority.rules import allow
from virga.ground.act import Act
from virga.ground.bus import Bus
from virga.ground.errors import Conflict, Invalid
from virga.protocol import topics
from virga.protocol.machines import ConsoleRequest
from virga.services.compute import machines, policy, wire
from virga.services.compute.actions import server_lookup


def console_output(act: Act, id: str, body: wire.ConsoleOutput) -> str:
    """os-getConsoleOutput: the last `length` lines, or all that is kept. Asks the node, so outside of any transaction.
    Raises Invalid, Conflict."""
    try:
        length = int(body.length) if body.length not in (None, "") else -1
    except ValueError:
        raise Invalid("Invalid input for field 'length': a whole number is needed", field="length") from None
    with act.db.read() as act.open:
        server = server_lookup.found(act, id)
        allow(act, policy.CONSOLE_OUTPUT, project_id=server.project_id)
        machine = machines.of(act.tx, id)
    if machine is None:
        raise Conflict(f"Instance {id} is not ready: it is on no host, and has no console yet.")
    reply = topics.call(act.use(Bus), machine.host_id, topics.CONSOLE, ConsoleRequest(id))
    lines = reply.output.splitlines(keepends=True)
    return "".join(lines if length < 0 else lines[-length:] if length else [])
