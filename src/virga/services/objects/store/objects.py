# SPDX-License-Identifier: Apache-2.0
"""Objects' rows: put, take away, versions, bodies that nobody needs any more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from virga.ground.db.engine import Tx
from virga.ground.db.rows import Lookup, Statement
from virga.services.objects import model
from virga.services.objects.store.bounds import bounds
from virga.services.objects.store.tables import (
    ACCOUNTS,
    CONTAINERS,
    HISTORY,
    OBJECTS,
    PARTS,
    PIECES,
    QUARANTINE,
    SMALL,
    TRASH,
    UPLOADS,
)

_c, _o, _h = CONTAINERS.table, OBJECTS.table, HISTORY.table
_row = Lookup(
    sa.select(_o).where(_o.c.container_id == sa.bindparam("k_container"), _o.c.name == sa.bindparam("k_name"))
)
_insert = sa.insert(_o)
_update = sa.update(_o).where(_o.c.container_id == sa.bindparam("k_container"), _o.c.name == sa.bindparam("k_name"))
_delete = sa.delete(_o).where(_o.c.container_id == sa.bindparam("k_container"), _o.c.name == sa.bindparam("k_name"))
_insert_small = sa.insert(SMALL)
_small = Lookup(sa.select(SMALL.c.data).where(SMALL.c.body == sa.bindparam("body")))
_delete_small = sa.delete(SMALL).where(SMALL.c.body == sa.bindparam("k_body"))
_count = (
    sa.update(_c)
    .where(_c.c.id == sa.bindparam("k_id"))
    .values(objects=_c.c.objects + sa.bindparam("more"), bytes=_c.c.bytes + sa.bindparam("size"))
)
_container = Lookup(sa.select(_c).where(_c.c.id == sa.bindparam("id")))


_FIELDS = model.Object.__struct_fields__
_REST = tuple(f for f in _FIELDS if f not in {"container_id", "name"})


_KEYS = ("k_container", "k_name")
_write_insert = Statement(_insert, _FIELDS)
_write_update = Statement(_update, (*_REST, *_KEYS))
_write_small = Statement(_insert_small, ("body", "data"))
_write_count = Statement(_count, ("k_id", "more", "size"))
_a = ACCOUNTS.table
_before = Lookup(
    sa.select(_c, _a.c.meta, _a.c.control, _o)
    .select_from(
        _c.outerjoin(_a, _a.c.name == _c.c.account).outerjoin(
            _o, sa.and_(_o.c.container_id == _c.c.id, _o.c.name == sa.bindparam("name"))
        )
    )
    .where(_c.c.id == sa.bindparam("id"))
)
_NC = len(_c.c)


def before(
    tx: Tx, container_id: int, name: str
) -> tuple[model.Container, dict[str, str], dict[str, Any], model.Object | None] | None:
    """What a write looks at, in one read: the container, its account's metadata and settings, the object that is there."""
    values = _before.first(tx, id=container_id, name=name)
    if values is None:
        return None
    old = None if values[_NC + 2] is None else model.Object(*values[_NC + 2 :])
    return model.Container(*values[:_NC]), values[_NC] or {}, values[_NC + 1] or {}, old


def container_by_id(tx: Tx, id: int) -> model.Container | None:
    row = _container.first(tx, id=id)
    return None if row is None else model.Container(*row)


def row(tx: Tx, container_id: int, name: str) -> model.Object | None:
    found = _row.first(tx, k_container=container_id, k_name=name)
    return None if found is None else model.Object(*found)


def write(tx: Tx, new: model.Object, *, replaces: bool) -> None:
    if replaces:
        _write_update(tx, {"k_container": new.container_id, "k_name": new.name} | {f: getattr(new, f) for f in _REST})
    else:
        _write_insert(tx, {f: getattr(new, f) for f in _FIELDS})


def remove(tx: Tx, container_id: int, name: str) -> int:
    return tx.conn.execute(_delete, {"k_container": container_id, "k_name": name}).rowcount


def grow(tx: Tx, container_id: int, objects: int, size: int) -> None:
    if objects or size:
        _write_count(tx, {"k_id": container_id, "more": objects, "size": size})


# -- bodies --------------------------------------------------------------------------------------------------------


def put_small(tx: Tx, body: str, data: bytes) -> None:
    _write_small(tx, {"body": body, "data": data})


