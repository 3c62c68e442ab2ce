# SPDX-License-Identifier: Apache-2.0
"""Accounts and containers: HEAD, GET, PUT, POST, DELETE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict, Forbidden, Invalid, NotFound
from virga.services.identity import api as identity
from virga.services.objects import acl, model
from virga.services.objects.context import ObjectContext
from virga.services.objects.http import LAST, Answered, Request, Response, count_of, http_date
from virga.services.objects.store import containers as containers_store
from virga.services.objects.store import objects as rows
from virga.services.objects.swift import listings, sync
from virga.services.objects.swift.entry import Entry, project_of
from virga.services.objects.swift.metadata import clean, merge, tristate, user_meta, yes
from virga.services.objects.swift.replies import bare, listing, page, refuse, rendered, wanted_format

QUOTAS = {"quota-bytes", "quota-count"}
HIDDEN = {"temp-url-key", "temp-url-key-2"}


OWNERS = (
    "x-container-read",
    "x-container-write",
    "x-container-sync-key",
    "x-container-sync-to",
    "x-account-meta-temp-url-key",
    "x-account-meta-temp-url-key-2",
    "x-container-meta-temp-url-key",
    "x-container-meta-temp-url-key-2",
    "x-account-access-control",
)
"""Headers by which only an account's owner opens it to others: of anybody else who may write they do not count, as upstream has it."""


def without_owners(request: Request) -> None:
    for header in OWNERS:
        request.headers.pop(header, None)
        request.headers.pop(f"x-remove-{header[2:]}", None)


