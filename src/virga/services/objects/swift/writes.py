# SPDX-License-Identifier: Apache-2.0
"""Objects on their way in: what headers say of a new one, the row and the body in one commit, and the way out of the rows."""

from __future__ import annotations

import mimetypes

from virga.ground.db.engine import Tx
from virga.ground.errors import Invalid
from virga.services.objects import model
from virga.services.objects.actions import objects as actions
from virga.services.objects.bodies import Received
from virga.services.objects.context import ObjectContext
from virga.services.objects.http import Precondition, Request, Response, http_date, unquote
from virga.services.objects.store import containers
from virga.services.objects.swift import sync
from virga.services.objects.swift.metadata import check_meta, check_meta_total, yes
from virga.services.objects.swift.replies import refuse

KEPT = (
    "content-disposition",
    "content-encoding",
    "cache-control",
    "content-language",
    "expires",
    "x-robots-tag",
    "x-object-manifest",
)
LAST_SECOND = 9_999_999_999
"""The last second that upstream's timestamps have: what is to expire later expires then."""


class Writes:
    """Puts objects into the context's rows and takes them away."""

    def __init__(self, context: ObjectContext) -> None:
        self.context = context

    def check_new(self, request: Request) -> actions.Check | None:
        """What the write must look at when the target may not exist yet. Raises Invalid."""
        text = request.headers.get("if-none-match")
        if text is None:
            return None
        if text.strip() != "*":
            if request.method == "COPY" or "x-copy-from" in request.headers:
                return None
            raise Invalid("If-None-Match only supports *", field="If-None-Match")
        now = self.context.now()

        def check(old: model.Object | None) -> None:
            if actions.alive(old, now) is not None:
                raise Precondition("The object exists already.")

        return check

    async def thrown_away(self, got: Received) -> None:
        """The body is not wanted after all."""
        if got.body[0] == "b":
            await self.context.bodies._off(self.context.bodies.discard, got)

    async def commit(
        self,
        container_id: int,
        new: actions.New,
        got: Received,
        check: actions.Check | None = None,
        *,
        numbered: bool = False,
    ) -> model.Object:
        """Row and body, in one commit. `numbered`: Swift's way with versions, as `actions.put` says."""
        new.size, new.body, new.data = got.size, got.body, got.data
        if not new.etag:
            new.etag = got.md5
        context = self.context
        now = context.now()
        if new.at is not None and check is None:
            check = sync.newest(new.at, 202)
        async with context.bodies.offered(got):
            return await context.commits.write_short(
                lambda tx: actions.put(tx, container_id, new, now, context.wake_trash, check, numbered=numbered)
            )

    async def store(
        self, container_id: int, new: actions.New, got: Received, check: actions.Check | None = None
    ) -> model.Object:
        """Row and body, in one commit, with versions as Swift has them."""
        return await self.commit(container_id, new, got, check, numbered=True)

    @staticmethod
    def quota_ahead(found: containers.Found, size: int) -> None:
        """Refuse before the bytes travel, where the container's own quota is enough to know."""
        c = found.container
        if c is not None and c.meta.get("quota-bytes") and size > int(c.meta["quota-bytes"]):
            raise refuse(413, "Upload exceeds quota.")

    def described(self, request: Request, name: str) -> actions.New:
        """What the headers say of the object."""
        content_type = (
            request.headers.get("content-type") if not yes(request.headers.get("x-detect-content-type")) else None
        )
        if not content_type:
            content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        meta = object_meta(request)
        return actions.New(
            name, 0, "", content_type, meta=meta, delete_at=self.delete_at(request), at=request.notes.get("sync_at")
        )

    def delete_at(self, request: Request) -> int | None:
        """The second at which the object is to go, from X-Delete-After or X-Delete-At. Raises 400."""
        now = self.context.now()
        after, at = request.headers.get("x-delete-after"), request.headers.get("x-delete-at")
        if after is not None and after != "":
            if not whole_number(after):
                raise refuse(400, "Non-integer X-Delete-After")
            if int(after) == 0:
                raise refuse(400, "X-Delete-After in past")
            return min(int(now) + int(after), LAST_SECOND)
        if at is not None and at != "":
            if not whole_number(at):
                raise refuse(400, "Non-integer X-Delete-At")
            if int(at) <= now:
                raise refuse(400, "X-Delete-At in past")
            return min(int(at), LAST_SECOND)
        return None

    async def remove(
        self, container_id: int, name: str, version: str | None = None, *, at: float | None = None
    ) -> actions.Removed:
        """Take the newest away, or one version for good. `at`: the time of the deletion, where another cluster tells of it. Raises
        NotFound."""
        context = self.context
        now = context.now()

        def run(tx: Tx) -> actions.Removed:
            if version is not None and version != "null":
                return actions.delete_version(tx, container_id, name, version, now, context.wake_trash, numbered=True)
            check = sync.newest(at, 409) if at is not None else None
            return actions.delete(
                tx,
                container_id,
                name,
                now,
                context.wake_trash,
                check=check,
                at=at,
                numbered=True,
                marks=version is None,
            )

        return await context.commits.write_short(run)


def created(o: model.Object, etag: str | None = None) -> Response:
    """The answer to a write."""
    headers = {
        "content-type": "text/html; charset=UTF-8",
        "etag": etag or o.etag,
        "last-modified": http_date(-(-o.changed // 1)),
        "x-timestamp": model.timestamp(o.created),
    }
    if not o.unversioned:
        headers["x-object-version-id"] = o.version
    return Response(201, headers)


def object_meta(request: Request) -> dict[str, str]:
    """Metadata and the kept headers of a request, by their whole names; the limits are checked."""
    out: dict[str, str] = {}
    for name, value in request.headers.items():
        if name.startswith("x-object-meta-"):
            check_meta(name[14:], value)
            out[name] = value
    check_meta_total({k[14:]: v for k, v in out.items()})
    for name in KEPT:
        if request.headers.get(name):
            value = request.headers[name]
            if name == "content-encoding" and "aws-chunked" in value:
                continue
            out[name] = value
    if "x-object-manifest" in out:
        check_manifest(out["x-object-manifest"])
    if request.headers.get("x-object-meta-", None) is not None:
        raise refuse(400, "Metadata name cannot be empty")
    return out


def check_manifest(text: str) -> None:
    """Raise 400 unless this leads to the segments of a dynamic large object, whatever request brings it.
    Raises Invalid."""
    try:
        value = unquote(text)
    except UnicodeDecodeError:
        value = ""
    c, _, prefix = value.partition("/")
    if not c or not prefix or not {"?", "&", "\0"}.isdisjoint(value) or prefix.startswith("/"):
        raise Invalid("X-Object-Manifest must be in the format container/prefix", field="X-Object-Manifest")


def whole_number(text: str) -> bool:
    return (
        text.isascii() and text.isdigit() and len(text) <= 400
    )  # upstream takes any: what is later than the last second means the last second


def check_object_name(name: str) -> None:
    """Refuse names that Swift refuses. Raises Invalid."""
    if len(name.encode()) > model.MAX_NAME:
        raise refuse(400, f"Object name length of {len(name.encode())} longer than {model.MAX_NAME}")
    if not name:
        raise Invalid("The object's name is empty", field="name")
