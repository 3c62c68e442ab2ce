# SPDX-License-Identifier: Apache-2.0
"""Image bytes in Swift, with a service user's token (identity v3). Small images are one object; large ones, and those whose size nobody
knows beforehand, are segments and a manifest: a static one where the server can, else a dynamic one. The options are upstream's
(`swift_store_*`). All images are in one container, or in one for each beginning of their ids (`multiple_containers_seed`); a container
belongs to one cloud. Works against any Swift, our own too, over a wire in either case."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from virga.services.images.drivers.remote import MARK, TRIES, Opened, Pipe, foreign, resumed

SECONDS = 60
MIB = 1 << 20
SEGMENTS = "segments/"
KEY = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}-[0-9a-f]{8}")
"""What is ours: an image's id and a write of it. Everything else in the place is somebody else's, and never touched."""
PAGE = 10_000
Headers = dict[str, str]


@dataclass(frozen=True)
class Options:
    """How to reach the account. `user` is `project:user`; sizes are in MiB."""

    container: str
    auth_address: str
    user: str
    key: str
    user_domain_id: str = "default"
    project_domain_id: str = "default"
    region: str = ""
    service_type: str = "object-store"
    endpoint_type: str = "publicURL"
    endpoint: str = ""
    create_container_on_put: bool = True
    multiple_containers_seed: int = 0
    large_object_size: int = 5120
    large_object_chunk_size: int = 200
    cacert: str = ""


class Answer:
    """An answer whose body was read, unless it is a stream."""

    def __init__(self, found: http.client.HTTPResponse, body: bytes) -> None:
        self.status, self.headers, self.body, self.found = found.status, found.headers, body, found


def problem(status: int, detail: bytes, what: str) -> OSError:
    """What a refusal means for who wanted to write or read."""
    text = f"Swift answered {status} to {what}: {detail[:200].decode(errors='replace').strip()}"
    if status == 404:
        return FileNotFoundError(errno.ENOENT, text)
    return OSError(
        {413: errno.EDQUOT, 507: errno.ENOSPC, 401: errno.EACCES, 403: errno.EACCES}.get(status, errno.EIO), text
    )


class Account:
    """The service user's session: a token while it lives, and requests with it."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._lock = threading.Lock()
        self._token, self._endpoint, self._until = "", "", datetime.min.replace(tzinfo=UTC)
        self._most_segments: int | None = None

    def connect(self, url: str) -> http.client.HTTPConnection:
        parts = urlsplit(url)
        if parts.scheme == "https":
            tls = ssl.create_default_context(cafile=self.options.cacert or None)
            return http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=SECONDS, context=tls)
        return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=SECONDS)

    def session(self, fresh: bool = False) -> tuple[str, str]:
        """(token, address of the account). Raises OSError."""
        with self._lock:
            if fresh or datetime.now(UTC) + timedelta(minutes=5) > self._until:
                self._login()
            return self._token, self._endpoint

    def _login(self) -> None:
        o = self.options
        project, _, user = o.user.partition(":")
        identity = {
            "methods": ["password"],
            "password": {"user": {"name": user, "domain": {"id": o.user_domain_id}, "password": o.key}},
        }
        body = {
            "auth": {
                "identity": identity,
                "scope": {"project": {"name": project, "domain": {"id": o.project_domain_id}}},
            }
        }
        url = (
            o.auth_address.rstrip("/") + ("" if o.auth_address.rstrip("/").endswith("/v3") else "/v3") + "/auth/tokens"
        )
        got = self.once("POST", url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        if got.status != 201:
            raise OSError(
                errno.EACCES, f"Identity at {o.auth_address} answered {got.status} to the images' user {o.user}"
            )
        token = json.loads(got.body)["token"]
        self._token, self._until = (
            got.headers["X-Subject-Token"],
            datetime.fromisoformat(token["expires_at"].replace("Z", "+00:00")),
        )
        self._endpoint = (o.endpoint or self._found(token.get("catalog", []))).rstrip("/")

    def _found(self, catalog: list[dict[str, Any]]) -> str:
        o = self.options
        for service in catalog:
            for e in service["endpoints"] if service["type"] == o.service_type else []:
                if e["interface"] == o.endpoint_type.removesuffix("URL") and o.region in {
                    "",
                    e["region"],
                    e["region_id"],
                }:
                    return str(e["url"])
        where = f" in region {o.region}" if o.region else ""
        raise OSError(errno.ENOENT, f"The catalogue has no {o.endpoint_type} of {o.service_type}{where}")

    def once(self, method: str, url: str, body: bytes | None, headers: Headers) -> Answer:
        conn = self.connect(url)
        try:
            parts = urlsplit(url)
            conn.request(method, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers)
            found = conn.getresponse()
            return Answer(found, found.read())
        except http.client.HTTPException as e:
            raise OSError(errno.EIO, f"Swift broke off: {type(e).__name__} {e}") from e
        finally:
            conn.close()

    def ask(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: bytes | None = None,
        headers: Headers | None = None,
        ok: tuple[int, ...] = (),
    ) -> Answer:
        """A request that may be repeated: a token that is not taken any more is had anew, a server that stumbles is asked again.
        Codes above 299 raise OSError unless they are in `ok`."""
        tail = f"/{quote(path)}" if path else ""
        got: Answer | None = None
        for n in range(TRIES):
            token, base = self.session(fresh=got is not None and got.status == 401)
            try:
                got = self.once(
                    method,
                    base + tail + (f"?{urlencode(query)}" if query else ""),
                    body,
                    {"X-Auth-Token": token} | (headers or {}),
                )
            except OSError:
                if n == TRIES - 1:
                    raise
                threading.Event().wait(0.2 * (n + 1))
                continue
            if got.status < 300 or got.status in ok:
                return got
            if got.status not in {401, 408, 498, 500, 502, 503, 504}:
                break
            threading.Event().wait(0.0 if got.status == 401 else 0.2 * (n + 1))
        assert got is not None
        raise problem(got.status, got.body, f"{method} {path}")

    def names(self, container: str, **query: str) -> Iterator[dict[str, Any]]:
        """A listing, page by page; an account's when there is no container."""
        marker = ""
        while True:
            got = self.ask(
                "GET", container, {"format": "json", "limit": str(PAGE), "marker": marker} | query, ok=(404,)
            )
            rows = json.loads(got.body) if got.status == 200 else []
            yield from rows
            if len(rows) < PAGE:
                return
            marker = str(rows[-1].get("name") or rows[-1]["subdir"])

    def most_segments(self) -> int:
        """How many segments a static manifest may have here; 0 where there are none."""
        if self._most_segments is None:
            parts = urlsplit(self.session()[1])
            root = parts.path.partition("/v1")[0]
            found = 0
            for path in dict.fromkeys((f"{root}/info", "/info")):
                got = self.once("GET", f"{parts.scheme}://{parts.netloc}{path}", None, {})
                if got.status == 200:
                    found = int(json.loads(got.body).get("slo", {}).get("max_manifest_segments", 0))
                    break
            self._most_segments = found
        return self._most_segments


class Put:
    """One object on its way: headers at once, bytes as they come, the answer at the end."""

    def __init__(self, account: Account, path: str, size: int | None) -> None:
        token, base = account.session()
        self.path, self.size, self.sent = path, size, 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._conn = account.connect(base)
        try:
            self._conn.putrequest("PUT", f"{urlsplit(base).path}/{quote(path)}", skip_accept_encoding=True)
            self._conn.putheader("X-Auth-Token", token)
            self._conn.putheader("Content-Type", "application/octet-stream")
            self._conn.putheader(*(("Transfer-Encoding", "chunked") if size is None else ("Content-Length", str(size))))
            self._conn.endheaders()
        except (OSError, http.client.HTTPException) as e:
            self._conn.close()
            raise e if isinstance(e, OSError) else OSError(errno.EIO, str(e)) from e

    def write(self, data: bytes | memoryview) -> None:
        try:
            if self.size is None:
                self._conn.send(b"%x\r\n" % len(data))
            self._conn.send(data)
            if self.size is None:
                self._conn.send(b"\r\n")
        except OSError as e:
            raise self._early() or e from None
        self.sent += len(data)
        self._md5.update(data)

    def _early(self) -> OSError | None:
        """What the server said when it did not want any more."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            found = self._conn.getresponse()
            return problem(found.status, found.read(1 << 16), f"PUT {self.path}")
        return None

    def finish(self) -> str:
        """The object is there; its hash. Raises OSError."""
        try:
            if self.size is None:
                self._conn.send(b"0\r\n\r\n")
            elif self.sent != self.size:
                raise OSError(errno.EIO, f"{self.sent} bytes came where {self.size} were announced")
            found = self._conn.getresponse()
            text, tag = found.read(1 << 16), (found.headers.get("etag") or "").strip('"')
        except http.client.HTTPException as e:
            raise OSError(errno.EIO, f"Swift broke off: {type(e).__name__} {e}") from e
        finally:
            self._conn.close()
        if found.status != 201:
            raise problem(found.status, text, f"PUT {self.path}")
        if tag and tag != self._md5.hexdigest():
            raise OSError(errno.EIO, f"Swift kept other bytes of {self.path} than it was sent")
        return self._md5.hexdigest()

    def close(self) -> None:
        self._conn.close()


class SwiftWriter:
    def __init__(self, store: SwiftStore, key: str, size: int | None) -> None:
        self.store, self.key, self.size = store, key, size
        self.container = store.container(key)
        whole = size is not None and size <= store.options.large_object_size * MIB
        self.part = None if whole else store.options.large_object_chunk_size * MIB
        self._put: Put | None = None
        self._parts: list[dict[str, Any]] = []
        self._at, self._whole = 0, False
        self._pipe: Pipe | None = None
        store.ready(self.container)

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            if self._put is None:
                self._put = self._next()
            room = len(view) if self.part is None else self.part - self._put.sent
            self._put.write(view[:room])
            self._at += len(view[:room])
            view = view[room:]
            if self.part is not None and self._put.sent >= self.part:
                self._end_part()

    def _next(self) -> Put:
        if self.part is None:
            return Put(self.store.account, f"{self.container}/{self.key}", self.size)
        left = None if self.size is None else min(self.part, self.size - self._at)
        return Put(
            self.store.account,
            f"{self.container}/{self.segment(len(self._parts) + 1)}",
            left if left is None or left > 0 else None,
        )

    def segment(self, n: int) -> str:
        return f"{SEGMENTS}{self.key}/{n:05d}"

    def _end_part(self) -> None:
        put, self._put = self._put, None
        assert put is not None
        etag = put.finish()
        self._parts.append({"path": "/" + put.path, "etag": etag, "size_bytes": put.sent})

    def _finish(self) -> None:
        """All of it is in Swift, under its key."""
        if self._whole:
            return
        if self.part is None:
            put = self._put or self._next()
            put.finish()
            self._put = None
        else:
            if self._put is not None:
                self._end_part()
            self._manifest()
        self._whole = True

    def _manifest(self) -> None:
        account, path = self.store.account, f"{self.container}/{self.key}"
        if 0 < len(self._parts) <= account.most_segments():
            account.ask("PUT", path, {"multipart-manifest": "put"}, json.dumps(self._parts).encode())
        else:
            prefix = quote(f"{self.container}/{SEGMENTS}{self.key}/")
            account.ask("PUT", path, None, b"", {"X-Object-Manifest": prefix} if self._parts else {})

    def fd(self) -> int | None:
        self._finish()
        self._pipe = Pipe(self.store.read(self.key))
        return self._pipe.read_end

    def raw(self) -> int:
        raise OSError(errno.ENOTSUP, "Swift is no staging area")

    def commit(self) -> None:
        self._finish()
        if self._pipe is not None:
            self._pipe.settle()

    def abort(self) -> None:
        """What cannot be taken away now is found by the sweeper: an abort never hides why it was made."""
        if self._put is not None:
            self._put.close()
        with contextlib.suppress(OSError):
            self.store.remove(self.key)


class SwiftStore:
    def __init__(self, options: Options) -> None:
        self.options, self.account = options, Account(options)
        self.cloud: str | None = None
        self._made: set[str] = set()
        self._ours = False

    def container(self, key: str) -> str:
        """Where a key's objects are: one container for all, or one for each beginning of the images' ids."""
        seed = self.options.multiple_containers_seed
        return self.options.container + (f"_{key[:seed]}" if seed else "")

    def _containers(self) -> list[str]:
        if not self.options.multiple_containers_seed:
            return [self.options.container]
        begin = self.options.container + "_"
        return [r["name"] for r in self.account.names("", prefix=begin)]

    def ready(self, container: str) -> None:
        """The container is there. Raises OSError."""
        if container in self._made:
            return
        if self.account.ask("HEAD", container, ok=(404,)).status == 404:
            if not self.options.create_container_on_put:
                raise OSError(
                    errno.ENOENT,
                    f"The container {container} does not exist in Swift; create_container_on_put=true makes it",
                )
            self.account.ask("PUT", container)
        self._claim()
        self._made.add(container)

    def _claim(self) -> None:
        """The place is this cloud's, marked so if it is nobody's yet. Raises OSError when it is another's."""
        if self.cloud is None or self._ours:
            return
        place = self.options.container
        for _ in range(3):
            got = self.account.ask("HEAD", f"{place}/{MARK}", ok=(404,))
            if got.status != 404:
                break
            mine = {"X-Object-Meta-Cloud": self.cloud, "If-None-Match": "*"}
            if self.account.ask("PUT", f"{place}/{MARK}", None, b"", mine, ok=(404, 412)).status == 404:
                if not self.options.multiple_containers_seed:
                    return  # there is no container, so there is nothing in it
                self.account.ask("PUT", place)
        text = got.headers.get("x-object-meta-cloud", "")
        if text != self.cloud:
            raise foreign(f"The container {place}", text)
        self._ours = True

    def create(self, key: str, size: int | None = None) -> SwiftWriter:
        return SwiftWriter(self, key, size)

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        tag: list[str] = []

        def open(at: int) -> Opened:
            found, conn = self._get(key, at, None if length is None else start + length)
            now, size = found.headers.get("etag", ""), found.headers.get("content-length", "")
            if tag and now != tag[0]:
                conn.close()
                raise OSError(errno.EIO, "the object changed while it was read")
            tag[:] = [now]
            return Opened(
                _reader(found), conn.close, at + int(size) if size.isdecimal() and found.status != 416 else at
            )

        return resumed(open, start)

    def _get(self, key: str, at: int, end: int | None) -> tuple[http.client.HTTPResponse, http.client.HTTPConnection]:
        """An answer whose body waits to be read; 416 when there is nothing from `at` on."""
        for again in (False, True):
            token, base = self.account.session(fresh=again)
            conn = self.account.connect(base)
            headers = {"X-Auth-Token": token}
            if at or end is not None:
                headers["Range"] = f"bytes={at}-{'' if end is None else end - 1}"
            try:
                conn.request("GET", f"{urlsplit(base).path}/{quote(self.container(key))}/{quote(key)}", headers=headers)
                found = conn.getresponse()
                if found.status in {200, 206, 416}:
                    return found, conn
                text = found.read(1 << 16)
            except http.client.HTTPException as e:
                conn.close()
                raise OSError(errno.EIO, f"Swift broke off: {type(e).__name__} {e}") from e
            except OSError:
                conn.close()
                raise
            conn.close()
            if found.status != 401 or again:
                raise problem(found.status, text, f"GET {key}")
        raise AssertionError

    def path(self, key: str) -> Path | None:
        return None

    def url(self, key: str) -> str:
        return f"swift+config://{self.options.container}/{self.container(key)}/{key}"

    def remove(self, key: str) -> None:
        container = self.container(key)
        self.account.ask("DELETE", f"{container}/{key}", ok=(404,))
        self.discard(key)

    def ids(self) -> set[str]:
        self._claim()
        found = (r for c in self._containers() for r in self.account.names(c, end_marker=SEGMENTS))
        return {r["name"] for r in found if "name" in r and KEY.fullmatch(r["name"])}

    def _segmented(self) -> Iterator[str]:
        for container in self._containers():
            for row in self.account.names(container, prefix=SEGMENTS, delimiter="/"):
                if "subdir" in row:
                    yield row["subdir"].removeprefix(SEGMENTS).rstrip("/")

    def unfinished(self) -> set[str]:
        self._claim()
        segmented = {k for k in self._segmented() if KEY.fullmatch(k)}
        return segmented - self.ids() if segmented else set()

    def discard(self, key: str) -> None:
        container = self.container(key)
        for row in list(self.account.names(container, prefix=f"{SEGMENTS}{key}/")):
            self.account.ask("DELETE", f"{container}/{row['name']}", ok=(404,))


def _reader(found: http.client.HTTPResponse) -> Callable[[int], bytes]:
    def read(size: int) -> bytes:
        try:
            return found.read(size)
        except http.client.HTTPException as e:
            raise OSError(errno.EIO, f"Swift broke off: {type(e).__name__} {e}") from e

    return read