class Containers:
    def __init__(self, context: ObjectContext) -> None:
        self.context = context

    # -- accounts --------------------------------------------------------------------------------------------------

    async def account(self, request: Request, entry: Entry, account: str) -> Response:
        commits = self.context.commits
        row = await commits.read(lambda tx: containers_store.account_row(tx, account))
        await entry.allow(request, account, account_row=row)
        if not entry.owns(account):
            without_owners(request)
        if row is not None and row.deleted is not None:
            raise Answered(
                page(
                    410 if request.method in {"GET", "HEAD"} else 403,
                    "The account was deleted.",
                    x_account_status="Deleted",
                )
            )
        if request.method in {"GET", "HEAD"}:
            return await self._show_account(request, entry, account, row)
        if request.method == "POST" or (request.method == "PUT" and entry.reseller()):
            meta, control = self._account_changes(request, entry, account)
            now = self.context.now()

            def change(tx: Tx) -> bool:
                was = containers_store.account_row(tx, account)
                old = containers_store.ensure_account(tx, account, model.stamp(now)[1])
                merged = merge(old.meta, meta, "account")
                own = {k: v for k, v in (old.control | control).items() if v not in (None, {}, "")}
                if "quotas" in control:
                    quotas = {k: v for k, v in (old.control.get("quotas", {}) | control["quotas"]).items() if v}
                    own["quotas"] = quotas
                containers_store.put_account(tx, account, meta=merged, control=own)
                return was is None

            made = await commits.write(change)
            return page(204 if request.method == "POST" else 201 if made else 202)
        if request.method == "DELETE" and entry.reseller():
            now = self.context.now()

            def end(tx: Tx) -> None:
                containers_store.ensure_account(tx, account, now)
                containers_store.put_account(tx, account, deleted=now)

            await commits.write(end)
            return page(204)
        raise Answered(page(405, "The method is not allowed for this resource.", allow="GET, HEAD, POST, OPTIONS"))

    async def _show_account(self, request: Request, entry: Entry, account: str, row: model.Account | None) -> Response:
        kind = wanted_format(request)
        limit = listings.read_limit(request)

        project = project_of(self.context, account)

        def read(tx: Tx) -> tuple[Any, ...]:
            total = containers_store.totals(tx, account)
            by_policy = containers_store.totals_by_policy(tx, account)
            rows = [] if request.method == "HEAD" else listings.containers(tx, request.query, account, limit)
            return total, by_policy, rows, identity.project_name(tx, project)[1]

        total, by_policy, rows, domain = await self.context.commits.long_read(read)
        created = row.created if row is not None else self.context.now()
        headers = {
            "x-account-container-count": str(total[0]),
            "x-account-object-count": str(total[1]),
            "x-account-bytes-used": str(total[2]),
            "x-timestamp": model.timestamp(created),
            "accept-ranges": "bytes",
        }
        for name, containers, objects, size in by_policy:
            mark = f"x-account-storage-policy-{name.lower()}"
            headers |= {
                f"{mark}-container-count": str(containers),
                f"{mark}-object-count": str(objects),
                f"{mark}-bytes-used": str(size),
            }
        if row is not None:
            owner = entry.owns(account)
            headers |= {f"x-account-meta-{k}": v for k, v in row.meta.items() if owner or k not in HIDDEN}
            for kind_, value in row.control.get("quotas", {}).items():
                headers[f"x-account-quota-{kind_}"] = value
            if row.control.get("etags") is not None:
                headers["x-account-rfc-compliant-etags"] = str(row.control["etags"])
            if owner and row.control.get("access"):
                headers["x-account-access-control"] = msgspec.json.encode(row.control["access"]).decode()
        if domain:
            headers["x-account-project-domain-id"] = domain
        response = bare(kind) if request.method == "HEAD" else listing(kind, "account", account, "container", rows)
        return listings.vary(request, response, headers)

    def _account_changes(self, request: Request, entry: Entry, account: str) -> tuple[dict[str, str], dict[str, Any]]:
        meta = user_meta(request, "account")
        control: dict[str, Any] = {}
        quotas: dict[str, str] = {}
        for name, value in request.headers.items():
            if name.startswith(("x-account-quota-", "x-remove-account-quota-")):
                remove = name.startswith("x-remove-")
                which = name.removeprefix("x-remove-account-quota-" if remove else "x-account-quota-")
                quotas[which] = "" if remove else value
                kind, _, policy = which.partition("-policy-")
                if kind not in {"bytes", "count"} or (
                    "-policy-" in which and policy not in {p.lower() for p in self.context.settings.policies}
                ):
                    raise Invalid(f"There is no quota {which}.", field=name)
                if not remove and value and count_of(value, LAST) is None:
                    raise Invalid("Invalid bytes quota." if kind == "bytes" else "Invalid count quota.", field=name)
        if meta.get("quota-bytes") and count_of(meta["quota-bytes"], LAST) is None:
            raise Invalid("Invalid bytes quota.", field="X-Account-Meta-Quota-Bytes")
        if (quotas or "quota-bytes" in meta) and not entry.reseller():
            raise Forbidden(
                "Only a reseller admin sets an account's quotas (objects:manage_account).",
                rule="objects:manage_account",
            )
        if quotas:
            control["quotas"] = quotas
        if "x-account-access-control" in request.headers:
            if not entry.owns(account):
                raise Forbidden("Only the account's owner changes its access list.", rule="objects:write")
            control["access"] = acl.account_access(request.headers["x-account-access-control"])
        if self.context.settings.etag_quoter and "x-account-rfc-compliant-etags" in request.headers:
            control["etags"] = tristate(request.headers["x-account-rfc-compliant-etags"])
        return meta, control

    # -- containers ------------------------------------------------------------------------------------------------

    async def container(self, request: Request, entry: Entry, account: str, name: str) -> Response:
        """GET, HEAD, PUT, POST and DELETE of a container. Raises NotFound, Forbidden."""
        commits = self.context.commits
        own, row, _ = await commits.read(lambda tx: containers_store.look_up(tx, account, name))
        await entry.allow(request, account, row, container_name=name, account_row=own)
        if not entry.owns(account):
            without_owners(request)
        if request.method in {"GET", "HEAD"}:
            if row is None:
                raise NotFound("The resource could not be found.")
            return await self.show_container(request, entry, account, row)
        if own is not None and own.deleted is not None:
            raise Forbidden("The account was deleted.")
        if request.method == "PUT":
            return await self._put_container(request, entry, account, name)
        if row is None:
            raise NotFound("The resource could not be found.")
        if request.method == "POST":
            meta, control = self._container_changes(request, entry, account)
            now = self.context.now()

            def change(tx: Tx) -> None:
                self._apply(tx, account, name, meta, control, now)

            await commits.write(change)
            return page(204)
        if request.method == "DELETE":
            id = row.id

            def end(tx: Tx) -> None:
                rows.drop_expired(tx, id, self.context.now(), self.context.wake_trash)
                if not containers_store.delete_container(tx, id):
                    raise Conflict(
                        "There was a conflict when trying to complete your request. The container is not empty."
                    )

            await commits.write(end)
            return page(204)
        raise Answered(
            page(405, "The method is not allowed for this resource.", allow="GET, HEAD, PUT, POST, DELETE, OPTIONS")
        )

    async def _put_container(self, request: Request, entry: Entry, account: str, name: str) -> Response:
        check_container_name(name)
        meta, control = self._container_changes(request, entry, account)
        policy = self._policy(request)
        now = self.context.now()

        def make(tx: Tx) -> bool:
            containers_store.ensure_account(tx, account, now)
            tx.hold(f"name:{account}/{name}")
            there = containers_store.container_row(tx, account, name)
            if there is None:
                agree(control)
                containers_store.make_container(
                    tx,
                    account,
                    name,
                    policy=policy or self.context.settings.policies[0],
                    now=model.stamp(now)[1],
                    meta=merge({}, meta, "container"),
                    control=clean(control),
                )
                return True
            if policy is not None and policy != there.policy:
                raise Conflict(f"The container is of storage policy {there.policy}; that cannot be changed.")
            self._apply(tx, account, name, meta, control, now)
            return False

        made = await self.context.commits.write(make)
        return page(201 if made else 202)

    def _policy(self, request: Request) -> str | None:
        requested = request.headers.get("x-storage-policy")
        if not requested:
            return None
        for p in self.context.settings.policies:
            if p.lower() == requested.lower():
                return p
        raise Invalid(
            f"Invalid X-Storage-Policy: there is no policy {requested[:64]!r}; known: {', '.join(self.context.settings.policies)}",
            field="X-Storage-Policy",
        )

    @staticmethod
    def _apply(tx: Tx, account: str, name: str, meta: Mapping[str, str], control: dict[str, Any], now: float) -> None:
        row = containers_store.container_row(tx, account, name)
        if row is None:
            raise NotFound("The resource could not be found.")
        fresh = clean(row.control | control)
        agree(fresh)
        sync.settle(tx, row, fresh)
        containers_store.put_container(
            tx, row.id, meta=merge(row.meta, meta, "container"), control=fresh, changed=model.stamp(now)[1]
        )

    def _container_changes(self, request: Request, entry: Entry, account: str) -> tuple[dict[str, str], dict[str, Any]]:
        meta = user_meta(request, "container")
        for quota in QUOTAS:
            if meta.get(quota) and count_of(meta[quota], LAST) is None:
                raise Invalid(
                    f"Invalid {quota.removeprefix('quota-')} quota.", field=f"X-Container-Meta-{quota.title()}"
                )
        h, control = request.headers, {}  # type: tuple[dict[str, str], dict[str, Any]]
        for which in ("read", "write"):
            if f"x-container-{which}" in h:
                control[which] = acl.clean(f"X-Container-{which.title()}", h[f"x-container-{which}"]) or None
                if len(control[which] or "") > 8192:
                    raise Invalid(
                        "The access list is longer than 8192 characters", field=f"X-Container-{which.title()}"
                    )
            if f"x-remove-container-{which}" in h:
                control[which] = None
        if h.get("x-history-location") and h.get("x-versions-location"):
            raise refuse(400, "Only one of x-versions-location or x-history-location may be specified")
        for header, mode in (("x-versions-location", "stack"), ("x-history-location", "history")):
            if h.get(header):
                try:
                    where = unquote(h[header], errors="strict").strip("/")
                except UnicodeDecodeError:
                    where = "/"
                if not where or "/" in where or "\0" in where or len(where.encode()) > model.MAX_CONTAINER:
                    raise refuse(412, f"{header.title()} must be a container's name, without a slash.")
                control |= {"archive": where, "archive_mode": mode}
            elif (header in h or f"x-remove-{header[2:]}" in h) and not control.get("archive"):
                control |= {"archive": None, "archive_mode": None}
        if "x-versions-mode" in h and control.get("archive"):
            if h["x-versions-mode"] not in {"stack", "history"}:
                raise Invalid("X-Versions-Mode must be one of stack, history", field="X-Versions-Mode")
            control["archive_mode"] = h["x-versions-mode"]
        if "x-versions-enabled" in h:
            if not entry.owns(account):
                raise Forbidden("Only the account's owner switches versioning.", rule="objects:write")
            control["versioning"] = "enabled" if yes(h["x-versions-enabled"]) else "suspended"
        if self.context.settings.etag_quoter and "x-container-rfc-compliant-etags" in h:
            control["etags"] = tristate(h["x-container-rfc-compliant-etags"])
        told = sync.changes(self.context, request)
        if told and not entry.owns(account):
            raise Forbidden(
                "Only the account's owner sets what a container is kept in step with.", rule="objects:administer"
            )
        return meta, control | told

    async def show_container(self, request: Request, entry: Entry, account: str, row: model.Container) -> Response:
        kind = wanted_format(request)
        headers = container_headers(row, entry.owns(account))
        if request.method == "HEAD":
            return listings.vary(request, bare(kind), headers)
        limit, now = listings.read_limit(request), self.context.now()
        if "versions" in request.query:
            listings.only_json(request)
            found = await self.context.commits.long_read(lambda tx: listings.versions(tx, request.query, row, limit))
            return listings.vary(
                request,
                listing("json", "container", row.name, "object", [listings.version_line(e) for e in found]),
                headers,
            )
        if (
            kind != "xml"
            and request.query.keys().isdisjoint(("delimiter", "path"))
            and not row.control.get("versioning")
        ):
            data = await self.context.commits.long_read(
                lambda tx: listings.plain_lines(tx, request.query, row, limit, kind, now)
            )
            response = rendered(kind, data)
        else:
            response = await self.context.commits.long_read(
                lambda tx: listing(
                    kind, "container", row.name, "object", listings.objects(tx, request.query, row, limit, now)
                )
            )
        return listings.vary(request, response, headers)


