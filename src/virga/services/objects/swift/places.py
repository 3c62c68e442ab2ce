# SPDX-License-Identifier: Apache-2.0
"""Accounts and containers: HEAD, GET, PUT, POST, DELETE."""

from __future__ import annotations

from collections.abc import Mapping
from json.encoder import encode_basestring
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict, Forbidden, Invalid, NotFound
from virga.services.identity import api as identity
from virga.services.objects import acl, model
from virga.services.objects.desk import Desk
from virga.services.objects.exchange import Answered, Ask, Precondition, Reply, http_date
from virga.services.objects.store import listing as lists
from virga.services.objects.store import objects as rows
from virga.services.objects.store import places
from virga.services.objects.swift import sync
from virga.services.objects.swift.entry import Entry, project_of
from virga.services.objects.swift.replies import bare, listing, location, page, refuse, rendered, wanted_format

QUOTAS = {"quota-bytes", "quota-count"}
OCTETS = "\1"
"""Marks a value of an object's metadata that is not UTF-8: the bytes follow in base64."""
HIDDEN = {"temp-url-key", "temp-url-key-2"}


class Places:
    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    # -- accounts --------------------------------------------------------------------------------------------------

    async def account(self, ask: Ask, entry: Entry, account: str) -> Reply:
        commits = self.desk.commits
        row = await commits.read(lambda tx: places.account_row(tx, account))
        await entry.allow(ask, account, account_row=row)
        if row is not None and row.deleted is not None:
            raise Answered(page(410 if ask.method in {"GET", "HEAD"} else 403, "The account was deleted.", x_account_status="Deleted"))
        if ask.method in {"GET", "HEAD"}:
            return await self._show_account(ask, entry, account, row)
        if ask.method == "POST" or (ask.method == "PUT" and entry.reseller()):
            meta, control = self._account_changes(ask, entry, account)
            now = self.desk.now()

            def change(tx: Tx) -> bool:
                was = places.account_row(tx, account)
                old = places.ensure_account(tx, account, model.stamp(now)[1])
                merged = merge(old.meta, meta, "account")
                own = {k: v for k, v in (old.control | control).items() if v not in (None, {}, "")}
                if "quotas" in control:
                    quotas = {k: v for k, v in (old.control.get("quotas", {}) | control["quotas"]).items() if v}
                    own["quotas"] = quotas
                places.put_account(tx, account, meta=merged, control=own)
                return was is None

            made = await commits.write(change)
            return page(204 if ask.method == "POST" else 201 if made else 202)
        if ask.method == "DELETE" and entry.reseller():
            now = self.desk.now()

            def end(tx: Tx) -> None:
                places.ensure_account(tx, account, now)
                places.put_account(tx, account, deleted=now)

            await commits.write(end)
            return page(204)
        raise Answered(page(405, "The method is not allowed for this resource.", allow="GET, HEAD, POST, OPTIONS"))

    async def _show_account(self, ask: Ask, entry: Entry, account: str, row: model.Account | None) -> Reply:
        kind = wanted_format(ask)
        limit = read_limit(ask)

        project = project_of(self.desk, account)

        def read(tx: Tx) -> tuple[Any, ...]:
            total = places.totals(tx, account)
            by_policy = places.totals_by_policy(tx, account)
            rows = [] if ask.method == "HEAD" else self._container_rows(tx, ask, account, limit)
            return total, by_policy, rows, identity.project_name(tx, project)[1]

        total, by_policy, rows, domain = await self.desk.commits.long_read(read)
        created = row.created if row is not None else self.desk.now()
        headers = {
            "x-account-container-count": str(total[0]), "x-account-object-count": str(total[1]), "x-account-bytes-used": str(total[2]),
            "x-timestamp": model.timestamp(created), "accept-ranges": "bytes",
        }  # fmt: skip
        for name, containers, objects, size in by_policy:
            mark = f"x-account-storage-policy-{name.lower()}"
            headers |= {f"{mark}-container-count": str(containers), f"{mark}-object-count": str(objects), f"{mark}-bytes-used": str(size)}
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
        reply = bare(kind) if ask.method == "HEAD" else listing(kind, "account", account, "container", rows)
        return vary(ask, reply, headers)

    @staticmethod
    def _container_rows(tx: Tx, ask: Ask, account: str, limit: int) -> list[dict[str, Any]]:
        q = ask.query
        prefix, delimiter = q.get("prefix", ""), q.get("delimiter", "")
        reverse, after, before = markers(q)
        after0, before0 = after, before
        out: list[dict[str, Any]] = []
        while len(out) < limit:
            found = places.containers(tx, account, after=after, before=before, prefix=prefix, limit=limit - len(out), reverse=reverse)
            folder = ""
            for c in found:
                cut = c.name.find(delimiter, len(prefix)) if delimiter else -1
                if cut < 0:
                    out.append(
                        {
                            "name": c.name, "count": c.objects, "bytes": c.bytes, "last_modified": model.listed_time(c.changed),
                            "storage_policy": c.policy,
                        }
                    )  # fmt: skip
                elif c.name[: cut + len(delimiter)] != folder:
                    folder = c.name[: cut + len(delimiter)]
                    if folder not in {after0, before0}:
                        out.append({"subdir": folder})
            if len(found) < limit or not delimiter:
                break
            if reverse:
                before = folder or found[-1].name
            else:
                after = folder + "\U0010ffff" if folder else found[-1].name
        return out[:limit]

    def _account_changes(self, ask: Ask, entry: Entry, account: str) -> tuple[dict[str, str], dict[str, Any]]:
        meta = user_meta(ask, "account")
        control: dict[str, Any] = {}
        quotas: dict[str, str] = {}
        for name, value in ask.headers.items():
            if name.startswith(("x-account-quota-", "x-remove-account-quota-")):
                remove = name.startswith("x-remove-")
                which = name.removeprefix("x-remove-account-quota-" if remove else "x-account-quota-")
                quotas[which] = "" if remove else value
                kind, _, policy = which.partition("-policy-")
                if kind not in {"bytes", "count"} or (
                    "-policy-" in which and policy not in {p.lower() for p in self.desk.settings.policies}
                ):
                    raise Invalid(f"There is no quota {which}.", field=name)
                if not remove and value and not value.isdigit():
                    raise Invalid("Invalid bytes quota." if kind == "bytes" else "Invalid count quota.", field=name)
        if "quota-bytes" in meta and meta["quota-bytes"] and not meta["quota-bytes"].isdigit():
            raise Invalid("Invalid bytes quota.", field="X-Account-Meta-Quota-Bytes")
        if (quotas or "quota-bytes" in meta) and not entry.reseller():
            raise Forbidden("Only a reseller admin sets an account's quotas (objects:manage_account).", rule="objects:manage_account")
        if quotas:
            control["quotas"] = quotas
        if "x-account-access-control" in ask.headers:
            if not entry.owns(account):
                raise Forbidden("Only the account's owner changes its access list.", rule="objects:write")
            control["access"] = acl.account_access(ask.headers["x-account-access-control"])
        if self.desk.settings.etag_quoter and "x-account-rfc-compliant-etags" in ask.headers:
            control["etags"] = tristate(ask.headers["x-account-rfc-compliant-etags"])
        return meta, control

    # -- containers ------------------------------------------------------------------------------------------------

    async def container(self, ask: Ask, entry: Entry, account: str, name: str) -> Reply:
        commits = self.desk.commits
        own, row, _ = await commits.read(lambda tx: places.look(tx, account, name))
        await entry.allow(ask, account, row, container_name=name, account_row=own)
        if ask.method in {"GET", "HEAD"}:
            if row is None:
                raise NotFound("The resource could not be found.")
            return await self.show_container(ask, entry, account, row)
        if own is not None and own.deleted is not None:
            raise Forbidden("The account was deleted.")
        if ask.method == "PUT":
            return await self._put_container(ask, entry, account, name)
        if row is None:
            raise NotFound("The resource could not be found.")
        if ask.method == "POST":
            meta, control = self._container_changes(ask, entry, account)
            now = self.desk.now()

            def change(tx: Tx) -> None:
                self._apply(tx, account, name, meta, control, now)

            await commits.write(change)
            return page(204)
        if ask.method == "DELETE":
            id = row.id

            def end(tx: Tx) -> None:
                rows.drop_expired(tx, id, self.desk.now(), self.desk.wake_trash)
                if not places.delete_container(tx, id):
                    raise Conflict("There was a conflict when trying to complete your request. The container is not empty.")

            await commits.write(end)
            return page(204)
        raise Answered(page(405, "The method is not allowed for this resource.", allow="GET, HEAD, PUT, POST, DELETE, OPTIONS"))

    async def _put_container(self, ask: Ask, entry: Entry, account: str, name: str) -> Reply:
        check_container_name(name)
        meta, control = self._container_changes(ask, entry, account)
        policy = self._policy(ask)
        now = self.desk.now()

        def make(tx: Tx) -> bool:
            places.ensure_account(tx, account, now)
            tx.hold(f"name:{account}/{name}")
            there = places.container_row(tx, account, name)
            if there is None:
                agree(control)
                places.make_container(
                    tx,
                    account,
                    name,
                    policy or self.desk.settings.policies[0],
                    model.stamp(now)[1],
                    merge({}, meta, "container"),
                    clean(control),
                )
                return True
            if policy is not None and policy != there.policy:
                raise Conflict(f"The container is of storage policy {there.policy}; that cannot be changed.")
            self._apply(tx, account, name, meta, control, now)
            return False

        made = await self.desk.commits.write(make)
        return page(201 if made else 202)

    def _policy(self, ask: Ask) -> str | None:
        asked = ask.headers.get("x-storage-policy")
        if not asked:
            return None
        for p in self.desk.settings.policies:
            if p.lower() == asked.lower():
                return p
        raise Invalid(
            f"Invalid X-Storage-Policy: there is no policy {asked[:64]!r}; known: {', '.join(self.desk.settings.policies)}",
            field="X-Storage-Policy",
        )

    @staticmethod
    def _apply(tx: Tx, account: str, name: str, meta: Mapping[str, str], control: dict[str, Any], now: float) -> None:
        row = places.container_row(tx, account, name)
        if row is None:
            raise NotFound("The resource could not be found.")
        fresh = clean(row.control | control)
        agree(fresh)
        sync.settle(tx, row, fresh)
        places.put_container(tx, row.id, meta=merge(row.meta, meta, "container"), control=fresh, changed=model.stamp(now)[1])

    def _container_changes(self, ask: Ask, entry: Entry, account: str) -> tuple[dict[str, str], dict[str, Any]]:
        meta = user_meta(ask, "container")
        for quota in QUOTAS:
            if meta.get(quota) and not meta[quota].isdigit():
                raise Invalid(f"Invalid {quota.removeprefix('quota-')} quota.", field=f"X-Container-Meta-{quota.title()}")
        h, control = ask.headers, {}  # type: tuple[dict[str, str], dict[str, Any]]
        for which in ("read", "write"):
            if f"x-container-{which}" in h:
                control[which] = acl.clean(f"X-Container-{which.title()}", h[f"x-container-{which}"]) or None
                if len(control[which] or "") > 8192:
                    raise Invalid("The access list is longer than 8192 characters", field=f"X-Container-{which.title()}")
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
                if not where or "/" in where or "\0" in where:
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
        if self.desk.settings.etag_quoter and "x-container-rfc-compliant-etags" in h:
            control["etags"] = tristate(h["x-container-rfc-compliant-etags"])
        told = sync.changes(self.desk, ask)
        if told and not entry.owns(account):
            raise Forbidden("Only the account's owner sets what a container is kept in step with.", rule="objects:administer")
        return meta, control | told

    async def show_container(self, ask: Ask, entry: Entry, account: str, row: model.Container) -> Reply:
        kind = wanted_format(ask)
        headers = container_headers(row, entry.owns(account))
        if ask.method == "HEAD":
            return vary(ask, bare(kind), headers)
        limit = read_limit(ask)
        if "versions" in ask.query:
            only_json(ask)
            found = await self.desk.commits.long_read(lambda tx: self._version_rows(tx, ask, row, limit))
            return vary(ask, listing("json", "container", row.name, "object", [version_line(e) for e in found]), headers)
        if kind != "xml" and ask.query.keys().isdisjoint(("delimiter", "path")) and not row.control.get("versioning"):
            data = await self.desk.commits.long_read(lambda tx: self._object_lines(tx, ask, row, limit, kind))
            reply = rendered(kind, data)
        else:
            rows = await self.desk.commits.long_read(lambda tx: self._object_rows(tx, ask, row, limit))
            reply = listing(kind, "container", row.name, "object", rows)
        return vary(ask, reply, headers)

    def _version_rows(self, tx: Tx, ask: Ask, row: model.Container, limit: int) -> list[lists.Entry | lists.Folder]:
        """?versions: every version that there is. Raises 400."""
        q = ask.query
        delimiter, marker, at = q.get("delimiter", ""), q.get("marker", "").partition("\0")[0], q.get("version_marker", "")
        if not set(delimiter).isdisjoint("0123456789."):
            raise refuse(400, "invalid delimiter param")
        if at and not marker:
            raise refuse(400, "version_marker param requires marker")
        if at == "null":
            newest = rows.row(tx, row.id, marker)
            at = newest.version if newest is not None and newest.unversioned else "~"
        elif at and not is_version(at):
            raise refuse(400, "invalid version_marker param")
        return lists.versions(
            tx,
            row.id,
            prefix=q.get("prefix", ""),
            delimiter=delimiter,
            marker=marker,
            version_marker=at,
            limit=limit,
            reverse=yes(q.get("reverse")),
        )

    def _object_lines(self, tx: Tx, ask: Ask, row: model.Container, limit: int, kind: str) -> bytes:
        """The plain listing, from rows to bytes at once."""
        reverse, after, before = markers(ask.query)
        prefix = ask.query.get("prefix", "")
        found = lists.lines(tx, row.id, prefix=prefix, after=after, before=before, limit=limit, reverse=reverse, alive_at=self.desk.now())
        return json_lines(found) if kind == "json" else "".join(f"{r[0]}\n" for r in found).encode()

    def _object_rows(self, tx: Tx, ask: Ask, row: model.Container, limit: int) -> list[dict[str, Any]]:
        q = ask.query
        prefix, delimiter, alive = q.get("prefix", ""), q.get("delimiter", ""), self.desk.now()
        reverse, after, before = markers(q)
        if "path" in q:
            prefix = q["path"].rstrip("/") + "/" if q["path"] else ""
            under = lists.children(tx, row.id, prefix=prefix, after=after, before=before, limit=limit, reverse=reverse, alive_at=alive)
            return [line(e) for e in under]
        versioned = bool(row.control.get("versioning"))
        got = lists.listing(
            tx, row.id, prefix=prefix, delimiter=delimiter, after=after, before=before, limit=limit, reverse=reverse, alive_at=alive,
            versioned=versioned,
        )  # fmt: skip
        out = []
        for e in got:
            if isinstance(e, lists.Folder):
                out.append({"subdir": e.name})
            elif versioned and not e.unversioned:
                path = f"/v1/{quote(row.account)}/{quote(row.name)}/{quote(e.name)}?version-id={e.version}"
                out.append(line(e) | {"symlink_path": path, "version_symlink": True})
            else:
                out.append(line(e))
        return out


