# SPDX-License-Identifier: Apache-2.0
"""Two ways to ask a cloud: one question after the other (Talk), and many at once at the least cost (Crowd). Both know a cloud by its
address and its administrator; where its services are they read from the catalogue."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, Protocol


class Known(Protocol):
    """What must be known of a cloud."""

    auth: str
    password: str


def login(user: str, password: str, scope: dict[str, Any] | None = None) -> dict[str, Any]:
    """The body of a login by password to the project `admin`, or to `scope`."""
    domain = {"id": "default"}
    who = {"name": user, "domain": domain, "password": password}
    scope = scope or {"project": {"name": "admin", "domain": domain}}
    return {"auth": {"identity": {"methods": ["password"], "password": {"user": who}}, "scope": scope}}


class Talk:
    """One question after the other, as the administrator."""

    def __init__(self, cloud: Known) -> None:
        self.token = ""
        answer, headers = self.ask("POST", f"{cloud.auth}/auth/tokens", login("admin", cloud.password))
        self.token = headers["X-Subject-Token"]
        self.project: str = answer["token"]["project"]["id"]
        self.user: str = answer["token"]["user"]["id"]
        self.urls: dict[str, str] = {"identity": cloud.auth}
        for service in answer["token"]["catalog"]:
            for point in service["endpoints"]:
                if point["interface"] == "public" and service["type"] != "identity":
                    self.urls[service["type"]] = point["url"].rstrip("/")
        for kind, version in (("image", "/v2"), ("network", "/v2.0")):
            if kind in self.urls and not self.urls[kind].endswith(version):
                self.urls[kind] += version

    def ask(self, method: str, url: str, body: Any = None, kind: str = "application/json") -> tuple[Any, Any]:
        """(answer, headers). Raises SystemExit with the cloud's own words when it says no."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"X-Auth-Token": self.token, "Content-Type": kind, "Accept": "application/json"}
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=300) as got:
                raw = got.read()
                return json.loads(raw) if raw and "json" in got.headers.get("Content-Type", "") else raw, got.headers
        except urllib.error.HTTPError as e:
            raise SystemExit(f"{method} {url}: {e.code} {e.read()[:500]!r}") from None

    def get(self, url: str) -> Any:
        """A GET's answer."""
        return self.ask("GET", url)[0]

    def post(self, url: str, body: Any) -> Any:
        """A POST's answer."""
        return self.ask("POST", url, body)[0]


class Crowd:
    """Connections that are kept as long as the server lets them, and what was asked over them."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.idle: dict[str, list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]] = {}

    async def ask(self, method: str, url: str, body: Any = None, **more: str) -> tuple[dict[bytes, bytes], bytes]:
        """(headers with names in small letters, body). Raises SystemExit when the answer is a no."""
        where, _, path = url.partition("://")[2].partition("/")
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        sent = {"X-Auth-Token": self.token} | {k.replace("_", "-"): v for k, v in more.items()}
        head = f"{method} /{path} HTTP/1.1\r\nHost: {where}\r\nAccept: */*\r\n" + "".join(
            f"{k}: {v}\r\n" for k, v in sent.items()
        )
        if data or method in ("POST", "PUT", "PATCH"):
            head += f"Content-Type: {kind}\r\nContent-Length: {len(data)}\r\n"
        pool = self.idle.setdefault(where, [])
        while True:
            kept = bool(pool)
            reader, writer = pool.pop() if kept else await asyncio.open_connection(*where.split(":"), limit=1 << 20)
            try:
                writer.write(f"{head}\r\n".encode() + data)
                first = await reader.readuntil(b"\r\n\r\n")
                break
            except (OSError, asyncio.IncompleteReadError):
                writer.close()
                if not kept:  # a kept one may have been closed meanwhile; a new one may not
                    raise SystemExit(f"{method} {url}: the server hung up") from None
        lines = first.split(b"\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(b":") for line in lines[1:] if line)}
        status = int(lines[0].split()[1])
        if method == "HEAD" or status == 204:
            raw = b""
        elif b"content-length" in headers:
            raw = await reader.readexactly(int(headers[b"content-length"]))
        elif headers.get(b"transfer-encoding") == b"chunked":
            pieces = []
            while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
                pieces.append((await reader.readexactly(size + 2))[:-2])
            await reader.readuntil(b"\r\n")
            raw = b"".join(pieces)
        else:
            raw = await reader.read()
            headers[b"connection"] = b"close"
        if headers.get(b"connection", b"").lower() == b"close":
            writer.close()
        else:
            pool.append((reader, writer))
        if status >= 300:
            raise SystemExit(f"{method} {url}: {status} {raw[:300]!r}")
        return headers, raw

    def close(self) -> None:
        """Hang up."""
        for pool in self.idle.values():
            for _, writer in pool:
                writer.close()


Job = Callable[[Crowd, int], Awaitable[Any]]


def storm(token: str, job: Job, count: int, seconds: float, connections: int) -> tuple[list[float], float]:
    """Do a job up to `count` times or for so many seconds, by so many clients, each with its next question when the last was answered.

    Out: the milliseconds of each, and the seconds that all took."""
    import uvloop

    async def all_of_them() -> tuple[list[float], float]:
        crowd, times, numbers = Crowd(token), [], iter(range(count))
        began = perf_counter()

        async def one() -> None:
            for n in numbers:
                if n and perf_counter() - began > seconds:
                    return
                at = perf_counter()
                await job(crowd, n)
                times.append((perf_counter() - at) * 1000)

        await asyncio.gather(*(one() for _ in range(connections)))
        took = perf_counter() - began
        crowd.close()
        return times, took

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(all_of_them())
