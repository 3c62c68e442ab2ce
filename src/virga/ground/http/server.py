# SPDX-License-Identifier: Apache-2.0
"""uvicorn's server over our connections: heads, bodies and answers that stand still end, and so does a TLS handshake."""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any

import uvicorn

from virga.ground.http.connections import HEAD_SECONDS, Connections
from virga.ground.http.protocol import Protocol
from virga.ground.http.turns import Parties, Rounds, Threads

SWITCH = 0.0005
"""Seconds after which a thread that computes lets another one go on. SQLite lets go of the interpreter at each row: whoever reads a list
beside a thread that computes waits so long for each (Python's own default is ten times that)."""


class Server(uvicorn.Server):
    """Serves on sockets that are bound and listen already."""

    def __init__(
        self, config: uvicorn.Config, connections: Connections, parties: Parties, threads: Threads | None = None
    ) -> None:
        super().__init__(config)
        self.connections, self.parties, self.threads = connections, parties, threads

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept. Differs from uvicorn's in what a protocol is given, and in the handshake's time (its default is a minute)."""
        loop, config = asyncio.get_running_loop(), self.config
        rounds = Rounds(loop, threads=self.threads)
        sys.setswitchinterval(SWITCH)

        def made() -> asyncio.Protocol:
            return Protocol(
                self.connections,
                self.parties,
                rounds,
                config=config,
                server_state=self.server_state,
                app_state={},
                _loop=loop,
            )

        limits: dict[str, Any] = {"ssl_handshake_timeout": HEAD_SECONDS} if config.ssl is not None else {}
        self.servers = [
            await loop.create_server(made, sock=sock, ssl=config.ssl, backlog=config.backlog, **limits)
            for sock in sockets or []
        ]
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        self.connections.close()