def json_lines(found: list[lists.Line]) -> bytes:
    """A page as JSON. What `line` gives, written out by hand: ten thousand rows are one answer."""
    quoted: dict[str, str] = {}
    second, shown, out = -1, "", []
    for name, etag, size, content_type, changed, kind, control in found:
        if control is not None:
            entry = lists.Entry(name, etag, size, content_type, changed, kind, msgspec.json.decode(control))
            out.append(msgspec.json.encode(line(entry)).decode())
            continue
        kind_ = quoted.get(content_type)
        if kind_ is None:
            kind_ = quoted[content_type] = encode_basestring(content_type)
        whole, part = divmod(round(changed * 100000), 100000)
        if whole != second:
            second, shown = whole, model.listed_second(whole)
        out.append(
            f'{{"name":{encode_basestring(name)},"hash":"{etag}","bytes":{size},"content_type":{kind_},"last_modified":"{shown}.{part:05d}0"}}'
        )
    return f"[{','.join(out)}]".encode()


def line(e: lists.Entry) -> dict[str, Any]:
    """An object as a JSON listing shows it."""
    out: dict[str, Any] = {
        "name": e.name,
        "hash": e.etag,
        "bytes": e.size,
        "content_type": e.content_type,
        "last_modified": model.listed_time(e.changed),
    }
    if e.control is not None:
        if e.kind == "slo":
            out["hash"] = e.control.get("manifest_md5", e.etag)
            out["bytes"] = e.control.get("total", e.size)
            out["slo_etag"] = f'"{e.control.get("slo_etag", e.etag)}"'
        elif e.kind == "link":
            t = e.control["target"]
            out["symlink_path"] = location(t)
            if t.get("etag"):
                out |= {"symlink_etag": t["etag"], "symlink_bytes": t.get("bytes", 0)}
            if t.get("slo_etag"):
                out["slo_etag"] = f'"{t["slo_etag"]}"'
    return out


