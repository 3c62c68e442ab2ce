# SPDX-License-Identifier: Apache-2.0
"""Objects and versions taken away, one or a thousand at a time, also under conditions."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
from collections.abc import Callable
from dataclasses import dataclass

from virga.ground.db.engine import Tx
from virga.ground.errors import NotFound, Problem
from virga.services.objects import limits, model
from virga.services.objects.actions import objects as actions
from virga.services.objects.http import LAST, Precondition, Response, count_of, etags, parse_date
from virga.services.objects.s3 import rights
from virga.services.objects.s3.call import S3Call, content_md5
from virga.services.objects.s3.errors import Node, S3Error, Xml, el, xml_response
from virga.services.objects.s3.versions import check_version
from virga.services.objects.store import objects as rows

MOST = limits.MULTI_DELETE


@dataclass(frozen=True, slots=True)
class DeleteConditions:
    """Delete only what has this etag, this length, this last change."""

    etag: str | None = None
    size: int | None = None
    changed: float | None = None

    def __bool__(self) -> bool:
        return self.etag is not None or self.size is not None or self.changed is not None

    def fits(self, o: model.Object) -> bool:
        if o.kind == model.MARKER:
            return self.etag == "*" and self.size is None and self.changed is None
        return (
            (self.etag is None or self.etag == "*" or o.own("slo_etag", o.etag) in etags(self.etag))
            and (self.size is None or self.size == o.own("total", o.size))
            and (self.changed is None or int(self.changed) == -(-o.changed // 1))
        )


def delete_conditions(etag: str | None, size: str | None, changed: str | None) -> DeleteConditions:
    """Conditions as they are written. Raises InvalidArgument."""
    length = count_of(size, LAST) if size is not None else None
    if size is not None and length is None:
        raise S3Error("InvalidArgument", "The size to match is no number.")
    at = None
    if changed is not None:
        at = parse_date(changed)
        if at is None:
            try:
                at = dt.datetime.fromisoformat(changed.replace("Z", "+00:00")).timestamp()
            except (ValueError, OverflowError):
                raise S3Error("InvalidArgument", "The time to match is no date.") from None
    return DeleteConditions(etag, length, at)


def remove(
    tx: Tx,
    container: int,
    key: str,
    version: str | None,
    *,
    now: float,
    wake: Callable[[], None],
    bypass: bool,
    when: DeleteConditions,
) -> actions.Removed:
    """Take the newest version away, or one by its id. Raises NotFound, Forbidden (locked), Precondition."""
    if when:
        tx.hold(f"container:{container}")
        current = rows.row(tx, container, key)
        if version is not None and not (
            current is not None and version == ("null" if current.unversioned else current.version)
        ):
            current = rows.version(tx, container, key, version)
        elif current is None:
            current = rows.newest_old(tx, container, key)
        if current is None:
            raise NotFound("The resource could not be found.")
        if not when.fits(current):
            raise Precondition("differs")
    if version is not None:
        return actions.delete_version(tx, container, key, version, now, wake, bypass=bypass)
    return actions.delete(tx, container, key, now, wake)


async def delete(c: S3Call) -> Response:
    """DeleteObject."""
    version = c.request.query.get("versionId")
    check_version(version)
    c.allow("s3:DeleteObjectVersion" if version else "s3:DeleteObject", c.path)
    bypass, h = c.bypass(), c.request.headers
    when = delete_conditions(
        h.get("if-match"), h.get("x-amz-if-match-size"), h.get("x-amz-if-match-last-modified-time")
    )
    context, now, id, key = c.context, c.context.now(), c.bucket.id, c.path
    try:
        removed = await context.commits.write_short(
            lambda tx: remove(tx, id, key, version, now=now, wake=context.wake_trash, bypass=bypass, when=when)
        )
    except NotFound:
        return Response(204, {"x-amz-version-id": version} if version else {})
    headers = {}
    if version is not None:
        headers["x-amz-version-id"] = version
    elif removed.marker:
        headers["x-amz-version-id"] = removed.version
    if removed.marker:
        headers["x-amz-delete-marker"] = "true"
    return Response(204, headers)


@dataclass(frozen=True, slots=True)
class _Each:
    key: str
    version: str | None
    when: DeleteConditions


def _told(each: _Each, code: str, message: str) -> Xml:
    return el(
        "Error",
        el("Key", each.key),
        el("VersionId", each.version) if each.version else None,
        el("Code", code),
        el("Message", message),
    )


def _one_of(o: Node) -> _Each:
    key, version = o.find("Key"), o.value("VersionId") or None
    if key is None or not key.text or "\0" in key.text or len(key.text.encode()) > model.MAX_NAME:
        raise S3Error("MalformedXML")
    return _Each(key.text, version, delete_conditions(o.value("ETag"), o.value("Size"), o.value("LastModifiedTime")))


def _decided(c: S3Call, wanted: list[_Each]) -> tuple[list[Xml], list[_Each]]:
    """(refusals as they are told, what may be done)."""
    refused, todo = [], []
    for each in wanted:
        try:
            check_version(each.version)
            rights.allow(
                c.context,
                c.request,
                c.signed.actor,
                c.bucket,
                "s3:DeleteObjectVersion" if each.version else "s3:DeleteObject",
                key=each.key,
            )
        except S3Error as e:
            refused.append(
                _told(each, "NoSuchVersion" if e.code == "InvalidArgument" else e.code, e.says or "Access Denied")
            )
        else:
            todo.append(each)
    return refused, todo


async def delete_many(c: S3Call) -> Response:
    """POST ?delete: up to 1000 keys (and versions), some in each commit: S3 promises no whole."""
    raw = await c.document()
    summed = (
        any(h.startswith("x-amz-checksum-") or h == "x-amz-trailer" for h in c.request.headers)
        or len(c.signed.payload) == 64
    )
    if content_md5(c.request) is None and not summed:
        raise S3Error("InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
    doc = await c.tree(raw, "Delete")
    quiet = (doc.value("Quiet") or "").lower() == "true"
    wanted = doc.all("Object")
    if not 0 < len(wanted) <= MOST:
        raise S3Error("MalformedXML")
    bypass = c.bypass()
    context, now, id = c.context, c.context.now(), c.bucket.id
    each_of = [_one_of(o) for o in wanted]
    # a thousand decisions on a tenant's policy are nothing for the loop
    out, todo = await asyncio.get_running_loop().run_in_executor(context.threads, _decided, c, each_of)

    def run(tx: Tx, some: list[_Each]) -> list[Xml]:
        told = []
        for each in some:
            parts: list[Xml | None] = [el("Key", each.key), el("VersionId", each.version) if each.version else None]
            try:
                removed = remove(
                    tx, id, each.key, each.version, now=now, wake=context.wake_trash, bypass=bypass, when=each.when
                )
                if removed.marker:
                    parts += [el("DeleteMarker", "true"), el("DeleteMarkerVersionId", each.version or removed.version)]
            except NotFound:
                pass
            except Precondition:
                told.append(
                    _told(each, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
                )
                continue
            except Problem as p:
                told.append(_told(each, "AccessDenied", p.message))
                continue
            if not quiet:
                told.append(el("Deleted", *parts))
        return told

    for at in range(0, len(todo), limits.AT_ONCE):
        some = todo[at : at + limits.AT_ONCE]
        out += await context.commits.write(functools.partial(run, some=some))
    return xml_response("DeleteResult", *out)
