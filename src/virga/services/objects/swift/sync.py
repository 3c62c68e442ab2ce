# SPDX-License-Identifier: Apache-2.0
"""Container sync, incoming: what another cluster tells one of our containers, signed with the realm's key and the container's, or in the
old form with the container's key alone. The newest time wins."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

from virga.ground.db.engine import Tx
from virga.ground.errors import Invalid
from virga.services.objects import model
from virga.services.objects.context import ObjectContext
from virga.services.objects.http import Answered, Request
from virga.services.objects.store import containers
from virga.services.objects.store import sync as rows
from virga.services.objects.swift.entry import SignedAccess
from virga.services.objects.swift.replies import plain, refuse

METHODS = frozenset({"HEAD", "GET", "PUT", "DELETE"})
STAMP = re.compile(r"\d{1,10}(\.\d{1,9})?")
AHEAD = 86400


def wanted(request: Request) -> bool:
    return "x-container-sync-auth" in request.headers or "x-container-sync-key" in request.headers


async def signed_access(context: ObjectContext, request: Request, account: str, container: str) -> SignedAccess | None:
    """The right to one request, if it is signed; None where the header is somebody's who only sets a key. Raises 401 for a wrong
    signature, 400 for a time that cannot be. The request's time is left in its notes."""
    row = (
        await context.commits.read(lambda tx: containers.look_up(tx, account, container, with_account=False))
    ).container
    key = (row.control.get("sync_key") or "") if row is not None else ""
    stamp = request.header("x-timestamp", "0")
    auth = request.headers.get("x-container-sync-auth")
    if auth is not None:
        paths = list({p for raw in (request.path, request.raw_path) for p in (raw, quote(unquote(raw)))})
        if not context.realms.signed(auth, request.method, paths, stamp, key):
            response = plain(401, "X-Container-Sync-Auth header not valid; contact cluster operator for support.")
            response.headers["www-authenticate"] = f'SwiftContainerSync realm="{quote(account)}"'
            raise Answered(response)
    elif not (
        key
        and context.realms.hosts
        and "x-timestamp" in request.headers
        and hmac.compare_digest(request.header("x-container-sync-key").encode(), key.encode())
    ):
        return None
    if request.method not in METHODS:
        return None
    request.notes["sync_at"] = time_of(context, stamp) if request.method in {"PUT", "DELETE"} else None
    # the segments of a manifest may lie in another container; whether they are there is all that is read of them
    manifest = request.method == "PUT" and request.query.get("multipart-manifest") == "put"
    return SignedAccess(METHODS, account, None if manifest else container)


def time_of(context: ObjectContext, stamp: str) -> float:
    if STAMP.fullmatch(stamp) is None or float(stamp) > context.now() + AHEAD:
        raise refuse(400, "X-Timestamp should be a UNIX timestamp float value, and not lie in the future")
    return float(stamp)


def newest(at: float, code: int) -> Callable[[model.Object | None], None]:
    """A check for inside the transaction. It raises Answered with `code`, where what is there is as new: 202 for what need not be put,
    409 for what must not be deleted."""

    def check(old: model.Object | None) -> None:
        if old is not None and float(model.timestamp(old.changed)) >= at:
            raise Answered(plain(code, "What is there is as new."))

    return check


def changes(context: ObjectContext, request: Request) -> dict[str, str | None]:
    """What a container's headers set: sync_to and sync_key ('' removes). Raises 400 for what leads nowhere or may not. Raises Invalid."""
    out: dict[str, str | None] = {}
    for name, header in (("sync_to", "x-container-sync-to"), ("sync_key", "x-container-sync-key")):
        if f"x-remove-{header[2:]}" in request.headers:
            out[name] = None
        elif header in request.headers:
            out[name] = request.headers[header].strip() or None
    if out.get("sync_to"):
        if not context.realms.on:
            raise Invalid(
                "Container sync is not available in this cloud: no realm is known to it.", field="X-Container-Sync-To"
            )
        context.realms.target(out["sync_to"] or "")
    if len(out.get("sync_key") or "") > model.META_VALUE:
        raise Invalid(f"X-Container-Sync-Key is longer than {model.META_VALUE}", field="X-Container-Sync-Key")
    return out


def settle(tx: Tx, old: model.Container, control: dict[str, Any]) -> None:
    """What a change of a container's settings means for what waits: another target is to be told everything, none nothing.
    Raises Invalid."""
    if control.get("sync_to") and control.get("versioning"):
        raise Invalid(
            "Cannot configure container sync on a container with object versioning configured.",
            field="X-Container-Sync-To",
        )
    if control.get("sync_to") == (old.control or {}).get("sync_to"):
        return
    rows.forget_container(tx, old.id)
    if control.get("sync_to"):
        rows.note_all(tx, old.id)