def small(tx: Tx, body: str) -> bytes | None:
    found = _small.first(tx, body=body)
    return None if found is None else bytes(found[0])


def pieces(tx: Tx, body: str) -> list[model.Piece]:
    return PIECES.find(tx, PIECES.c.body == body, order=PIECES.c.number)


def put_pieces(tx: Tx, rows: Sequence[model.Piece]) -> None:
    PIECES.insert_many(tx, [msgspec.structs.asdict(p) for p in rows])


def drop_body(tx: Tx, body: str | None, now: float, wake: Callable[[], None] | None = None) -> None:
    """The body is nobody's from this commit on: small ones go with it, blobs are put on the list of what to remove."""
    if body is None:
        return
    if body[0] == "m":
        tx.takes_long()  # up to ten thousand pieces
        for piece in pieces(tx, body):
            drop_body(tx, piece.blob, now, wake)
        PIECES.delete(tx, PIECES.c.body == body)
    elif body[0] == "i":
        tx.conn.execute(_delete_small, {"k_body": body})
    else:
        TRASH.insert(tx, body=body, since=now)
        if wake is not None:
            tx.after_commit(wake)


def trash(tx: Tx, since: float, after: tuple[float, str] = (-1.0, ""), limit: int = 500) -> list[model.Trash]:
    """A page of the bodies that nobody needs since then or before."""
    at, body = after
    further = sa.or_(TRASH.c.since > at, sa.and_(TRASH.c.since == at, TRASH.c.body > body))
    return TRASH.find(tx, TRASH.c.since <= since, further, order=(TRASH.c.since, TRASH.c.body), limit=limit)


def trash_count(tx: Tx) -> int:
    return TRASH.count(tx)


def forget_trash(tx: Tx, bodies: Iterable[str]) -> None:
    TRASH.delete(tx, TRASH.c.body.in_(list(bodies)))


_NAMING = (_o.c.body, _h.c.body, PIECES.c.blob, PARTS.c.body)


def known_bodies(tx: Tx, ids: Sequence[str]) -> set[str]:
    """Which of these blobs some row still names (an object, a version, a piece, a part, the trash)."""
    out: set[str] = set()
    for column in (*_NAMING, TRASH.c.body):
        for at in range(0, len(ids), 500):
            out |= set(tx.conn.execute(sa.select(column).where(column.in_(ids[at : at + 500]))).scalars())
    return out


def named(tx: Tx, body: str) -> bool:
    """Whether an object, a version, a piece or a part has this body; not so what only waits to be removed."""
    one = sa.select(sa.literal(1)).limit(1)
    return any(tx.conn.execute(one.where(column == body)).first() is not None for column in _NAMING)


def mark_rotten(tx: Tx, body: str, now: float, why: str) -> bool:
    """Whether it was not known yet."""
    if QUARANTINE.one(tx, QUARANTINE.c.body == body) is not None:
        return False
    QUARANTINE.insert(tx, body=body, since=now, why=why)
    return True


def forget_rotten(tx: Tx, body: str) -> None:
    QUARANTINE.delete(tx, QUARANTINE.c.body == body)


def rotten(tx: Tx) -> list[model.Quarantine]:
    return QUARANTINE.find(tx, order=QUARANTINE.c.since)


# -- versions ------------------------------------------------------------------------------------------------------


def to_history(tx: Tx, old: model.Object) -> None:
    tx.conn.execute(sa.insert(_h), {f: getattr(old, f) for f in _FIELDS})


def version(tx: Tx, container_id: int, name: str, version: str) -> model.Object | None:
    """An older version; `null` is the one made without versioning."""
    which = (
        HISTORY.c.unversioned.is_(True)
        if version == "null"
        else sa.and_(HISTORY.c.version == version, HISTORY.c.unversioned.is_(False))
    )
    return HISTORY.one(tx, HISTORY.c.container_id == container_id, HISTORY.c.name == name, which)


def numbered(tx: Tx, container_id: int, name: str, version: str) -> model.Object | None:
    """An older version by its id, also one that S3 calls `null`."""
    return HISTORY.one(tx, HISTORY.c.container_id == container_id, HISTORY.c.name == name, HISTORY.c.version == version)