def version_line(e: lists.Entry | lists.Folder) -> dict[str, Any]:
    if isinstance(e, lists.Folder):
        return {"subdir": e.name}
    return line(e) | {"version_id": "null" if e.unversioned and e.current else e.version, "is_latest": e.latest}


def container_headers(row: model.Container, owner: bool) -> dict[str, str]:
    c = row.control
    headers = {
        "x-container-object-count": str(row.objects), "x-container-bytes-used": str(row.bytes), "x-timestamp": model.timestamp(row.created),
        "last-modified": http_date(-(-row.changed // 1)), "x-storage-policy": row.policy, "accept-ranges": "bytes",
    }  # fmt: skip
    headers |= {f"x-container-meta-{k}": v for k, v in row.meta.items() if owner or k not in HIDDEN}
    if not c:
        return headers
    if owner:
        for which in ("read", "write"):
            if c.get(which):
                headers[f"x-container-{which}"] = c[which]
        headers |= {f"x-container-sync-{which}": c[f"sync_{which}"] for which in ("to", "key") if c.get(f"sync_{which}")}
    if c.get("archive"):
        headers["x-history-location" if c.get("archive_mode") == "history" else "x-versions-location"] = quote(c["archive"])
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


def user_meta(ask: Ask, what: str) -> dict[str, str]:
    """What the request sets ('' removes), by the name after the prefix. Raises 400 past the limits."""
    out: dict[str, str] = {}
    set_, drop = f"x-{what}-meta-", f"x-remove-{what}-meta-"
    for name, value in ask.headers.items():
        if name.startswith(set_):
            key = name[len(set_) :]
            check_meta(key, value)
            out[key] = value
        elif name.startswith(drop):
            out.setdefault(name[len(drop) :], "")
    return out


def check_meta(key: str, value: str) -> None:
    if not key:
        raise refuse(400, "Metadata name cannot be empty")
    if len(key.encode()) > model.META_NAME:
        raise refuse(400, f"Metadata name too long: {key[:80]}; at most {model.META_NAME} bytes")
    if length(value) > model.META_VALUE:
        raise refuse(400, f"Metadata value longer than {model.META_VALUE}: {key}")


def length(value: str) -> int:
    """Bytes of a value of metadata as it travels."""
    return len(value.encode()) if value[:1] != OCTETS else (len(value) - 1) * 3 // 4 - value[-2:].count("=")


def check_meta_total(meta: Mapping[str, str]) -> None:
    if len(meta) > model.META_COUNT:
        raise refuse(400, f"Too many metadata items; max {model.META_COUNT}")
    if sum(len(k.encode()) + length(v) for k, v in meta.items()) > model.META_OVERALL:
        raise refuse(400, f"Total metadata too large; max {model.META_OVERALL}")


def merge(old: Mapping[str, str], change: Mapping[str, str], what: str) -> dict[str, str]:
    """The metadata after a change: the limits hold for what is kept, however many requests brought it."""
    out = {k: v for k, v in (dict(old) | dict(change)).items() if v != ""}
    check_meta_total(out)
    return out


def agree(control: Mapping[str, Any]) -> None:
    """Raise 400 for settings that exclude each other."""
    if control.get("versioning") and control.get("archive"):
        raise Invalid("A container has either X-Versions-Location or X-Versions-Enabled, not both.", field="X-Versions-Enabled")
    if control.get("versioning") and control.get("sync_to"):
        raise Invalid("A container is either kept in step with another or has X-Versions-Enabled, not both.", field="X-Versions-Enabled")


def clean(control: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in control.items() if v is not None}


def yes(text: str | None) -> bool:
    return text is not None and text.strip().lower() in {"true", "1", "yes", "on", "t", "y"}


def markers(q: Mapping[str, str]) -> tuple[bool, str, str]:
    """(reverse, after, before): the bounds of a page in the order of names, both exclusive. Names have no NUL, markers may: whatever
    follows one stands right behind the name before it."""
    marker, end, reverse = q.get("marker", ""), q.get("end_marker", ""), yes(q.get("reverse"))
    after, before = (end, marker) if reverse else (marker, end)
    head, nul, _ = before.partition("\0")
    return reverse, after.partition("\0")[0], head + "\1" if nul else head


def vary(ask: Ask, reply: Reply, headers: dict[str, str]) -> Reply:
    """A listing with its headers; its form depends on Accept unless the query says it."""
    reply.headers |= headers if "format" in ask.query else headers | {"vary": "Accept"}
    return reply


def only_json(ask: Ask) -> None:
    """Versions come as JSON alone. Raises 406."""
    asked = ask.query.get("format")
    if asked is not None:
        fits = asked.lower() == "json"
    else:
        kinds = [p.partition(";")[0].strip().lower() for p in ask.header("accept")[:4096].split(",")]
        fits = kinds == [""] or not {"application/json", "application/*", "*/*"}.isdisjoint(kinds)
    if not fits:
        raise refuse(406, "Not Acceptable: versions are listed as application/json alone.")


def is_version(text: str) -> bool:
    """Whether this can be a version id at all."""
    return len(text) <= 24 and text.isascii() and text.replace(".", "", 1).isdigit()


def tristate(text: str) -> bool | None:
    """Yes, no, or nothing said."""
    return None if not text.strip() else yes(text)


def read_limit(ask: Ask) -> int:
    text = ask.query.get("limit", "")
    if text.isdigit():
        limit = int(text[:12])
        if limit > model.LISTING:
            raise Precondition(f"Maximum limit is {model.LISTING}")
        return limit
    return model.LISTING
