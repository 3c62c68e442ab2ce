# SPDX-License-Identifier: Apache-2.0
"""Listings of accounts and containers: what the query asks for, and each row as a listing shows it."""

from __future__ import annotations

from collections.abc import Mapping
from json.encoder import encode_basestring
from typing import Any
from urllib.parse import quote

import msgspec

from virga.ground.db.engine import Tx
from virga.services.objects import model
from virga.services.objects.http import Precondition, Request, Response
from virga.services.objects.store import containers as containers_store
from virga.services.objects.store import listing as lists
from virga.services.objects.store import objects as rows
from virga.services.objects.swift.metadata import is_version, yes
from virga.services.objects.swift.replies import location, refuse


def read_limit(request: Request) -> int:
    text = request.query.get("limit", "")
    if text.isascii() and text.isdigit():
        limit = int(text[:12])
        if limit > model.LISTING:
            raise Precondition(f"Maximum limit is {model.LISTING}")
        return limit
    return model.LISTING


def markers(q: Mapping[str, str]) -> tuple[bool, str, str]:
    """(reverse, after, before): the bounds of a page in the order of names, both exclusive. Names have no NUL, markers may: whatever
    follows one stands right behind the name before it."""
    marker, end, reverse = q.get("marker", ""), q.get("end_marker", ""), yes(q.get("reverse"))
    after, before = (end, marker) if reverse else (marker, end)
    head, nul, _ = before.partition("\0")
    return reverse, after.partition("\0")[0], head + "\1" if nul else head


def containers(tx: Tx, q: Mapping[str, str], account: str, limit: int) -> list[dict[str, Any]]:
    """A page of an account, folded at a delimiter."""
    prefix, delimiter = q.get("prefix", ""), q.get("delimiter", "")
    reverse, after, before = markers(q)
    after0, before0 = after, before
    out: list[dict[str, Any]] = []
    while len(out) < limit:
        chunk, folder = limit - len(out), ""
        found = containers_store.containers(
            tx, account, after=after, before=before, prefix=prefix, limit=chunk, reverse=reverse
        )
        for c in found:
            cut = c.name.find(delimiter, len(prefix)) if delimiter else -1
            if cut < 0:
                folder = ""
                out.append(
                    {
                        "name": c.name,
                        "count": c.objects,
                        "bytes": c.bytes,
                        "last_modified": model.listed_time(c.changed),
                        "storage_policy": c.policy,
                    }
                )
            elif c.name[: cut + len(delimiter)] != folder:
                folder = c.name[: cut + len(delimiter)]
                if folder not in {after0, before0}:
                    out.append({"subdir": folder})
        if len(found) < chunk or not delimiter:
            break
        if reverse:
            before = folder or found[-1].name
        else:
            after = folder + "\U0010ffff" if folder else found[-1].name
    return out[:limit]


def objects(tx: Tx, q: Mapping[str, str], row: model.Container, limit: int, now: float) -> list[dict[str, Any]]:
    """A page of a container: right under a path, folded at a delimiter, or with what links and versions add."""
    prefix, delimiter = q.get("prefix", ""), q.get("delimiter", "")
    reverse, after, before = markers(q)
    if "path" in q:
        prefix = q["path"].rstrip("/") + "/" if q["path"] else ""
        under = lists.children(
            tx, row.id, prefix=prefix, after=after, before=before, limit=limit, reverse=reverse, alive_at=now
        )
        return [line(e) for e in under]
    versioned = bool(row.control.get("versioning"))
    got = lists.listing(
        tx,
        row.id,
        prefix=prefix,
        delimiter=delimiter,
        after=after,
        before=before,
        limit=limit,
        reverse=reverse,
        alive_at=now,
        versioned=versioned,
    )
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


def plain_lines(tx: Tx, q: Mapping[str, str], row: model.Container, limit: int, kind: str, now: float) -> bytes:
    """The plain listing, from rows to bytes at once."""
    reverse, after, before = markers(q)
    prefix = q.get("prefix", "")
    page: dict[str, Any] = {
        "prefix": prefix,
        "after": after,
        "before": before,
        "limit": limit,
        "reverse": reverse,
        "alive_at": now,
    }
    text = lists.printed(tx, row.id, **page, json=kind == "json")
    if text is not None:
        return f"[{text}]".encode() if kind == "json" else text.encode()
    found = lists.lines(tx, row.id, **page)
    return json_lines(found) if kind == "json" else "".join(f"{r[0]}\n" for r in found).encode()


def versions(tx: Tx, q: Mapping[str, str], row: model.Container, limit: int) -> list[lists.Entry | lists.Folder]:
    """?versions: every version that there is. Raises 400."""
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


def vary(request: Request, response: Response, headers: dict[str, str]) -> Response:
    """A listing with its headers; its form depends on Accept unless the query says it."""
    response.headers |= headers if "format" in request.query else headers | {"vary": "Accept"}
    return response


def only_json(request: Request) -> None:
    """Versions come as JSON alone. Raises 406."""
    requested = request.query.get("format")
    if requested is not None:
        fits = requested.lower() == "json"
    else:
        kinds = [p.partition(";")[0].strip().lower() for p in request.header("accept")[:4096].split(",")]
        fits = kinds == [""] or not {"application/json", "application/*", "*/*"}.isdisjoint(kinds)
    if not fits:
        raise refuse(406, "Not Acceptable: versions are listed as application/json alone.")
