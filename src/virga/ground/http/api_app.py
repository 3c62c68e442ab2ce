# SPDX-License-Identifier: Apache-2.0
"""The ASGI application of the APIs: from bytes on a socket to a call and back. Async outside; an action runs whole, in one thread, in one transaction."""

from __future__ import annotations

import asyncio
import hmac
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qs, unquote_to_bytes

import msgspec

from virga.ground import errors, log, metrics, typed, wire
from virga.ground.act import NOBODY, Actor
from virga.ground.db.engine import Database
from virga.ground.db.isolation import Retry
from virga.ground.http.call import Answer, Authenticator, Call, Cold, Query, Request
from virga.ground.http.faults import Faults, keystone
from virga.ground.http.table import Route, Service, Table, at_version
from virga.ground.http.turns import PARTY, Parties, Threads, Turns
from virga.ground.registry import Registry

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send, str, str, str], Awaitable[int]]
"""An API with HTTP of its own (byte streams, raw paths): `app(scope, receive, send, mount, request id, base)` answers, and says the code."""
MAX_JSON = 512 * 1024
"""The longest JSON body: four times what upstream's `sizelimit` takes. Decoding it holds the interpreter for milliseconds."""
MAX_NOBODYS = 112 * 1024
"""The longest body of a caller whom nobody knows yet: oslo.middleware's `max_request_body_size`, which holds for Keystone."""
MEMORY = 1 << 25
"""Bytes that the bodies of all calls may hold at once."""
SMALL = 1 << 16
"""A body that asks for no turn: a connection buffers as much."""
BRIEF = 4 * 1024
"""The longest body that is decoded on the event loop: as many small values as fit take milliseconds, not one of which others can use."""
BODY_SECONDS = 60.0
VERBS = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE", "COPY", "OPTIONS", "PATCH"})
BODIES = frozenset({"PUT", "POST", "PATCH"})
PLAIN = Faults(keystone)


class Gone(Exception):
    """The client hung up."""


def answered(route: Route, version: wire.Version, answer: Answer) -> None:
    """Called with every answer that is written down. Tests hold it against what the row declares."""


