# SPDX-License-Identifier: Apache-2.0
"""Swift's ASGI application: from the socket to an account, a container or an object, and back. The order of what may take a request over is
the order of upstream's pipeline."""

from __future__ import annotations

import base64
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import msgspec

from virga.ground import log
from virga.ground.db.isolation import Retry
from virga.ground.errors import Problem, Unavailable
from virga.services.objects import limits, model, policy
from virga.services.objects.bodies import Replaced, Vanished, replaced_too_fast, steady
from virga.services.objects.context import ObjectContext
from virga.services.objects.http import Answered, Gone, Request, Response, parse_query, sender, unquote
from virga.services.objects.swift import bulk, cors, domain, info, sync, tempurl, web
from virga.services.objects.swift.containers import Containers
from virga.services.objects.swift.entry import Entry, enter, known
from virga.services.objects.swift.metadata import OCTETS
from virga.services.objects.swift.objects import Objects
from virga.services.objects.swift.replies import fault, page, plain, refuse, title

INTERNAL = (
    "x-backend-",
    "x-container-host",
    "x-container-device",
    "x-container-partition",
    "x-container-root-db-state",
    "x-account-host",
    "x-account-device",
    "x-account-partition",
    "x-delete-at-host",
    "x-delete-at-container",
    "x-delete-at-device",
    "x-delete-at-partition",
    "x-account-sysmeta-",
    "x-container-sysmeta-",
    "x-object-sysmeta-",
    "x-object-transient-sysmeta-",
    "x-object-meta-crypto",
    "x-container-delete-timestamp",
    "x-put-timestamp",
    "x-iv-",
    "x-static-large-object",
)
"""Headers by which upstream's own servers talk: from a client they mean nothing, and are dropped before anything looks."""
METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE", "COPY", "OPTIONS"})
CHANGES = frozenset({"PUT", "POST", "DELETE", "COPY"})
MAX_HEADER = limits.HEADER


