# SPDX-License-Identifier: Apache-2.0
"""169.254.169.254 for all networks from one loop: a listening socket is opened inside each network's metadata namespace and accepted here. Where
a request arrives tells the network, its source address tells the guest; port security keeps both true."""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import threading

from virga.ground import log
from virga.node.chassis import Chassis
from virga.protocol.guests import MetadataAnswer, MetadataRequest
from virga.protocol.machines import Empty
from virga.protocol.topics import METADATA, METADATA_PORTS, NETWORKS, WAKE, Link

CLONE_NEWNET = 0x40000000
IP_FREEBIND = 15
MAX_HEAD = 8192
AT_ONCE = 32
REASONS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


def listen_in(namespace: str, address: tuple[str, int]) -> socket.socket:
    """A listening socket that lives in another network namespace: a thread enters it, opens the socket and ends."""
    got: list[socket.socket | OSError] = []

    def enter() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        try:
            fd = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
            try:
                if libc.setns(fd, CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), f"setns {namespace}")
            finally:
                os.close(fd)
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
            sock.bind(address)
            sock.listen(128)
            sock.setblocking(False)
            got.append(sock)
        except OSError as e:
            got.append(e)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if isinstance(got[0], OSError):
        raise got[0]
    return got[0]


class Metadata:
    """Keeps a namespace on every network that has a metadata port, and answers in all of them."""

    def __init__(self, chassis: Chassis, link: Link, every: float = 20.0) -> None:
        self.chassis, self.link, self.every = chassis, link, every
        self.log = log.get("metadata")
        self._loop = asyncio.new_event_loop()
        self._servers: dict[str, tuple[asyncio.Server, tuple[str, ...]]] = {}
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._loop.run_forever, name="metadata", daemon=True),
            threading.Thread(target=self._rounds, name="metadata-namespaces", daemon=True),
        ]
        self._slots: dict[str, asyncio.Semaphore] = {}

    def start(self) -> None:
        self.link.hear(WAKE, lambda _: self._wake.set())  # a machine comes or goes: with it perhaps a network
        self.link.hear(NETWORKS, lambda _: self._wake.set())
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._wake.set()
        self._threads[1].join(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._threads[0].join(5)

    def _rounds(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            try:
                self.compare()
            except Exception as e:
                self.log.warning("metadata_namespaces", why=f"{type(e).__name__}: {e}")
                self._wake.wait(1.0)
                continue
            self._wake.wait(self.every)

    def compare(self) -> None:
        """Make the namespaces that lack, close those of networks that are gone."""
        wanted = {p.network: p for p in self.link.call(METADATA_PORTS, Empty()).ports if p.cidrs}
        for network, p in wanted.items():
            shape = (p.port, p.mac, str(p.mtu), *p.cidrs)
            known = self._servers.get(network)
            if known is not None and known[1] == shape:
                continue
            name = self.chassis.open_metadata_namespace(network, p.port, p.mac, p.mtu, p.cidrs)
            if known is None:
                sock = listen_in(name, ("169.254.169.254", 80))
                server = asyncio.run_coroutine_threadsafe(self._serve(network, sock), self._loop).result(10)
            else:
                server = known[0]
            self._servers[network] = (server, shape)
        for network in (set(self._servers) | self.chassis.metadata_namespaces()) - set(wanted):
            gone = self._servers.pop(network, None)
            if gone is not None:
                self._loop.call_soon_threadsafe(gone[0].close)
            self.chassis.close_metadata_namespace(network)

    async def _serve(self, network: str, sock: socket.socket) -> asyncio.Server:
        self._slots[network] = asyncio.Semaphore(AT_ONCE)

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                async with asyncio.timeout(15):
                    await self._answer(network, reader, writer)
            except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                pass
            finally:
                writer.close()

        return await asyncio.start_server(handle, sock=sock, limit=MAX_HEAD)

    async def _answer(self, network: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Requests of one connection, one after another while the guest keeps it open."""
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            line, *headers = head.decode("latin-1").split("\r\n")
            method, _, rest = line.partition(" ")
            path = rest.rpartition(" ")[0]
            persistent = "HTTP/1.1" in rest and not any(
                h.lower().replace(" ", "") == "connection:close" for h in headers
            )
            if method not in {"GET", "HEAD"}:
                answer = MetadataAnswer(405, "text/plain")
            else:
                ip = writer.get_extra_info("peername")[0]
                async with self._slots[network]:
                    answer = await self._loop.run_in_executor(None, self._ask, network, ip, path)
            body = answer.body
            top = (
                f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'OK')}\r\n"
                f"Content-Type: {answer.type}\r\n"
                f"Content-Length: {len(body)}\r\n"
            )
            writer.write(
                (top + ("" if persistent else "Connection: close\r\n") + "\r\n").encode()
                + (body if method != "HEAD" else b"")
            )
            await writer.drain()
            if not persistent:
                return

    def _ask(self, network: str, ip: str, path: str) -> MetadataAnswer:
        try:
            return self.link.call(METADATA, MetadataRequest(network, ip, path))
        except Exception as e:
            self.log.warning("unanswered", why=str(e))
            return MetadataAnswer(503, "text/plain")
