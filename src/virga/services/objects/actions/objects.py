# SPDX-License-Identifier: Apache-2.0
"""Put, change and take away objects, with versions in all three ways: history kept in place (Swift's new API and S3), and the two
older ones that move old objects to another container. Every function runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from virga.ground.db.engine import Tx
from virga.ground.errors import Forbidden, NotFound, TooLarge
from virga.services.objects import model
from virga.services.objects.http import Precondition
from virga.services.objects.store import containers, sync
from virga.services.objects.store import objects as rows


@dataclass(slots=True)
class New:
    """An object about to be written; its body is on the disk already, or in `data`."""

    name: str
    size: int
    etag: str
    content_type: str
    body: str | None = None
    data: bytes | None = None
    kind: str = ""
    meta: dict[str, str] = field(default_factory=dict)
    control: dict[str, Any] | None = None
    delete_at: int | None = None
    pieces: list[model.Piece] = field(default_factory=list)
    at: float | None = None
    """When it was written, where that was elsewhere (container sync)."""


Check = Callable[["model.Object | None"], None]


def put(
    tx: Tx,
    container_id: int,
    new: New,
    now: float,
    wake: Callable[[], None],
    check: Check | None = None,
    *,
    numbered: bool = False,
) -> model.Object:
    """Write `new` as the newest version of its name. Raises NotFound (the container is gone), Precondition, TooLarge (quota).
    `numbered`: Swift's way with an object that was made without versioning: once it is an old version it has an id as all others have
    and is kept until it is removed by that id; S3 keeps one `null` among the old versions, and replaces it."""
    tx.hold(f"container:{container_id}")
    found = rows.before(tx, container_id, new.name)
    if found is None:
        raise NotFound("The container is gone.")
    container, account_meta, account_control, old = found
    if check is not None:
        check(old)
    control = container.control
    quota(tx, container, account_meta, account_control, new.size, old)
    versioning = control.get("versioning") if control else None
    version, at = model.stamp(now)
    if new.at is not None:
        at = new.at
    fresh = model.Object(
        container_id,
        new.name,
        version,
        versioning != "enabled",
        at,
        at,
        new.etag,
        new.size,
        new.content_type,
        new.kind,
        new.body,
        new.delete_at,
        new.meta,
        new.control or None,
    )
    if new.data is not None and new.body is not None:
        rows.put_small(tx, new.body, new.data)
    if new.pieces:
        rows.put_pieces(tx, new.pieces)
    size = new.size
    if old is not None:
        size -= _step_aside(tx, container, old, versioning=versioning, now=now, wake=wake, numbered=numbered)
    elif versioning == "suspended":
        size -= _drop_null(tx, container_id, new.name, now, wake, numbered)
    rows.write(tx, fresh, replaces=old is not None)
    rows.grow(tx, container_id, 0 if old is not None else 1, size)
    note_change(tx, container, new.name, at)
    return fresh


def note_change(tx: Tx, container: model.Container, name: str, at: float, *, deleted: bool = False) -> None:
    """A container that is kept in step with another has something to tell it."""
    if container.control and container.control.get("sync_to"):
        sync.note(tx, container.id, name, at, deleted=deleted)


def _step_aside(
    tx: Tx,
    container: model.Container,
    old: model.Object,
    *,
    versioning: str | None,
    now: float,
    wake: Callable[[], None],
    numbered: bool,
) -> int:
    """Make room for a newer version of `old`; how many bytes leave the container."""
    if versioning == "enabled" or (versioning == "suspended" and not old.unversioned):
        freed = 0 if versioning == "enabled" else _drop_null(tx, container.id, old.name, now, wake, numbered)
        rows.to_history(tx, _as_version(old) if numbered else old)
        return freed
    guard_locked(old, now)
    archive = container.control.get("archive") if container.control else None
    if archive:
        _archive(tx, container, old, now, wake)
    else:
        rows.drop_body(tx, old.body, now, wake)
    return old.size


def _as_version(old: model.Object) -> model.Object:
    """What an object is as an old version in Swift: it has an id, and it does not expire."""
    return msgspec.structs.replace(old, unversioned=False, delete_at=None)


def _drop_null(
    tx: Tx, container_id: int, name: str, now: float, wake: Callable[[], None], numbered: bool = False
) -> int:
    null = rows.version(tx, container_id, name, "null")
    if null is None:
        return 0
    if numbered:
        rows.forget_version(tx, null)
        rows.to_history(tx, _as_version(null))
        return 0
    guard_locked(null, now)
    rows.forget_version(tx, null)
    rows.drop_body(tx, null.body, now, wake)
    return null.size


def _archive(tx: Tx, container: model.Container, old: model.Object, now: float, wake: Callable[[], None]) -> None:
    """X-Versions-Location: the old object goes to the other container under its length, its name and its time."""
    other = containers.container_row(tx, container.account, container.control["archive"])
    if other is None:
        raise Precondition("The container of old versions does not exist; nothing was changed.")
    name = archived_name(old.name, old.changed)
    if len(name.encode()) > model.MAX_NAME:
        name = name[: model.MAX_NAME // 4]
    there = rows.row(tx, other.id, name)
    if there is not None:
        rows.drop_body(tx, there.body, now, wake)
    rows.write(
        tx, msgspec.structs.replace(old, container_id=other.id, name=name, delete_at=None), replaces=there is not None
    )
    rows.grow(tx, other.id, 0 if there is not None else 1, old.size - (there.size if there is not None else 0))


def archived_name(name: str, created: float) -> str:
    return f"{archive_prefix(name)}{model.timestamp(created)}"


def archive_prefix(name: str) -> str:
    return f"{len(name.encode()):03x}{name}/"


def quota(
    tx: Tx,
    container: model.Container,
    account_meta: dict[str, str],
    account_control: dict[str, Any],
    size: int,
    old: model.Object | None,
) -> None:
    """Container and account quotas, counted from the rows. Raises TooLarge with limit and use."""
    meta = container.meta
    versioned = bool(container.control) and container.control.get("versioning") == "enabled"
    gone = 0 if old is None or versioned else old.size
    if meta:
        most, count = meta.get("quota-bytes"), meta.get("quota-count")
        if most and container.bytes - gone + size > int(most):
            raise TooLarge(
                f"Upload exceeds quota: container {container.name} holds {container.bytes} of {most} bytes.",
                limit=int(most),
                used=container.bytes,
            )
        if count and old is None and container.objects + 1 > int(count):
            raise TooLarge(
                f"Upload exceeds quota: container {container.name} holds {container.objects} of {count} objects.",
                limit=int(count),
            )
    if not (account_meta or account_control):
        return
    quotas = account_control.get("quotas", {})
    limit = account_meta.get("quota-bytes") or quotas.get("bytes")
    if limit or quotas.get("count"):
        _, objects, used = containers.totals(tx, container.account)
        if limit and used - gone + size > int(limit):
            raise TooLarge(
                f"Upload exceeds quota: the account holds {used} of {limit} bytes.", limit=int(limit), used=used
            )
        if quotas.get("count") and old is None and objects + 1 > int(quotas["count"]):
            raise TooLarge(
                f"Upload exceeds quota: the account holds {objects} of {quotas['count']} objects.",
                limit=int(quotas["count"]),
            )
    for kind in ("bytes", "count"):
        most = quotas.get(f"{kind}-policy-{container.policy.lower()}")
        if most:
            _, objects, used = containers.totals(tx, container.account, container.policy)
            over = used - gone + size > int(most) if kind == "bytes" else old is None and objects + 1 > int(most)
            if over:
                raise TooLarge(
                    f"Upload exceeds policy quota: policy {container.policy} of the account allows {most}.",
                    limit=int(most),
                )


# -- taking away ---------------------------------------------------------------------------------------------------


def guard_locked(o: model.Object, now: float, *, bypass: bool = False) -> None:
    """Object lock: a held or retained version is not removed. Raises Forbidden with the reason."""
    if o.control is None:
        return
    if o.control.get("hold"):
        raise Forbidden(f"Object {o.name} is under legal hold.", rule="legal-hold")
    retention = o.control.get("retain")
    if retention and retention["until"] > now and (retention["mode"] == "COMPLIANCE" or not bypass):
        raise Forbidden(
            f"Object {o.name} is retained ({retention['mode']}) until {model.listed_time(retention['until'])}.",
            rule="retention",
        )


@dataclass(slots=True)
class Removed:
    """What a delete did: `version` is the version removed or the marker made. `found`: whether there was anything to take away.
    `current`: the version that is the newest now, `null` when it has none or there is no object."""

    object: model.Object | None
    version: str = "null"
    marker: bool = False
    found: bool = True
    current: str = "null"


def delete(
    tx: Tx,
    container_id: int,
    name: str,
    now: float,
    wake: Callable[[], None],
    *,
    check: Check | None = None,
    at: float | None = None,
    numbered: bool = False,
    marks: bool = True,
) -> Removed:
    """Take the newest version away; with versioning a marker comes in its place. Raises NotFound when there is none (and no versioning).
    `numbered`: as Swift has it (see `put`): only while versioning is enabled does a marker come. Without `marks`, never."""
    tx.hold(f"container:{container_id}")
    container = rows.container_by_id(tx, container_id)
    if container is None:
        raise NotFound("The resource could not be found.")
    old = rows.row(tx, container_id, name)
    if check is not None:
        check(old)
    control = container.control or {}
    versioning = control.get("versioning")
    if (versioning == "enabled" and marks) or (versioning == "suspended" and not numbered):
        return _mark(tx, container, name, old=old, versioning=versioning, now=now, wake=wake, numbered=numbered)
    if versioning is not None:
        return _vanish(tx, container_id, old, now, wake)
    archive, mode = control.get("archive"), control.get("archive_mode")
    if archive and mode == "stack":
        return _pop(tx, container, name, old, now, wake)
    if archive:
        return _push(tx, container, name, old, now, wake)
    if old is None:
        raise NotFound("The resource could not be found.")
    guard_locked(old, now)
    rows.drop_body(tx, old.body, now, wake)
    rows.remove(tx, container_id, name)
    rows.grow(tx, container_id, -1, -old.size)
    note_change(tx, container, name, model.stamp(now)[1] if at is None else at, deleted=True)
    return Removed(old, found=alive(old, now) is not None)


def _vanish(tx: Tx, container_id: int, old: model.Object | None, now: float, wake: Callable[[], None]) -> Removed:
    """The newest is no more, and nothing comes in its place; what has a version id is still found by it."""
    if old is None:
        raise NotFound("The resource could not be found.")
    if old.unversioned:
        guard_locked(old, now)
        rows.drop_body(tx, old.body, now, wake)
    else:
        rows.to_history(tx, _as_version(old))
    rows.remove(tx, container_id, old.name)
    rows.grow(tx, container_id, -1, -old.size if old.unversioned else 0)
    return Removed(old)


def expire(tx: Tx, old: model.Object, now: float, wake: Callable[[], None]) -> None:
    """Take away what has passed its time: never with a marker, never into an archive. Raises Forbidden (locked)."""
    tx.hold(f"container:{old.container_id}")
    container = rows.container_by_id(tx, old.container_id)
    _vanish(tx, old.container_id, old, now, wake)
    if container is not None:
        note_change(tx, container, old.name, model.stamp(now)[1], deleted=True)


def _mark(
    tx: Tx,
    container: model.Container,
    name: str,
    *,
    old: model.Object | None,
    versioning: str,
    now: float,
    wake: Callable[[], None],
    numbered: bool = False,
) -> Removed:
    freed = 0
    if old is not None:
        if versioning == "suspended" and old.unversioned:
            guard_locked(old, now)
            rows.drop_body(tx, old.body, now, wake)
            freed = old.size
        else:
            freed = _drop_null(tx, container.id, name, now, wake) if versioning == "suspended" else 0
            rows.to_history(tx, _as_version(old) if numbered else old)
        rows.remove(tx, container.id, name)
    elif versioning == "suspended":
        freed = _drop_null(tx, container.id, name, now, wake)
    version, at = model.stamp(now)
    marker = model.Object(
        container.id,
        name,
        version,
        versioning == "suspended",
        at,
        at,
        "d41d8cd98f00b204e9800998ecf8427e",
        0,
        "application/x-deleted;swift_versions_deleted=1",
        model.MARKER,
        None,
        None,
        {},
        None,
    )
    rows.to_history(tx, marker)
    rows.grow(tx, container.id, -1 if old is not None else 0, -freed)
    return Removed(old, "null" if marker.unversioned else version, True, found=alive(old, now) is not None)


DELETED = "application/x-deleted;swift_versions_deleted=1"


def _push(
    tx: Tx, container: model.Container, name: str, old: model.Object | None, now: float, wake: Callable[[], None]
) -> Removed:
    """X-History-Location: the object goes to the archive and a marker after it, a marker alone when there was none."""
    other = containers.container_row(tx, container.account, container.control["archive"])
    if other is None:
        raise Precondition("The container of old versions does not exist; nothing was changed.")
    if old is not None:
        guard_locked(old, now)
        _archive(tx, container, old, now, wake)
        rows.remove(tx, container.id, name)
        rows.grow(tx, container.id, -1, -old.size)
        note_change(tx, container, name, model.stamp(now)[1], deleted=True)
    put(
        tx,
        other.id,
        New(archived_name(name, model.stamp(now)[1]), 0, "d41d8cd98f00b204e9800998ecf8427e", DELETED),
        now,
        wake,
    )
    return Removed(old, found=old is not None)


def _pop(
    tx: Tx, container: model.Container, name: str, old: model.Object | None, now: float, wake: Callable[[], None]
) -> Removed:
    """X-Versions-Location, stack: the newest archived object comes back. A marker (of X-History-Location, before) counts as a state of
    its own: with an object above it the object goes, without one the marker does and what is beneath it comes back."""
    other = containers.container_row(tx, container.account, container.control["archive"])
    newest = rows.last_names(tx, other.id, archive_prefix(name), 2) if other is not None else []
    if old is None and not newest:
        raise NotFound("The resource could not be found.")
    if old is not None:
        guard_locked(old, now)
    gone, back = None, newest[0] if newest else None
    if back is not None and back.content_type == DELETED:
        gone, back = (back, newest[1] if len(newest) > 1 else None) if old is None else (None, None)
        if back is not None and back.content_type == DELETED:
            back = None
    if old is not None:
        rows.drop_body(tx, old.body, now, wake)
        if back is None:
            rows.remove(tx, container.id, name)
        rows.grow(tx, container.id, -1 if back is None else 0, -old.size)
    for each in (gone, back):
        if each is not None and other is not None:
            rows.remove(tx, other.id, each.name)
            rows.grow(tx, other.id, -1, -each.size)
    if back is not None:
        fresh = msgspec.structs.replace(back, container_id=container.id, name=name, version=model.stamp(now)[0])
        rows.write(tx, fresh, replaces=old is not None)
        rows.grow(tx, container.id, 0 if old is not None else 1, back.size)
    return Removed(old)


def delete_version(
    tx: Tx,
    container_id: int,
    name: str,
    version: str,
    now: float,
    wake: Callable[[], None],
    *,
    bypass: bool = False,
    numbered: bool = False,
) -> Removed:
    """Remove one version for good; the newest that is left shows, except in Swift (`numbered`), where nothing does until it is put
    or restored. A version that is not there is NotFound."""
    tx.hold(f"container:{container_id}")
    current = rows.row(tx, container_id, name)
    if current is not None and version == ("null" if current.unversioned else current.version):
        guard_locked(current, now, bypass=bypass)
        rows.drop_body(tx, current.body, now, wake)
        gone = current
    else:
        found = (rows.numbered if numbered else rows.version)(tx, container_id, name, version)
        if found is None:
            raise NotFound("The version does not exist.")
        guard_locked(found, now, bypass=bypass)
        newest = rows.newest_old(tx, container_id, name)
        rows.forget_version(tx, found)
        rows.drop_body(tx, found.body, now, wake)
        rows.grow(tx, container_id, 0, -found.size)
        if (
            not numbered
            and current is None
            and found.kind == model.MARKER
            and newest is not None
            and newest.version == found.version
        ):
            _promote(tx, container_id, name, None)
        shown = "null" if current is None or current.unversioned else current.version
        return Removed(found, version, found.kind == model.MARKER, current=shown)
    rows.grow(tx, container_id, 0, -gone.size)
    if numbered:
        rows.remove(tx, container_id, name)
        rows.grow(tx, container_id, -1, 0)
    else:
        _promote(tx, container_id, name, current)
    return Removed(gone, version)


def restore(tx: Tx, container_id: int, name: str, version: str, now: float, wake: Callable[[], None]) -> model.Object:
    """Make an old version the newest again, under its own id (Swift's PUT ?version-id). Raises NotFound."""
    tx.hold(f"container:{container_id}")
    container = rows.container_by_id(tx, container_id)
    current = rows.row(tx, container_id, name)
    if current is not None and not current.unversioned and current.version == version:
        return current
    found = rows.numbered(tx, container_id, name, version)
    if container is None or found is None or found.kind == model.MARKER:
        raise NotFound("The specified version does not exist")
    freed = 0
    if current is not None:
        freed = _step_aside(
            tx,
            container,
            current,
            versioning=(container.control or {}).get("versioning"),
            now=now,
            wake=wake,
            numbered=True,
        )
    rows.forget_version(tx, found)
    back = _as_version(found)
    rows.write(tx, back, replaces=current is not None)
    rows.grow(tx, container_id, 0 if current is not None else 1, -freed)
    return back


def _promote(tx: Tx, container_id: int, name: str, current: model.Object | None) -> None:
    """The newest old version becomes the object, unless it is a marker."""
    newest = rows.newest_old(tx, container_id, name)
    if newest is not None and newest.kind != model.MARKER:
        rows.forget_version(tx, newest)
        rows.write(tx, newest, replaces=current is not None)
        rows.grow(tx, container_id, 0 if current is not None else 1, 0)
    elif current is not None:
        rows.remove(tx, container_id, name)
        rows.grow(tx, container_id, -1, 0)


def find(
    tx: Tx, spot_object: model.Object | None, container: model.Container, name: str, version: str | None
) -> model.Object:
    """The object, or the version of it that is asked for. Raises NotFound (facts: `marker` when a marker lies there)."""
    if version is None:
        if spot_object is None:
            raise NotFound("The resource could not be found.")
        return spot_object
    if spot_object is not None and version == ("null" if spot_object.unversioned else spot_object.version):
        return spot_object
    found = rows.version(tx, container.id, name, version)
    if found is None:
        raise NotFound("The version does not exist.", absent_version=True)
    return found


def find_numbered(
    tx: Tx, newest: model.Object | None, container: model.Container, name: str, version: str
) -> model.Object:
    """The version as Swift names it: `null` is the newest, if it has no id; any other is found by its id, and does not expire.
    Raises NotFound."""
    if newest is not None and version == ("null" if newest.unversioned else newest.version):
        return newest if newest.unversioned else _as_version(newest)
    found = None if version == "null" else rows.numbered(tx, container.id, name, version)
    if found is None:
        raise NotFound("The resource could not be found.")
    return found


def change(
    tx: Tx, container_id: int, name: str, now: float, update: Callable[[model.Object], dict[str, Any]]
) -> model.Object:
    """POST: new metadata on the newest version. `update(old)` gives the columns to write. Raises NotFound."""
    tx.hold(f"container:{container_id}")
    old = rows.row(tx, container_id, name)
    if old is None:
        raise NotFound("The resource could not be found.")
    _, at = model.stamp(now)
    fresh = msgspec.structs.replace(old, changed=at, **update(old))
    rows.write(tx, fresh, replaces=True)
    container = rows.container_by_id(tx, container_id)
    if container is not None:
        note_change(tx, container, name, at)
    return fresh


def alive(o: model.Object | None, now: float) -> model.Object | None:
    """What has expired is not there, even before the expirer comes."""
    return None if o is not None and o.delete_at is not None and o.delete_at <= now else o