class Swift:
    """The ASGI application of the object-store API."""

    def __init__(self, context: ObjectContext) -> None:
        self.context = context
        self.containers = Containers(context)
        self.objects = Objects(context)
        self.log = log.get("objects")
        self._slots: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Any, receive: Any, send: Any, mount: str, id: str, base: str) -> int:
        """Answer one request; the code it got."""
        trans = f"tx{id.removeprefix('req-').replace('-', '')[:21]}-{int(time.time()):010x}"
        method = scope["method"]
        request: Request | None = None
        try:
            request = read_request(scope, receive, mount, trans, base)
            response = await self.answer(request)
        except Answered as a:
            response = a.response
        except Problem as p:
            response = fault(p)
        except Replaced:
            response = fault(replaced_too_fast())
        except Retry:
            response = fault(Unavailable("The database asks to try again."))
        except Vanished:
            response = page(408, "The server has waited too long for the request to be sent by the client.")
            response.headers["connection"] = "close"
        except Gone:
            return 499
        except Exception as e:
            self.log.exception("request_failed", request=trans, exc_info=e)
            response = page(500, f"The server could not complete the request; it is logged under {trans}.")
        if request is not None:
            await cors.dress(self.context, request, response)
            if request.header("connection").lower() == "keep-alive" and scope.get("http_version") == "1.1":
                response.headers.setdefault("connection", "keep-alive")
        return await send_response(
            send, method, response, [("x-trans-id", trans), ("x-openstack-request-id", trans)], self.log, spell=title
        )

    async def answer(self, request: Request) -> Response:
        if request.path in {"/healthcheck", "/crossdomain.xml"}:
            return info.answer(self.context, request)
        if self.context.settings.domain:
            await domain.remap(self.context, request)
        if request.path in {"/info", "/", ""}:
            return info.answer(self.context, request)
        if request.path == "/housekeeping" and request.method == "GET":
            return await self.housekeeping(request)
        account, container, name = split_path(request.path)
        if request.method not in METHODS:
            return page(405, "The method is not allowed for this resource.", allow=", ".join(sorted(METHODS)))
        if request.method == "OPTIONS":
            return await cors.preflight(self.context, request, account, container)
        if self.context.settings.read_only and request.method in CHANGES:
            return plain(405, "Writes are disabled for this cluster.")
        entry = await enter(self.context, request)
        if container and name and sync.wanted(request):
            entry.signed_access = await sync.signed_access(self.context, request, account, container)
        if tempurl.wanted(request):
            entry.signed_access = await tempurl.signed_access(self.context, request, account, container, name)
            if name is None:
                shown = await web.container(self.objects, request, entry, account, container or "")
                if shown is None or (shown.code == 200 and "staticweb" not in request.notes):
                    raise tempurl.refused("Temp URL invalid")
                response = shown
            else:
                response = await self.objects_for(request, entry, account, container or "", name)
            tempurl.dress(request, response, name or "")
            return response
        if (
            request.method == "POST"
            and container
            and request.header("content-type").lower().startswith("multipart/form-data")
        ):
            return await tempurl.form_post(
                self.objects.lookup, self.objects.writes, request, account, container, name or ""
            )
        if not known(self.context, account):
            await entry.allow(request, account, None, name, container_name=container)
            raise refuse(404, "There is no such account.")
        if request.method in {"POST", "DELETE"} and "bulk-delete" in request.query:
            await entry.allow(request, account, None, None, container_name=container or "", method="POST")
            return await bulk.bulk_delete(self.objects.lookup, self.objects.writes, request, entry, account)
        if request.method == "PUT" and "extract-archive" in request.query:
            await entry.allow(request, account, None, None, container_name=container or "", method="POST")
            base = "/".join(p for p in (container, name) if p)
            return await bulk.extract(
                self.objects.lookup,
                self.objects.writes,
                request,
                entry=entry,
                account=account,
                base=base,
                kind=request.query["extract-archive"],
            )
        if container is None:
            return await self.containers.account(request, entry, account)
        if self.context.settings.ratelimit and request.method in CHANGES:
            self.slow_down(account, container)
        if name is None:
            if request.method in {"GET", "HEAD"}:
                shown = await web.container(self.objects, request, entry, account, container)
                if shown is not None:
                    return shown
            return await self.containers.container(request, entry, account, container)
        return await self.objects_for(request, entry, account, container, name)

    async def housekeeping(self, request: Request) -> Response:
        """Figures for the operator (`virga objects status`); an administrator's token is needed."""
        from virga.services.objects.api import status

        entry = await enter(self.context, request)
        if not entry.holds(policy.STATUS, entry.own):
            raise Answered(page(403 if entry.actor.user_id else 401, "Only an administrator sees the housekeeping."))
        told = await self.context.bodies._off(status, self.context)
        return Response(200, {"content-type": "application/json"}, msgspec.json.encode(told))

    async def objects_for(self, request: Request, entry: Entry, account: str, container: str, name: str) -> Response:
        o, m = self.objects, request.method
        if m in {"GET", "HEAD"}:
            read = web.object if web.active(request, entry) else None
            work = steady(
                lambda: (
                    o.get(request, entry, account, container, name)
                    if read is None
                    else read(o, request, entry, account, container, name)
                )
            )
        elif m == "PUT":
            work = o.put(request, entry, account, container, name)
        elif m == "POST":
            work = o.post(request, entry, account, container, name)
        elif m == "DELETE":
            work = o.delete(request, entry, account, container, name)
        else:
            work = o.copy(request, entry, account, container, name)
        response = await work
        if request.notes.get("quoted") and response.headers.get("etag", '"')[0] != '"':
            response.headers["etag"] = f'"{response.headers["etag"]}"'
        return response

    def slow_down(self, account: str, container: str) -> None:
        """A token bucket per container: 498 past the rate, with the time to wait."""
        rate, now, key = self.context.settings.ratelimit, time.monotonic(), f"{account}/{container}"
        left, at = self._slots.pop(key, (float(rate), now))
        left = min(float(rate), left + (now - at) * rate)
        self._slots[key] = (left - 1 if left >= 1 else left, now)
        while len(self._slots) > 10000:
            self._slots.popitem(last=False)
        if left < 1:
            response = plain(498, "Slow down: the container's write rate is passed.")
            response.headers["retry-after"] = "1"
            raise Answered(response)


def split_path(path: str) -> tuple[str, str | None, str | None]:
    """`/v1/account[/container[/object]]`; the object keeps its slashes. Raises 400, 404 and 412."""
    parts = path.split("/", 4)
    if len(parts) < 3 or (len(parts) == 3 and not parts[2]):
        raise refuse(412, "Bad URL")
    if parts[1] not in {"v1", "v1.0"} or not parts[2]:
        raise Answered(page(404, "The resource could not be found."))
    try:
        out = [unquote(p) for p in parts[2:]]
    except UnicodeDecodeError:
        raise refuse(412, "Invalid UTF8 or contains NULL") from None
    if any("\0" in p for p in out):
        raise refuse(412, "Invalid UTF8 or contains NULL")
    account, container, name = (*out, "", "")[:3]
    if len(account.encode()) > model.MAX_ACCOUNT:
        raise refuse(400, f"Account name length longer than {model.MAX_ACCOUNT}")
    if not container and name:
        raise Answered(page(404, "The resource could not be found."))
    if "/" in container:
        raise refuse(400, "Container name cannot contain slashes")
    return account, container or None, name or None