def container_headers(row: model.Container, owner: bool) -> dict[str, str]:
    c = row.control
    headers = {
        "x-container-object-count": str(row.objects),
        "x-container-bytes-used": str(row.bytes),
        "x-timestamp": model.timestamp(row.created),
        "last-modified": http_date(-(-row.changed // 1)),
        "x-storage-policy": row.policy,
        "accept-ranges": "bytes",
    }
    headers |= {f"x-container-meta-{k}": v for k, v in row.meta.items() if owner or k not in HIDDEN}
    if not c:
        return headers
    if owner:
        for which in ("read", "write"):
            if c.get(which):
                headers[f"x-container-{which}"] = c[which]
        headers |= {
            f"x-container-sync-{which}": c[f"sync_{which}"] for which in ("to", "key") if c.get(f"sync_{which}")
        }
    if c.get("archive"):
        headers["x-history-location" if c.get("archive_mode") == "history" else "x-versions-location"] = quote(
            c["archive"]
        )
    if c.get("etags") is not None:
        headers["x-container-rfc-compliant-etags"] = str(c["etags"])
    if c.get("versioning"):
        headers["x-versions-enabled"] = str(c["versioning"] == "enabled")
    return headers


def check_container_name(name: str) -> None:
    if len(name.encode()) > model.MAX_CONTAINER:
        raise Answered(page(400, f"Container name length of {len(name.encode())} longer than {model.MAX_CONTAINER}"))
    if name in {".", ".."}:
        raise refuse(400, "Container name cannot be . or ..")


def agree(control: Mapping[str, Any]) -> None:
    """Raise 400 for settings that exclude each other. Raises Invalid."""
    if control.get("versioning") and control.get("archive"):
        raise Invalid(
            "A container has either X-Versions-Location or X-Versions-Enabled, not both.", field="X-Versions-Enabled"
        )
    if control.get("versioning") and control.get("sync_to"):
        raise Invalid(
            "A container is either kept in step with another or has X-Versions-Enabled, not both.",
            field="X-Versions-Enabled",
        )
