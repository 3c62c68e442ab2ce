# SPDX-License-Identifier: Apache-2.0
"""An object as S3 names it: the newest version or one by its id, decided on its bucket and itself; and changes of what a version
remembers."""

from __future__ import annotations

from typing import Any

from virga.ground.db.engine import Tx
from virga.ground.errors import NotFound
from virga.services.objects import model
from virga.services.objects.actions import objects as actions
from virga.services.objects.s3 import rights
from virga.services.objects.s3.call import S3Call
from virga.services.objects.s3.errors import S3Error
from virga.services.objects.store import containers
from virga.services.objects.store import objects as rows

BY_VERSION = {
    f"s3:{verb}Object{what}": f"s3:{verb}ObjectVersion{what}"
    for verb, what in (
        ("Get", ""),
        ("Get", "Acl"),
        ("Put", "Acl"),
        ("Get", "Tagging"),
        ("Put", "Tagging"),
        ("Delete", "Tagging"),
        ("Delete", ""),
        ("Get", "Attributes"),
    )
}
"""What the same action is called when the request names a version."""


class Marker(S3Error):
    """A delete marker lies there."""

    def __init__(self, o: model.Object, by_version: bool) -> None:
        super().__init__("MethodNotAllowed" if by_version else "NoSuchKey", Key=o.name)
        self.headers = {"x-amz-delete-marker": "true", "x-amz-version-id": id_of(o)}
        if by_version:
            self.headers["allow"] = "DELETE"


def id_of(o: model.Object) -> str:
    return "null" if o.unversioned else o.version


def headers(o: model.Object, bucket: model.Container) -> dict[str, str]:
    return {"x-amz-version-id": id_of(o)} if bucket.control and bucket.control.get("versioning") else {}


def made(o: model.Object) -> dict[str, str]:
    """The id of a version that was just made; one without versioning has none to tell."""
    return {} if o.unversioned else {"x-amz-version-id": o.version}


def _lists(c: S3Call, row: model.Container, key: str) -> bool:
    try:
        return rights.may(c.context, c.request, c.signed.actor, row, "s3:ListBucket", prefix=key)
    except S3Error:
        return False


async def one(
    c: S3Call, row: model.Container, key: str, version: str | None, action: str, **facts: Any
) -> model.Object:
    """An object for reading. Raises NoSuchKey, NoSuchVersion, Marker, AccessDenied (also for what is not there, to those who may not
    list)."""

    def read(tx: Tx) -> model.Object | None:
        current = rows.row(tx, row.id, key)
        try:
            return actions.find(tx, current, row, key, version)
        except NotFound as e:
            if e.facts.get("absent_version"):
                raise
            newest = rows.newest_old(tx, row.id, key) if row.control and row.control.get("versioning") else None
            return newest if newest is not None and newest.kind == model.MARKER else None

    check_version(version)
    if version:
        action = BY_VERSION.get(action, action)
    try:
        o = await c.context.commits.read(read)
    except NotFound:
        rights.allow(c.context, c.request, c.signed.actor, row, action, key=key)
        raise S3Error("NoSuchVersion", Key=key, VersionId=version or "") from None
    o = actions.alive(o, c.context.now())
    if o is None or o.kind == model.MARKER:
        may = rights.may(c.context, c.request, c.signed.actor, row, action, key=key, o=o, **facts)
        if not may and not _lists(c, row, key):
            raise rights.denied(row, action)  # in the words that an object which is there is refused with
        if may and row.account != c.own:
            rights.allow(c.context, c.request, c.signed.actor, row, "s3:ListBucket", prefix=key)
        if o is not None:
            raise Marker(o, version is not None)
        missing = S3Error("NoSuchKey", Key=key)
        missing.headers["x-amz-delete-marker"] = "false"
        raise missing
    rights.allow(c.context, c.request, c.signed.actor, row, action, key=key, o=o, **facts)
    return o


def check_version(version: str | None) -> None:
    if version is not None and version != "null" and not version.replace(".", "", 1).isdecimal():
        raise S3Error(
            "InvalidArgument", "Invalid version id specified", ArgumentName="versionId", ArgumentValue=version[:64]
        )


async def named(c: S3Call, action: str, **facts: Any) -> model.Object:
    """The object of the request's path and versionId."""
    return await one(c, c.bucket, c.path, c.request.query.get("versionId"), action, **facts)


async def amend(c: S3Call, o: model.Object, **control: Any) -> None:
    """Write into what the object remembers, on that very version; None takes a word away."""

    def run(tx: Tx) -> None:
        row = containers.container_row(tx, c.bucket.account, c.bucket.name)
        current = rows.row(tx, c.bucket.id, o.name)
        if row is None:
            raise NotFound("gone")
        if current is None or current.version != o.version:
            current = rows.version(tx, c.bucket.id, o.name, id_of(o))
        if current is None:
            raise NotFound("gone")
        fresh = {k: v for k, v in ((current.control or {}) | control).items() if v is not None}
        rows.change_version(tx, current, control=fresh or None)

    await c.context.commits.write(run)