def read_request(scope: Any, receive: Any, mount: str, id: str, base: str) -> Request:
    """The request without what only upstream's own servers may say. Raises 400 for what is not HTTP as it should be."""
    several: dict[str, list[str]] = {}
    order: list[tuple[str, str]] = []
    if len(scope["headers"]) > limits.HEADERS:
        raise refuse(431, f"Too many headers: at most {limits.HEADERS}")
    if len(scope.get("raw_path") or b"") + len(scope.get("query_string", b"")) > limits.ADDRESS:
        raise refuse(414, "Request URI too long")
    for k, v in scope["headers"]:
        name = k.decode("latin-1")
        if name.startswith(INTERNAL):
            continue
        if len(v) > MAX_HEADER:
            raise refuse(400, f"Header {name[:64]} is longer than {MAX_HEADER} bytes")
        try:
            value = v.decode()
        except UnicodeDecodeError:
            if not name.startswith("x-object-meta-"):
                raise refuse(400, f"Header {name[:64]} is not UTF-8") from None
            value = OCTETS + base64.b64encode(v).decode()
        if "\0" in value:
            raise refuse(400, f"Header {name[:64]} holds a NUL")
        if (
            "_" in name
            and name.replace("_", "-") != name
            and name.replace("_", "-").startswith(("x-auth", "x-container", "x-account", "x-backend"))
        ):
            continue
        order.append((name, value))
        several.setdefault(name, []).append(value)
    headers = {name: ",".join(values) for name, values in several.items()}
    if any(len(value.encode()) > MAX_HEADER * 4 // 3 + 8 for name, value in headers.items() if len(several[name]) > 1):
        raise refuse(400, f"A header that stands several times is longer than {MAX_HEADER} bytes")
    raw = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0].decode("latin-1")
    raw_query = scope.get("query_string", b"").decode("latin-1")
    try:
        query = parse_query(raw_query)
    except ValueError:
        raise refuse(412, f"The query string is not valid UTF-8, or has more than {limits.QUERY} fields") from None
    if any("\0" in k or ("\0" in v and k not in {"marker", "end_marker"}) for k, v in query.items()):
        raise refuse(412, "Invalid UTF8 or contains NULL")
    client, scheme = sender(scope)
    return Request(
        id=id,
        method=scope["method"],
        raw_path=raw,
        mount=mount,
        path=raw.removeprefix(mount),
        raw_query=raw_query,
        query=query,
        headers=headers,
        scheme=scheme,
        host=headers.get("host", ""),
        base=base,
        client=client,
        receive=receive,
        header_list=order,
    )


async def send_response(
    send: Any,
    method: str,
    response: Response,
    more: list[tuple[str, str]],
    logger: Any,
    *,
    spell: Callable[[str], bytes] = str.encode,
) -> int:
    """Write the answer, its headers' names spelt by `spell`. A stream that breaks ends the connection: the client sees fewer bytes than were promised."""
    head = method == "HEAD"
    out = [
        (spell(k), safe(v))
        for k, v in response.headers.items()
        if (v != "" or k.startswith(("x-object-meta-", "x-amz-meta-"))) and k != "content-length"
    ]
    out += [(spell(k), v.encode()) for k, v in more]
    length = (
        response.length if response.length is not None else None if response.stream is not None else len(response.body)
    )
    if response.length is None and response.stream is None and "content-length" in response.headers:
        length = int(response.headers["content-length"])
    if length is not None and response.code not in {204, 304}:
        out.append((b"content-length", str(length).encode()))
    elif response.code == 204:
        out.append((b"content-length", b"0"))
    await send({"type": "http.response.start", "status": response.code, "headers": out})
    if head or response.stream is None:
        if response.stream is not None:
            await response.stream.aclose()  # type: ignore[attr-defined]
        await send(
            {"type": "http.response.body", "body": b"" if head or response.code in {204, 304} else response.body}
        )
        return response.code
    try:
        async for chunk in response.stream:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except Gone:
        return 499
    except Exception as e:
        logger.warning("answer_cut", why=f"{type(e).__name__}: {e}")
        raise Cutoff from e
    finally:
        closing = getattr(response.stream, "aclose", None)
        if closing is not None:
            await closing()
    await send({"type": "http.response.body", "body": b""})
    return response.code


class Cutoff(Exception):
    """The answer stopped half way: the server closes the connection."""


_CONTROLS = bytes([*range(9), *range(10, 32), 127])


def safe(value: str) -> bytes:
    """A header's value as bytes, without what would end it or break the answer: values also come from archives and forms."""
    if value[:1] == OCTETS:
        with contextlib.suppress(ValueError):
            return base64.b64decode(value[1:], validate=True).translate(None, _CONTROLS)
    return value.encode().translate(None, _CONTROLS)
