# SPDX-License-Identifier: Apache-2.0
"""Short ways to accounts and signed S3 requests, for tests."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from sim_cloud import SimCloud, Tenant
from virga.app import Cloud
from virga.ground.loops.loop import Round
from virga.serving import serve

EMPTY = hashlib.sha256(b"").hexdigest()


class Account:
    """An account as its owner uses it."""

    def __init__(self, who: Tenant, project: str | None = None) -> None:
        self.who = who
        self.base = f"/object-store/v1/AUTH_{project or who.project}"

    def __call__(
        self,
        method: str,
        path: str = "",
        data: bytes | None = None,
        code: int | tuple[int, ...] | None = None,
        **headers: str,
    ) -> Any:
        sent = {"X-Auth-Token": self.who.token} if self.who.token else {}
        sent |= {k.replace("_", "-"): v for k, v in headers.items()}
        got = self.who.http.request(
            method,
            self.base + path,
            content=data,
            headers={k: v.encode() for k, v in sent.items()},
            follow_redirects=False,
        )
        if code is not None:
            want = code if isinstance(code, tuple) else (code,)
            assert got.status_code in want, f"{method} {path}: {got.status_code} {got.text[:400]}"
        return got

    def put(self, path: str, data: bytes = b"", **headers: str) -> Any:
        return self("PUT", path, data, 201, **headers)

    def names(self, path: str) -> list[str]:
        return [
            e.get("subdir") or e["name"]
            for e in self("GET", path + ("&" if "?" in path else "?") + "format=json", code=200).json()
        ]


def nobody(a: Account) -> Account:
    """The same account, asked without a token."""
    return Account(Tenant(a.who.http, ""), a.who.project)


def round_of(sim: SimCloud) -> Round:
    """A loop's round, now."""
    return Round(sim.cloud.db, sim.cloud.world, sim.cloud.registry)


class S3Key:
    """An access key of a tenant, and requests signed with it."""

    def __init__(self, sim: SimCloud, who: Tenant | None = None) -> None:
        self.sim, self.who = sim, who or sim.admin
        made = self.who.post(f"/identity/v3/users/{self.who.user}/credentials/OS-EC2", {"tenant_id": self.who.project})[
            "credential"
        ]
        self.access, self.secret = made["access"], made["secret"]
        self._last: tuple[bytes, str, str, str] = (b"", "", "", "")

    def _key(self, day: str) -> tuple[bytes, str]:
        key = f"AWS4{self.secret}".encode()
        for part in (day, "us-east-1", "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return key, f"{day}/us-east-1/s3/aws4_request"

    def signed(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        host: str = "127.0.0.1:8700",
        payload: str | None = None,
        extra: dict[str, str] | None = None,
        age: float = 0,
    ) -> dict[str, str]:
        when = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() - age))
        payload = payload or hashlib.sha256(body).hexdigest()
        headers = {"host": host, "x-amz-date": when, "x-amz-content-sha256": payload} | (extra or {})
        bare, _, query = path.partition("?")
        pairs = "&".join(sorted(q if "=" in q else q + "=" for q in query.split("&") if q))
        names = ";".join(sorted(headers))
        lines = "".join(f"{k}:{headers[k]}\n" for k in sorted(headers))
        key, scope = self._key(when[:8])
        text = (
            f"AWS4-HMAC-SHA256\n{when}\n{scope}\n"
            + hashlib.sha256(f"{method}\n{bare}\n{pairs}\n{lines}\n{names}\n{payload}".encode()).hexdigest()
        )
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        self._last = (key, when, scope, signature)
        return headers | {
            "authorization": f"AWS4-HMAC-SHA256 Credential={self.access}/{scope}, SignedHeaders={names}, Signature={signature}"
        }

    def presigned(self, method: str, path: str, *, age: float = 0, expires: str = "600") -> str:
        when = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() - age))
        key, scope = self._key(when[:8])
        q = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{self.access}/{scope}",
            "X-Amz-Date": when,
            "X-Amz-Expires": expires,
            "X-Amz-SignedHeaders": "host",
        }
        query = "&".join(f"{k}={quote(v, safe='-_.~')}" for k, v in sorted(q.items()))
        request = f"{method}\n{path}\n{query}\nhost:127.0.0.1:8700\n\nhost\nUNSIGNED-PAYLOAD"
        text = f"AWS4-HMAC-SHA256\n{when}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        return f"{path}?{query}&X-Amz-Signature={hmac.new(key, text.encode(), hashlib.sha256).hexdigest()}"

    def chunks(self, parts: list[bytes]) -> bytes:
        """An aws-chunked body with signatures of no request: only its form is right."""
        out = b""
        for p in [*parts, b""]:
            out += f"{len(p):x};chunk-signature={'0' * 64}\r\n".encode() + p + b"\r\n"
        return out

    def __call__(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        code: int | tuple[int, ...] | None = None,
        extra: dict[str, str] | None = None,
    ) -> Any:
        sent = self.signed(
            method, f"/s3{path}", body or b"", extra={k: v for k, v in (extra or {}).items() if k.startswith("x-amz-")}
        )
        got = self.sim.http.request(method, f"/s3{path}", content=body, headers=sent | (extra or {}))
        if code is not None:
            want = code if isinstance(code, tuple) else (code,)
            assert got.status_code in want, f"{method} {path}: {got.status_code} {got.text[:400]}"
        return got


def serve_in_thread(cloud: Cloud) -> Callable[[], None]:
    """Answer on a real socket until the returned function is called."""
    import msgspec

    cloud.settings = msgspec.structs.replace(
        cloud.settings, server=msgspec.structs.replace(cloud.settings.server, listen="127.0.0.1:0")
    )
    ready, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    def run() -> None:
        loop.run_until_complete(serve(cloud, lambda _: ready.set(), stop))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(10)

    def end() -> None:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        loop.close()

    return end