def newest_old(tx: Tx, container_id: int, name: str) -> model.Object | None:
    found = HISTORY.find(
        tx, HISTORY.c.container_id == container_id, HISTORY.c.name == name, order=HISTORY.c.version.desc(), limit=1
    )
    return found[0] if found else None


def forget_version(tx: Tx, old: model.Object) -> None:
    HISTORY.delete(
        tx, HISTORY.c.container_id == old.container_id, HISTORY.c.name == old.name, HISTORY.c.version == old.version
    )


def change_version(tx: Tx, old: model.Object, **values: Any) -> int:
    """Change an object wherever it lies, the newest or an older one."""
    for rows in (OBJECTS, HISTORY):
        if rows.change(
            tx,
            rows.c.container_id == old.container_id,
            rows.c.name == old.name,
            rows.c.version == old.version,
            **values,
        ):
            return 1
    return 0


# -- walks ---------------------------------------------------------------------------------------------------------


def expired(tx: Tx, now: float, limit: int = 200) -> list[model.Object]:
    return OBJECTS.find(tx, _o.c.delete_at.is_not(None), _o.c.delete_at <= int(now), order=_o.c.delete_at, limit=limit)


def drop_expired(tx: Tx, container_id: int, now: float, wake: Callable[[], None], limit: int = 1000) -> int:
    """Remove what has expired in one container: it shows in no listing, so it must not keep the container either."""
    found = OBJECTS.find(
        tx, _o.c.container_id == container_id, _o.c.delete_at.is_not(None), _o.c.delete_at <= int(now), limit=limit
    )
    for o in found:
        if o.unversioned:
            drop_body(tx, o.body, now, wake)
        else:
            to_history(tx, msgspec.structs.replace(o, delete_at=None))
        remove(tx, container_id, o.name)
        grow(tx, container_id, -1, -o.size if o.unversioned else 0)
    return len(found)


def first_names(
    tx: Tx, container_id: int, limit: int = 500, prefix: str = "", older_than: float | None = None
) -> list[model.Object]:
    where = [_o.c.container_id == container_id]
    where += bounds(_o.c.name, "", "", "", prefix)
    if older_than is not None:
        where.append(_o.c.changed <= older_than)
    return OBJECTS.find(tx, *where, order=_o.c.name, limit=limit)


def last_names(tx: Tx, container_id: int, prefix: str, limit: int) -> list[model.Object]:
    """The objects whose names begin with `prefix` and go on, the last ones first."""
    where = [_o.c.container_id == container_id, *bounds(_o.c.name, prefix, "", "", prefix)]
    return OBJECTS.find(tx, *where, order=_o.c.name.desc(), limit=limit)


def names_after(
    tx: Tx, container_id: int, after: str, prefix: str = "", changed_before: float | None = None, limit: int = 200
) -> list[model.Object]:
    """A page of objects past the name `after`, whose last change is as old as `changed_before`."""
    where = [_o.c.container_id == container_id, *bounds(_o.c.name, after, "", "", prefix)]
    if changed_before is not None:
        where.append(_o.c.changed <= changed_before)
    return OBJECTS.find(tx, *where, order=_o.c.name, limit=limit)


def history_names(tx: Tx, container_id: int, after: str, limit: int = 100) -> list[str]:
    """Names past `after` that have older versions."""
    q = (
        sa.select(_h.c.name)
        .distinct()
        .where(_h.c.container_id == container_id, _h.c.name > after)
        .order_by(_h.c.name)
        .limit(limit)
    )
    return list(tx.conn.execute(q).scalars())


def chain(tx: Tx, container_id: int, name: str) -> list[model.Object]:
    """Every version of a name, newest first."""
    current = row(tx, container_id, name)
    older = HISTORY.find(
        tx, HISTORY.c.container_id == container_id, HISTORY.c.name == name, order=HISTORY.c.version.desc(), limit=10000
    )
    return ([current] if current is not None else []) + older


def old_versions(tx: Tx, container_id: int, limit: int = 500) -> list[model.Object]:
    return HISTORY.find(
        tx, HISTORY.c.container_id == container_id, order=(HISTORY.c.name, HISTORY.c.version), limit=limit
    )