class ApiApp:
    """The ASGI application. `services` are mounted at their paths and, on their own ports, at the root."""

    def __init__(
        self,
        services: list[Service],
        registry: Registry,
        db: Database,
        *,
        public_url: str | None = None,
        main_port: int = 0,
        hosts: frozenset[str] = frozenset(),
        workers: int = 8,
    ) -> None:
        self.services = services
        self.registry, self.db = registry, db
        self.public_url = public_url.rstrip("/") if public_url else None
        self.main_port, self.hosts = main_port, hosts
        self.default_base = self.public_url or "http://127.0.0.1"
        self.tables = {s.name: Table(s.routes) for s in services}
        self.mounts = {s.path.strip("/"): s for s in services}
        self.roots = {root: s for s in services for root in s.roots}
        self.ports: dict[int, Service] = {}
        self.hooks: dict[str, Callable[[bytes], Any]] = {}
        self.pages: dict[str, Callable[[], tuple[str, bytes]]] = {}
        self.metrics: Callable[[], tuple[str, bytes]] | None = None
        self.metrics_port = 0
        """A port at which the metrics are read, and nothing else."""
        self.metrics_token = ""
        """Who sends it reads them beside the APIs."""
        self.metrics_open = False
        self.apps: dict[str, App] = {}
        self.parties = Parties(lambda token: registry.use(Authenticator).hot(token))
        # SQLite's work is done in this interpreter, by one thread at a time: a second would only take its time from the others
        shared = 1 if db.sqlite else max(1, workers // 4)
        self.threads = Threads("a thread", workers, alone=max(1, workers - 1), shared=shared, prefix="call")
        self.slow_threads = Threads("a password's thread", 2, alone=2, shared=1, prefix="slow")
        self.memory = Turns("memory", MEMORY, alone=MEMORY // 2, shared=MEMORY // 4)
        self.nobodys_memory = Turns("memory", MEMORY // 8, alone=MEMORY // 32, shared=MEMORY // 64)
        self.log = log.get("api")

    # -- ASGI ------------------------------------------------------------------------------------------------------

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        began = time.perf_counter()
        id = f"req-{uuid.uuid4()}"
        PARTY.set(scope.get("party") or self.parties.of(scope))
        if scope["method"] in BODIES and any(name == b"expect" for name, _ in scope["headers"]):
            receive, send = _expecting(receive, send)
        if self.metrics_port and (scope.get("server") or ("", 0))[1] == self.metrics_port:
            await self._measured(scope, send, id)
            return
        if self.apps and (own := self._app(scope)) is not None:
            name, app, mount = own
            number = await app(scope, receive, send, mount, id, self._base(scope))
            metrics.REQUESTS.labels(name, scope["method"] if scope["method"] in VERBS else "-", str(number)).inc()
            metrics.SECONDS.labels(name).observe(time.perf_counter() - began)
            return
        service: Service | None = None
        route: Route | None = None
        try:
            path = scope.get("raw_path") or scope["path"].encode()
            parts = _parts(path.partition(b"?")[0])
            service, parts, mounted = self._mount(scope, parts)
            if service is None:
                hook = self.hooks.get("/".join(parts)) if scope["method"] == "POST" else None
                if hook is not None:
                    code, headers, body = (
                        200,
                        {"content-type": "application/json"},
                        wire.encode(hook(await _read(receive, {}, BodyMemory(self.nobodys_memory, MAX_NOBODYS)))),
                    )
                else:
                    code, headers, body = self._page(scope, parts)
                await _send(send, code, headers, body, id)
                return
            answer, code, route = await self._serve(scope, receive, service, parts, mounted, id)
            headers, body = self._headers(service, answer), answer.body or b""
            if answer.stream is not None:
                await _send_stream(send, code, headers, answer.stream, id)
            else:
                await _send(send, code, headers, b"" if scope["method"] == "HEAD" else body, id, length=len(body))
        except Gone:
            code = 499
        except Exception as e:
            problem = self._problem(e, id)
            faults = service.faults if service is not None else PLAIN
            problem.facts.setdefault("request_id", id)
            code, fault = faults.answer(problem)
            headers = {"content-type": "application/json"}
            if code == 401:
                headers["www-authenticate"] = f'Keystone uri="{self._base(scope)}/identity"'
            if code in {429, 503}:
                headers["retry-after"] = "1"
            if "allow" in problem.facts:
                headers["allow"] = str(problem.facts["allow"])
            if service is not None:
                headers |= self._version_headers(service, None)
            body = msgspec.json.encode(fault)
            # this frame is in the traceback: a circle that would keep the request and its body until the collector comes by
            problem.__traceback__ = e.__traceback__ = None
            await _send(send, code, headers, b"" if scope["method"] == "HEAD" else body, id, length=len(body))
        name = service.name if service is not None else "-"
        metrics.REQUESTS.labels(name, route.name if route is not None else "-", str(code)).inc()
        metrics.SECONDS.labels(name).observe(time.perf_counter() - began)

    def _app(self, scope: Message) -> tuple[str, App, str] | None:
        """The application that the path's first segment, or the port, belongs to, and where it is mounted."""
        path: bytes = scope.get("raw_path") or scope["path"].encode()
        service = self.mounts.get(path.split(b"/", 2)[1].decode("latin-1")) if path[:1] == b"/" else None
        mount = service.path if service is not None else ""
        if service is None:
            service = self.ports.get((scope.get("server") or ("", 0))[1])
        app = self.apps.get(service.name) if service is not None else None
        return None if app is None or service is None else (service.name, app, mount)

    def _mount(self, scope: Message, parts: list[str]) -> tuple[Service | None, list[str], str]:
        if parts and parts[0] in self.mounts:
            service = self.mounts[parts[0]]
            return service, parts[1:], service.path
        own = self.ports.get((scope.get("server") or ("", 0))[1]) or self.roots.get("/".join(parts[:2]))
        return (own, parts, own.path) if own is not None else (None, parts, "")

    async def _measured(self, scope: Message, send: Send, id: str) -> None:
        """The one page of the metrics' own port."""
        if scope["path"] == "/metrics" and self.metrics is not None and scope["method"] in {"GET", "HEAD"}:
            code, (kind, body) = 200, self.metrics()
        else:
            code, fault = PLAIN.answer(errors.NotFound("The resource could not be found."))
            kind, body = "application/json", msgspec.json.encode(fault)
        await _send(
            send, code, {"content-type": kind}, b"" if scope["method"] == "HEAD" else body, id, length=len(body)
        )

    def _may_measure(self, scope: Message) -> None:
        """The metrics tell what a cloud does and how much of it: by setting, whom. Raises Unauthorized, Forbidden."""
        if self.metrics_open:
            return
        if not self.metrics_token:
            raise errors.Forbidden(
                "The metrics are not read here: the setting server.metrics_listen gives them an address of their own, "
                "server.metrics_token a token.",
                rule="server.metrics_token",
            )
        sent = next((v for k, v in scope["headers"] if k == b"authorization"), b"")
        if not hmac.compare_digest(sent, b"Bearer " + self.metrics_token.encode()):
            raise errors.Unauthorized("The metrics are for whoever sends the token of server.metrics_token.")

    def _page(self, scope: Message, parts: list[str]) -> tuple[int, dict[str, str], bytes]:
        page = self.pages.get("/".join(parts))
        if parts == ["metrics"] and self.metrics is not None:
            self._may_measure(scope)
            page = self.metrics
        if page is None:
            raise errors.NotFound("The resource could not be found.")
        kind, body = page()
        return 200, {"content-type": kind}, body

    def _problem(self, e: Exception, id: str) -> errors.Problem:
        if isinstance(e, errors.Problem):
            return e
        if isinstance(e, Retry):
            return errors.Unavailable("The database asks to try again.")
        self.log.exception("request_failed", request=id, exc_info=e)
        return errors.Broken(
            f"An unexpected error prevented the server from fulfilling your request; it is logged under {id}."
        )

    # -- one call --------------------------------------------------------------------------------------------------

    async def _serve(
        self, scope: Message, receive: Receive, service: Service, parts: list[str], mounted: str, id: str
    ) -> tuple[Answer, int, Route]:
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        method = scope["method"]
        if service.spelled is not None:
            parts = service.spelled(parts)
        version = _version(service, headers, parts)
        path_parts, project = parts, ""
        if service.tenant_in_path and len(parts) > 1 and _is_project(parts[1]):
            project = parts[1]
            parts = [parts[0], *parts[2:]]
        rows, params = self.tables[service.name].find(method, parts)
        route = None if isinstance(rows, dict) else at_version(rows, version)
        public = route is not None and route.public
        raw_query = scope.get("query_string", b"").decode("latin-1")
        try:
            query = (
                parse_qs(raw_query, keep_blank_values=True, max_num_fields=1000, errors="strict") if raw_query else {}
            )
        except (ValueError, UnicodeDecodeError):
            raise errors.Invalid(
                "The query string is not valid UTF-8, or has more than 1000 fields", field="query"
            ) from None
        bounds = route.query_bounds if route is not None else None
        if bounds is not None and query:
            wire.check_query(bounds, query)
        if route is not None and route.header_bounds is not None:
            wire.check_query(route.header_bounds, {k: [v] for k, v in headers.items()}, what="header")
        if "%00" in raw_query:
            raise errors.Invalid("The query string holds a NUL character", field="query")
        request = Request(
            id=id,
            method=method,
            path=scope["path"],
            service_path=mounted,
            query=Query(query, bounds or ()),
            raw_query=raw_query,
            headers=headers,
            base=self._base(scope, headers),
            client=(scope.get("client") or ("",))[0],
        )
        call = Call(
            actor=NOBODY,
            registry=self.registry,
            db=self.db,
            request_id=id,
            version=version,
            request=request,
        )
        token = headers.get("x-auth-token", "")
        loop = asyncio.get_running_loop()
        if token:
            authenticator = self.registry.use(Authenticator)
            try:
                actor: Actor | None = authenticator.hot(token)
            except Cold:
                actor = await loop.run_in_executor(self.threads, authenticator.cold, token)
                party = self.parties.seen(token, actor)
                if party is not None:
                    PARTY.set(party)
            if actor is None and service.admit is not None:
                actor = service.admit(call, token)
            call.actor = actor or NOBODY
            if call.actor.access_rules is not None:
                _access(call.actor, service, method, path_parts)
        if not public and call.actor is NOBODY:
            raise errors.Unauthorized("The request you have made requires authentication.")
        if (
            project
            and call.actor is not NOBODY
            and project.replace("-", "") != (call.actor.project_id or "").replace("-", "")
        ):
            raise errors.Invalid(  # as Nova says it
                f"Malformed request URL: URL's project_id '{project}' doesn't match Context's project_id '{call.actor.project_id}'",
                field="project_id",
            )
        if route is not None and route.stream:
            request.stream = _chunks(receive)
            answer = await route.action(call, *params)
            answer.version = version
            return answer, answer.code or route.code, route
        if method in {"GET", "HEAD", "DELETE"} and headers.get("content-length", "0") == "0":
            return await self._called(call, rows, route, params)
        nobodys = call.actor is NOBODY
        held = BodyMemory(self.nobodys_memory if nobodys else self.memory, MAX_NOBODYS if nobodys else MAX_JSON)
        try:
            request.body = await _read(receive, headers, held)
            return await self._called(call, rows, route, params)
        finally:
            held.leave()

    async def _called(
        self, call: Call, rows: list[Route] | dict[str, list[Route]], route: Route | None, params: tuple[str, ...]
    ) -> tuple[Answer, int, Route]:
        """Decode the body and run the action where it belongs: from memory and short reads on the loop, the rest in threads."""
        loop = asyncio.get_running_loop()
        if len(call.request.body) <= BRIEF:
            row, args = _decoded(call, rows, route, params)
        else:
            row, args = await loop.run_in_executor(self.threads, _decoded, call, rows, route, params)
        if row.inline:
            call.hot = True
            try:
                if row.slow and not (
                    row.brief is not None and self.db.sqlite and not self.db.busy and row.brief(*args)
                ):
                    return await loop.run_in_executor(self.threads, self._act, row, call, args)
                return self._act(row, call, args) if row.slow else self._finish(row, row.action(call, *args), call)
            except Cold:
                call.hot = False
        if self.db.sqlite and row.short and not self.db.busy:
            return self._act(row, call, args)
        return await loop.run_in_executor(self.slow_threads if row.slow else self.threads, self._act, row, call, args)

    def _act(self, route: Route, call: Call, args: tuple[Any, ...]) -> tuple[Answer, int, Route]:
        """Run the action in its transaction, again if the database asks, then the view on what it returned."""
        kind = route.transaction

        def attempt() -> Any:
            try:
                if kind == "none":
                    return route.action(call, *args)
                with self.db.read() if kind == "read" else self.db.write() as tx:
                    call.open = tx
                    return route.action(call, *args)
            finally:
                call.open = None

        value = self.db.again(attempt)
        return self._finish(route, value, call)

    def _finish(self, route: Route, value: Any, call: Call) -> tuple[Answer, int, Route]:
        out = route.view(value, call) if route.view is not None else value
        answer = out if isinstance(out, Answer) else Answer(body=out)
        answer.version = call.version
        if route.sends is not None:
            for name in route.unsent(call.version):
                answer.headers.pop(name, None)
        if answer.stream is None and not isinstance(answer.body, bytes):
            answer.body = b"" if answer.body is None else wire.encode(answer.body, call.version)
            answered(route, call.version, answer)
        code = answer.code or route.code
        return answer, code, route

    def _headers(self, service: Service, answer: Answer) -> dict[str, str]:
        headers = {k: v for k, v in answer.headers.items() if v != ""}
        if answer.stream is not None or answer.body:
            headers.setdefault("content-type", answer.content_type)
        return headers | self._version_headers(service, answer.version)

    @staticmethod
    def _version_headers(service: Service, version: wire.Version | None) -> dict[str, str]:
        spoken = service.versions
        if not spoken.service:
            return {}
        major, minor = version or spoken.default
        headers = {"openstack-api-version": f"{spoken.service} {major}.{minor}", "vary": "OpenStack-API-Version"}
        if spoken.legacy_header:
            headers[spoken.legacy_header.lower()] = f"{major}.{minor}"
            headers["vary"] = f"OpenStack-API-Version, {spoken.legacy_header}"
        return headers

    def _base(self, scope: Message, headers: dict[str, str] | None = None) -> str:
        """The address for links: the public one by setting, else the caller's Host when it is one of ours."""
        if self.public_url:
            return self.public_url
        host = (
            headers.get("host", "")
            if headers is not None
            else next((v.decode("latin-1") for k, v in scope["headers"] if k == b"host"), "")
        )
        scheme = scope.get("scheme", "http")
        name, port = _split_host(host)
        if name not in self.hosts:
            return self.default_base
        if (scope.get("server") or ("", 0))[1] in self.ports:
            port = str(self.main_port)
        shown = f"[{name}]" if ":" in name else name
        return f"{scheme}://{shown}:{port}" if port else f"{scheme}://{shown}"


def _decoded(
    call: Call, rows: list[Route] | dict[str, list[Route]], route: Route | None, params: tuple[str, ...]
) -> tuple[Route, tuple[Any, ...]]:
    """The row (by the body's action, where the path has actions) and what its action is called with."""
    request = call.request
    if isinstance(rows, dict):
        route, value = _verb(rows, request.body, call.version, request.headers)
        return route, (*params, value) if route.body is not None else params
    assert route is not None
    if route.body is None:
        return route, params
    _media(route, request.headers)
    body = wire.decode(route.body, request.body, call.version, key=route.key, bulk=route.bulk, most=route.most)
    return route, (*params, body)


def _access(actor: Actor, service: Service, method: str, parts: list[str]) -> None:
    """Only what one of the token's access rules covers, by the path inside the service or by the whole; a token may always be looked
    at (keystonemiddleware does the same)."""
    inner = "/" + "/".join(parts)
    if service.type == "identity" and method in {"GET", "HEAD"} and inner == "/v3/auth/tokens":
        return
    actor.hold_to_rules(service.type, method, (inner, service.path + inner))


def _split_host(host: str) -> tuple[str, str]:
    if host.startswith("["):
        name, _, port = host[1:].partition("]")
        return name, port.removeprefix(":")
    name, _, port = host.partition(":")
    return name.lower(), port if port.isdecimal() else ""


def _parts(path: bytes) -> list[str]:
    """The decoded segments of a path; a bad encoding, a NUL or an endless segment is simply not found."""
    out = []
    for raw in path.split(b"/"):
        if not raw:
            continue
        try:
            text = (unquote_to_bytes(raw) if b"%" in raw else raw).decode()
        except UnicodeDecodeError:
            raise errors.NotFound("The resource could not be found.") from None
        if "\0" in text or len(text) > 1024:
            raise errors.NotFound("The resource could not be found.")
        out.append(text)
    return out


def _is_project(part: str) -> bool:
    plain = part.replace("-", "")
    return len(plain) == 32 and all(c in "0123456789abcdef" for c in plain)


def _version(service: Service, headers: dict[str, str], parts: list[str]) -> wire.Version:
    """The microversion that the caller asks for: `OpenStack-API-Version: compute 2.37`, or the older header."""
    spoken = service.versions
    if not spoken.service:
        return (0, 0)
    if parts and parts[0] == "v2":
        return spoken.low
    text = None
    for each in headers.get("openstack-api-version", "").split(","):
        name, _, number = each.strip().partition(" ")
        if name == spoken.service or name == spoken.service.removesuffix("s"):
            text = number.strip()
    if text is None and spoken.legacy_header:
        text = headers.get(spoken.legacy_header.lower())
    if text is None:
        return spoken.default
    if text == "latest":
        return spoken.high
    major, _, minor = text.partition(".")
    if not (major.isdecimal() and minor.isdecimal() and len(text) < 12):
        raise errors.Invalid(
            f"API Version String '{text[:40]}' is of invalid format. Must be of format MajorNum.MinorNum.",
            field="OpenStack-API-Version",
        )
    version = (int(major), int(minor))
    if not spoken.low <= version <= spoken.high:
        low, high = (f"{a}.{b}" for a, b in (spoken.low, spoken.high))
        raise errors.NotAcceptable(
            f"Version {text} is not supported by the API. Minimum is {low} and maximum is {high}."
        )
    return version


def _media(route: Route, headers: Mapping[str, str]) -> None:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind and kind not in route.accepts:
        raise errors.UnsupportedMedia(
            f"The format {kind[:80]} of the body is not supported; send {' or '.join(route.accepts)}",
            field="Content-Type",
        )


def _verb(
    rows: dict[str, list[Route]], raw: bytes, version: wire.Version, headers: Mapping[str, str]
) -> tuple[Route, Any]:
    """The action row of the body's one key, and its decoded value."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind and kind != "application/json":
        raise errors.UnsupportedMedia(
            f"The format {kind[:80]} of the body is not supported; send application/json", field="Content-Type"
        )
    try:
        body = typed.decode(raw, dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError) as e:
        raise errors.Invalid(f"The body is not a JSON object with one action: {e}", field="body") from None
    if len(body) != 1:
        raise errors.Invalid(f"The body must name exactly one action, it names {len(body)}", field="body")
    verb, value = next(iter(body.items()))
    if verb not in rows:
        raise errors.Invalid(f"There is no such action: {verb[:80]}", field=verb[:80])
    route = at_version(rows[verb], version)
    if route.body is None:
        return route, None
    data = bytes(value)
    return route, wire.decode(route.body, b"{}" if data == b"null" else data, version)


def _expecting(receive: Receive, send: Send) -> tuple[Receive, Send]:
    """For a client that waits to be asked for its body (`Expect: 100-continue`): when it is answered without, nobody knows whether the
    next bytes are that body or another request, so the connection ends with the answer (RFC 9110, 10.1.1)."""
    requested = False

    async def ask() -> Message:
        nonlocal requested
        requested = True
        return await receive()

    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start" and not requested:
            rest = [(k, v) for k, v in message["headers"] if k.lower() != b"connection"]
            message = {**message, "headers": [*rest, (b"connection", b"close")]}
        await send(message)

    return ask, answer


class BodyMemory:
    """The memory of one body: `most` bytes. What passes SMALL waits for its turn, and is given back when the request ends."""

    __slots__ = ("had", "most", "party", "turns")

    def __init__(self, turns: Turns, most: int) -> None:
        self.turns, self.most, self.party, self.had = turns, most, PARTY.get(), 0

    async def have(self, size: int) -> None:
        """Raises TooMany."""
        if size > SMALL and not self.had:
            await self.turns.wait(self.party, size)
            self.had = size

    def leave(self) -> None:
        if self.had:
            self.turns.leave(self.party, self.had, self.had * 1e-9)
            self.had = 0


async def _read(receive: Receive, headers: dict[str, str], held: BodyMemory) -> bytes:
    """The body, whole. Raises TooLarge past its bound, TooMany, Invalid when it takes too long."""
    declared, most = headers.get("content-length", ""), held.most
    if declared.isdecimal():
        if int(declared) > most:
            raise errors.TooLarge(f"The body is {declared} bytes long, at most {most} are taken", limit=most)
        await held.have(int(declared))
    got, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS) as patience:
            async for chunk in _chunks(receive):
                size += len(chunk)
                if size > most:
                    raise errors.TooLarge(f"The body is longer than {most} bytes", limit=most)
                got.append(chunk)
                if size > SMALL and not held.had:  # nobody said how long it will be
                    patience.reschedule(None)
                    await held.have(most)
                    patience.reschedule(asyncio.get_running_loop().time() + BODY_SECONDS)
    except TimeoutError:
        raise errors.Invalid(f"The body did not arrive within {BODY_SECONDS:.0f} seconds", field="body") from None
    return got[0] if len(got) == 1 else b"".join(got)


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body"):
            return


def _raw_headers(headers: dict[str, str], id: str) -> list[tuple[bytes, bytes]]:
    raw = [
        (k.lower().encode("latin-1"), v.encode("latin-1", "replace").replace(b"\r", b"").replace(b"\n", b""))
        for k, v in headers.items()
    ]
    raw.append((b"x-openstack-request-id", id.encode()))
    return raw


async def _send(
    send: Send, code: int, headers: dict[str, str], body: bytes, id: str, length: int | None = None
) -> None:
    raw = _raw_headers(headers, id)
    if code != 204 and "content-length" not in headers:
        raw.append((b"content-length", str(len(body) if length is None else length).encode()))
    await send({"type": "http.response.start", "status": code, "headers": raw})
    await send({"type": "http.response.body", "body": body})


async def _send_stream(send: Send, code: int, headers: dict[str, str], stream: AsyncIterator[bytes], id: str) -> None:
    await send({"type": "http.response.start", "status": code, "headers": _raw_headers(headers, id)})
    async for chunk in stream:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
