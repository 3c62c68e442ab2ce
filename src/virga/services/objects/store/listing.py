# SPDX-License-Identifier: Apache-2.0
"""Listings of a container: pages by name, folded at a delimiter by skipping, with old versions on request. Exact: the rows that a
listing shows are the rows that a GET finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import sqlalchemy as sa

from virga.ground.db.engine import Tx
from virga.services.objects import model
from virga.services.objects.store.bounds import beyond, bounds
from virga.services.objects.store.tables import HISTORY, OBJECTS

_o, _h = OBJECTS.table, HISTORY.table


class Entry(NamedTuple):
    """A line of a listing."""

    name: str
    etag: str
    size: int
    content_type: str
    changed: float
    kind: str
    control: dict[str, Any] | None
    version: str = ""
    unversioned: bool = True
    latest: bool = True
    current: bool = True
    """Whether it is the object, and not an old version."""


class Folder(NamedTuple):
    """Names that begin alike, up to and with the delimiter."""

    name: str


_PLAIN = ("name", "etag", "size", "content_type", "changed", "kind", "control")
_COLUMNS = ("name", "etag", "size", "content_type", "changed", "kind", "control", "version", "unversioned")


def listing(
    tx: Tx,
    container_id: int,
    *,
    prefix: str = "",
    delimiter: str = "",
    after: str = "",
    from_: str = "",
    before: str = "",
    limit: int = model.LISTING,
    reverse: bool = False,
    alive_at: float | None = None,
    versioned: bool = False,
) -> list[Entry | Folder]:
    """Up to `limit` lines. With `reverse`, `after` and `before` keep their meaning in the order of names. `alive_at` leaves out
    what has expired by then; with `versioned` each line has its version."""
    out: list[Entry | Folder] = []
    columns = [_o.c[n] for n in (_COLUMNS if versioned else _PLAIN)]
    where0 = [_o.c.container_id == container_id]
    if alive_at is not None:
        where0.append(sa.or_(_o.c.delete_at.is_(None), _o.c.delete_at > int(alive_at)))
    low_after, low_from, high = after, from_, before
    while len(out) < limit:
        chunk = min(limit - len(out), 200 if delimiter else 10000)
        q = sa.select(*columns).where(*where0, *bounds(_o.c.name, low_after, low_from, high, prefix))
        rows = tx.conn.execute(q.order_by(_o.c.name.desc() if reverse else _o.c.name).limit(chunk)).all()
        folder = ""
        for row in rows:
            name = row[0]
            cut = name.find(delimiter, len(prefix)) if delimiter else -1
            if cut < 0:
                out.append(Entry(*row))
                folder = ""
            else:
                now = name[: cut + len(delimiter)]
                if now != folder:
                    folder = now
                    if now in {after, before}:
                        continue  # the page before ended with it
                    out.append(Folder(now))
                    if len(out) >= limit:
                        break
        if len(rows) < chunk:
            break
        last = rows[-1][0]
        if reverse:
            high = folder if folder and last.startswith(folder) else last
            # names that fold into this folder are all >= its name
        elif folder and last.startswith(folder):
            low_from, low_after = beyond(folder) or "", ""
            if not low_from:
                break
        else:
            low_after, low_from = last, ""
    return out[:limit]


def children(
    tx: Tx,
    container_id: int,
    *,
    prefix: str,
    after: str = "",
    before: str = "",
    limit: int = model.LISTING,
    reverse: bool = False,
    alive_at: float,
) -> list[Entry]:
    """?path=: the objects right under `prefix`, those that are folders themselves (`name/`) with them; nothing is folded."""
    out: list[Entry] = []
    where = [_o.c.container_id == container_id, sa.or_(_o.c.delete_at.is_(None), _o.c.delete_at > int(alive_at))]
    low_after, low_from, high = after, "", before
    while len(out) < limit:
        q = sa.select(*[_o.c[n] for n in _PLAIN]).where(*where, *bounds(_o.c.name, low_after, low_from, high, prefix))
        rows = tx.conn.execute(q.order_by(_o.c.name.desc() if reverse else _o.c.name).limit(1000)).all()
        for row in rows:
            cut = row[0].find("/", len(prefix))
            if row[0] != prefix and (cut < 0 or cut == len(row[0]) - 1):
                out.append(Entry(*row))
        if len(rows) < 1000:
            break
        last = rows[-1][0]
        cut = last.find("/", len(prefix))
        if reverse:
            high = last
        else:
            low_after, low_from = (last, "") if cut < 0 else ("", beyond(last[: cut + 1]) or "")
            if not (low_after or low_from):
                break
    return out[:limit]


Line = tuple[str, str, int, str, float, str, str | None]


def lines(
    tx: Tx,
    container_id: int,
    *,
    prefix: str = "",
    after: str = "",
    before: str = "",
    limit: int = model.LISTING,
    reverse: bool = False,
    alive_at: float,
) -> list[Line]:
    """The rows of a page that folds nothing, as (name, etag, size, content type, changed, kind, control as text): the bulk of all
    listings, so nothing is made of a row before it is written out."""
    columns = (_o.c.name, _o.c.etag, _o.c.size, _o.c.content_type, _o.c.changed, _o.c.kind, _control_text(tx))
    return cast(
        list[Line],
        tx.conn.execute(
            _page(
                columns,
                container_id,
                prefix,
                after=after,
                before=before,
                limit=limit,
                reverse=reverse,
                alive_at=alive_at,
            )
        ).all(),
    )


def _page(
    columns: Sequence[Any],
    container_id: int,
    prefix: str,
    *,
    after: str,
    before: str,
    limit: int,
    reverse: bool,
    alive_at: float,
) -> Any:
    where = [_o.c.container_id == container_id, sa.or_(_o.c.delete_at.is_(None), _o.c.delete_at > int(alive_at))]
    q = sa.select(*columns).where(*where, *bounds(_o.c.name, after, "", before, prefix))
    return q.order_by(_o.c.name.desc() if reverse else _o.c.name).limit(limit)


def _control_text(tx: Tx) -> Any:
    return sa.type_coerce(_o.c.control, sa.Text) if tx.embedded is not None else sa.cast(_o.c.control, sa.Text)


_TICKS = sa.cast(sa.func.round(_o.c.changed * 100000), sa.Integer).label("ticks")
"""As `model.listed_time` counts: hundred-thousandths of a second."""
JSON_LINE = '{"name":%s,"hash":"%s","bytes":%d,"content_type":%s,"last_modified":"%s.%05d0"}'


def printed(
    tx: Tx,
    container_id: int,
    *,
    prefix: str = "",
    after: str = "",
    before: str = "",
    limit: int = model.LISTING,
    reverse: bool = False,
    alive_at: float,
    json: bool,
) -> str | None:
    """The page of `lines` as text, written out by SQLite: objects of a JSON list with commas between, or names with an end of line
    after each. One value instead of ten thousand rows: a third less work, and the interpreter is free meanwhile. None where a row has
    more to show than its columns, and on other databases."""
    if tx.embedded is None:
        return None
    columns = (_o.c.name, _o.c.etag, _o.c.size, _o.c.content_type, _TICKS, _o.c.control) if json else (_o.c.name,)
    page = (
        _page(
            columns, container_id, prefix, after=after, before=before, limit=limit, reverse=reverse, alive_at=alive_at
        )
        .subquery()
        .c
    )
    if not json:
        text = tx.conn.execute(sa.select(sa.func.group_concat(page.name, "\n"))).scalar()
        return f"{text}\n" if text is not None else ""
    second = sa.func.strftime("%Y-%m-%dT%H:%M:%S", page.ticks.op("/")(100000), "unixepoch")
    line = sa.func.printf(
        JSON_LINE,
        sa.func.json_quote(page.name),
        page.etag,
        page.size,
        sa.func.json_quote(page.content_type),
        second,
        page.ticks % 100000,
    )
    text, special = tx.conn.execute(
        sa.select(sa.func.group_concat(line, ","), sa.func.count(sa.type_coerce(page.control, sa.Text)))
    ).one()
    return None if special else text or ""


def versions(
    tx: Tx,
    container_id: int,
    *,
    prefix: str = "",
    delimiter: str = "",
    marker: str = "",
    version_marker: str = "",
    before: str = "",
    limit: int = 1000,
    reverse: bool = False,
) -> list[Entry | Folder]:
    """Every version of every name, names in order, the newest first (with `reverse` all the other way round); delete markers with
    them. A marker is the latest when nothing is newer than it and there is no object."""
    out: list[Entry | Folder] = []
    after, at = marker, version_marker
    while len(out) < limit:
        chunk = min(1000, limit - len(out) + 1)
        parts = []
        for table in (_o, _h):
            name, version = table.c.name, table.c.version
            latest = sa.literal(1 if table is _o else 0).label("latest")
            q = sa.select(*[table.c[n] for n in _COLUMNS], latest).where(table.c.container_id == container_id)
            if after:
                further = name < after if reverse else name > after
                if at:
                    further = sa.or_(further, sa.and_(name == after, version > at if reverse else version < at))
                q = q.where(further)
            q = q.where(*bounds(name, "", "", "" if reverse else before, prefix))
            if before and reverse:
                q = q.where(name > before)
            q = q.order_by(name.desc() if reverse else name, version if reverse else version.desc()).limit(chunk)
            parts.append(sa.select(q.subquery()))
        u = sa.union_all(*parts).subquery().c
        order = (u.name.desc() if reverse else u.name, u.version if reverse else u.version.desc())
        rows = tx.conn.execute(
            sa.select(
                u.name,
                u.etag,
                u.size,
                u.content_type,
                u.changed,
                u.kind,
                sa.type_coerce(u.control, sa.JSON),
                u.version,
                u.unversioned,
                u.latest,
            )
            .order_by(*order)
            .limit(chunk)
        ).all()
        jumped = False
        for row in rows:
            cut = row[0].find(delimiter, len(prefix)) if delimiter else -1
            if cut >= 0:
                folder = row[0][: cut + len(delimiter)]
                if folder != marker:
                    out.append(Folder(folder))
                after, at, jumped = folder if reverse else _last_in(folder), "", True
                break
            out.append(Entry(*row[:9], latest=bool(row[9]), current=bool(row[9])))
            if len(out) >= limit:
                break
        if len(out) >= limit or (not jumped and len(rows) < chunk):
            break
        if not jumped:
            after, at = rows[-1][0], rows[-1][7]
    return _latest(tx, container_id, out[:limit])


def _latest(tx: Tx, container_id: int, page: list[Entry | Folder]) -> list[Entry | Folder]:
    """The page, its markers told whether they are what there is of their name."""
    names = list({e.name for e in page if isinstance(e, Entry) and e.kind == model.MARKER})
    newest: dict[str, str] = {}
    for n in range(0, len(names), 500):
        few = names[n : n + 500]
        q = (
            sa.select(_h.c.name, sa.func.max(_h.c.version))
            .where(_h.c.container_id == container_id, _h.c.name.in_(few))
            .group_by(_h.c.name)
        )
        newest |= {r[0]: r[1] for r in tx.conn.execute(q)}
        for there in tx.conn.execute(
            sa.select(_o.c.name).where(_o.c.container_id == container_id, _o.c.name.in_(few))
        ).scalars():
            newest.pop(there, None)
    if not newest:
        return page
    return [
        e._replace(latest=True)
        if isinstance(e, Entry) and e.kind == model.MARKER and newest.get(e.name) == e.version
        else e
        for e in page
    ]


def _last_in(folder: str) -> str:
    """A name above every name that begins with `folder`."""
    return folder + "\U0010ffff" * 4