def bodies_after(tx: Tx, after: str, limit: int = 200) -> list[tuple[str, int, str]]:
    """Blobs that rows name, in order of their ids: (blob, size, md5 or '' when only its checksums can be tried)."""
    found: dict[str, tuple[str, int, str]] = {}
    for table in (_o, _h):
        q = (
            sa.select(table.c.body, table.c.size, table.c.etag)
            .where(table.c.body > after, table.c.body.like("b%"))
            .order_by(table.c.body)
            .limit(limit)
        )
        found |= {r[0]: (r[0], r[1], r[2]) for r in tx.conn.execute(q)}
    p = PIECES.table
    q = (
        sa.select(p.c.blob, p.c.size, p.c.etag)
        .where(p.c.blob > after, p.c.blob.like("b%"))
        .order_by(p.c.blob)
        .limit(limit)
    )
    found |= {r[0]: (r[0], r[1], r[2]) for r in tx.conn.execute(q)}
    return [found[k] for k in sorted(found)][:limit]


def smalls_after(tx: Tx, after: str, limit: int = 200) -> list[tuple[str, bytes, str]]:
    """Small bodies with the md5 of the row that names each."""
    s = SMALL
    out: dict[str, tuple[str, bytes, str]] = {}
    for column, etag in ((_o.c.body, _o.c.etag), (_h.c.body, _h.c.etag), (PIECES.c.blob, PIECES.c.etag)):
        q = (
            sa.select(s.c.body, s.c.data, etag)
            .join(column.table, column == s.c.body)
            .where(s.c.body > after)
            .order_by(s.c.body)
            .limit(limit)
        )
        out |= {r[0]: (r[0], bytes(r[1]), r[2]) for r in tx.conn.execute(q)}
    return [out[k] for k in sorted(out)][:limit]


# -- multipart uploads ---------------------------------------------------------------------------------------------


def upload(tx: Tx, id: str) -> model.Upload | None:
    return UPLOADS.get(tx, id)


def uploads(tx: Tx, container_id: int, prefix: str, after: tuple[str, str], limit: int) -> list[model.Upload]:
    name, id = after
    where = [UPLOADS.c.container_id == container_id]
    if name:
        where.append(
            sa.or_(UPLOADS.c.name > name, sa.and_(UPLOADS.c.name == name, UPLOADS.c.id > id))
            if id
            else UPLOADS.c.name > name
        )
    where += bounds(UPLOADS.c.name, "", "", "", prefix)
    return UPLOADS.find(tx, *where, order=(UPLOADS.c.name, UPLOADS.c.id), limit=limit)


def old_uploads(tx: Tx, container_id: int, before: float, prefix: str = "") -> list[model.Upload]:
    where = [
        UPLOADS.c.container_id == container_id,
        UPLOADS.c.created <= before,
        *bounds(UPLOADS.c.name, "", "", "", prefix),
    ]
    return UPLOADS.find(tx, *where, limit=50)


def parts(tx: Tx, upload: str, after: int = 0, limit: int = 10001) -> list[model.Part]:
    return PARTS.find(tx, PARTS.c.upload == upload, PARTS.c.number > after, order=PARTS.c.number, limit=limit)


def put_part(tx: Tx, part: model.Part) -> model.Part | None:
    """Write a part; the one that it replaces."""
    old = PARTS.one(tx, PARTS.c.upload == part.upload, PARTS.c.number == part.number)
    if old is not None:
        PARTS.delete(tx, PARTS.c.upload == part.upload, PARTS.c.number == part.number)
    PARTS.insert_many(tx, [msgspec.structs.asdict(part)])
    return old


def forget_upload(tx: Tx, id: str) -> None:
    PARTS.delete(tx, PARTS.c.upload == id)
    UPLOADS.delete(tx, UPLOADS.c.id == id)


def hold_upload(tx: Tx, id: str) -> None:
    """Let nobody else put a part of this upload, complete it or end it. Who holds its container too holds that first."""
    tx.hold(f"upload:{id}")


def drop_upload(tx: Tx, id: str, now: float, wake: Callable[[], None] | None = None) -> None:
    """An upload and the bodies of its parts. Held before they are read: of what completes it meanwhile nothing is taken away."""
    hold_upload(tx, id)
    for part in parts(tx, id):
        drop_body(tx, part.body, now, wake)
    forget_upload(tx, id)


def new_upload(tx: Tx, **values: object) -> model.Upload:
    return UPLOADS.insert(tx, **values)
