# SPDX-License-Identifier: Apache-2.0
"""Container sync, outgoing: what a container noted is told to the one it names, the newest change of each name, signed as Swift signs it.
The other side's time decides, so two containers that name each other come to rest. Only the operator's realms and hosts are connected
to; redirections are not followed."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import time
import uuid
from collections.abc import AsyncGenerator, Generator
from typing import Any, cast
from urllib.parse import quote, urlsplit

import msgspec

from virga.ground.db.engine import Tx
from virga.ground.errors import Invalid, Problem
from virga.ground.loops.loop import Round
from virga.services.objects import model
from virga.services.objects.bodies import extents_of
from virga.services.objects.context import ObjectContext
from virga.services.objects.realms import Target, signature
from virga.services.objects.store import objects as rows
from virga.services.objects.store import sync
from virga.services.objects.swift.objects import object_headers

SECONDS = 30
ROUND = 20.0
LONGEST = 3600.0
UNSENT = frozenset({"last-modified", "etag", "x-timestamp", "content-type"})


class Refused(Exception):
    """The other side says no to one name."""


def syncer(round: Round) -> int:
    """Tell what is due, some seconds long; what fails waits longer each time, with the reason."""
    context, end, done = round.registry.use(ObjectContext), time.monotonic() + ROUND, 0
    if not context.realms.on:
        return 0
    away: dict[int, str] = {}
    lines: dict[int, PeerConnection] = {}
    try:
        while time.monotonic() < end:
            with round.db.read() as tx:
                found = sync.due(tx, context.now())
            if not found:
                break
            for row in found:
                if row.name == sync.EVERYTHING:
                    context.commits.write_now(lambda tx, r=row: sync.take_up(tx, r))  # type: ignore[misc]
                    continue
                try:
                    why = away.get(row.container_id) or _one(context, row, lines)
                except (OSError, http.client.HTTPException) as e:
                    why = away[row.container_id] = f"{type(e).__name__}: {e}"
                except (Refused, Problem) as e:
                    why = str(e)
                if why is None:
                    done += 1
                    context.usage.synced += 1
                    context.commits.write_now(lambda tx, r=row: sync.forget(tx, r))  # type: ignore[misc]
                else:
                    context.usage.sync_failed += 1
                    wait = min(LONGEST, 5.0 * 2 ** min(row.tries, 12))
                    context.commits.write_now(lambda tx, r=row, w=why, s=wait: sync.later(tx, r, context.now() + s, w))  # type: ignore[misc]
                if time.monotonic() > end:
                    break
    finally:
        for line in lines.values():
            line.close()
    return done


def _one(context: ObjectContext, row: model.SyncEntry, lines: dict[int, PeerConnection]) -> str | None:
    """Tell one name; None when the other side has it, else why not."""

    def read(tx: Tx) -> tuple[model.Container | None, model.Object | None]:
        return rows.container_by_id(tx, row.container_id), rows.row(tx, row.container_id, row.name)

    container, o = context.commits.read_now(read)
    to, key = (
        (container.control.get("sync_to"), container.control.get("sync_key")) if container is not None else (None, None)
    )
    if not to or not key:
        return None  # switched off meanwhile
    line = lines.get(row.container_id)
    if line is None:
        line = lines[row.container_id] = PeerConnection(context.realms.target(to), key)
    if row.deleted or o is None or o.kind == model.MARKER:
        if o is None or row.deleted:
            line.delete(row.name, row.at)
        return None
    line.put(context, o, container.account if container is not None else "")
    return None


class PeerConnection:
    """A connection to the other container."""

    def __init__(self, target: Target, user_key: str) -> None:
        self.target, self.user_key = target, user_key
        parts = urlsplit(target.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        if not parts.hostname:
            raise Invalid(f"The address of the other cluster is wrong: {target.url[:200]}")
        self.path, self.conn = parts.path, kind(parts.hostname, parts.port, timeout=SECONDS)

    def close(self) -> None:
        self.conn.close()

    def request(
        self, method: str, name: str, at: float, headers: dict[str, str], body: Any = None, query: str = ""
    ) -> tuple[int, str, Any]:
        path, stamp = f"{self.path}/{quote(name)}", model.timestamp(at)
        own = {"X-Timestamp": stamp}
        if self.target.key:
            nonce = uuid.uuid4().hex
            own["X-Container-Sync-Auth"] = (
                f"{self.target.realm} {nonce} {signature(method, path, stamp, nonce, self.target.key, self.user_key)}"
            )
        else:
            own["X-Container-Sync-Key"] = self.user_key
        sent = {k: v.encode() for k, v in (headers | own).items()}
        self.conn.request(method, path + query, body, sent)
        answer = self.conn.getresponse()
        text = answer.read(2000).decode(errors="replace")
        if answer.will_close or answer.read(1):
            self.conn.close()
        return answer.status, text, answer.headers

    def delete(self, name: str, at: float) -> None:
        code, text, _ = self.request("DELETE", name, at, {})
        if not (200 <= code < 300 or code in {404, 409}):  # 409: it has a newer one
            raise Refused(f"DELETE {name[:100]}: {code} {text[:200]}")

    def put(self, context: ObjectContext, o: model.Object, account: str) -> None:
        code, text, headers = self.request("HEAD", o.name, o.changed, {}, query="?symlink=get&multipart-manifest=get")
        if code == 200:
            with contextlib.suppress(ValueError):
                if float(headers.get("X-Backend-Timestamp") or headers.get("X-Timestamp") or 0) >= round_down(
                    o.changed
                ):
                    return
        elif code != 404:
            raise Refused(f"HEAD {o.name[:100]}: {code}")
        sent = {k: v for k, v in object_headers(o).items() if k not in UNSENT}
        sent["content-type"] = o.content_type
        if o.kind == "link" and o.own("target")["account"] == account:
            sent.pop("x-symlink-target-account", None)  # a link inside an account is one there too
        if o.kind == "slo":
            data = manifest(context, o)
            sent["content-length"] = str(len(data))
            code, text, _ = self.request("PUT", o.name, o.changed, sent, data, "?multipart-manifest=put")
        else:
            size = 0 if o.kind == "link" else o.size
            sent["content-length"] = str(size)
            if len(o.etag) == 32 and o.kind == "":
                sent["etag"] = o.etag
            with contextlib.closing(chunks(context, o)) if size else contextlib.nullcontext(b"") as body:
                code, text, _ = self.request("PUT", o.name, o.changed, sent, body)
        if not 200 <= code < 300:
            self.conn.close()
            raise Refused(f"PUT {o.name[:100]}: {code} {text[:200]}")


def round_down(at: float) -> float:
    """A time as headers print it: equal times must compare equal."""
    return float(model.timestamp(at))


def manifest(context: ObjectContext, o: model.Object) -> bytes:
    """A static large object's segments as they are put."""
    lines = msgspec.json.decode(b"".join(chunks(context, o)))
    return msgspec.json.encode(
        [
            {"data": s["data"]}
            if "data" in s
            else {"path": s["name"], "etag": s["hash"], "size_bytes": s["bytes"]}
            | ({"range": s["range"]} if "range" in s else {})
            for s in lines
        ]
    )


def chunks(context: ObjectContext, o: model.Object) -> Generator[bytes, None, None]:
    """An object's bytes, in a thread that has no loop."""
    loop = asyncio.new_event_loop()
    stream = cast(AsyncGenerator[bytes, None], context.bodies.stream(extents_of(o)))
    try:
        while True:
            try:
                yield loop.run_until_complete(anext(stream))
            except StopAsyncIteration:
                return
    finally:
        loop.run_until_complete(stream.aclose())
        loop.close()
