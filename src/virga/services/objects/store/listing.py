# SPDX-License-Identifier: Apache-2.0
"""Listings of a container: pages by name, folded at a delimiter by skipping, with old versions on request. Exact: the rows that a
listing shows are the rows that a GET finds."""

from __future__ import annotations

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


class Folder(NamedTuple):
    """Names that begin alike, up to and with the delimiter."""

    name: str


_PLAIN = ("name", "etag", "size", "content_type", "changed", "kind", "control")
_COLUMNS = ("name", "etag", "size", "content_type", "changed", "kind", "control", "version", "unversioned")


def listing(
    tx: Tx, container_id: int, *, prefix: str = "", delimiter: str = "", after: str = "", from_: str = "", before: str = "",
    limit: int = model.LISTING, reverse: bool = False, alive_at: float | None = None,
) -> list[Entry | Folder]:  # fmt: skip
    """Up to `limit` lines. With `reverse`, `after` and `before` keep their meaning in the order of names. `alive_at` leaves out
    what has expired by then."""
    out: list[Entry | Folder] = []
    columns = [_o.c[n] for n in _PLAIN]
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


Line = tuple[str, str, int, str, float, str, str | None]


def lines(
    tx: Tx, container_id: int, *, prefix: str = "", after: str = "", before: str = "", limit: int = model.LISTING, reverse: bool = False,
    alive_at: float,
) -> list[Line]:  # fmt: skip
    """The rows of a page that folds nothing, as (name, etag, size, content type, changed, kind, control as text): the bulk of all
    listings, so nothing is made of a row before it is written out."""
    where = [_o.c.container_id == container_id, sa.or_(_o.c.delete_at.is_(None), _o.c.delete_at > int(alive_at))]
    q = sa.select(_o.c.name, _o.c.etag, _o.c.size, _o.c.content_type, _o.c.changed, _o.c.kind, _control_text(tx))
    q = q.where(*where, *bounds(_o.c.name, after, "", before, prefix)).order_by(_o.c.name.desc() if reverse else _o.c.name).limit(limit)
    return cast(list[Line], tx.conn.execute(q).all())


def _control_text(tx: Tx) -> Any:
    return sa.type_coerce(_o.c.control, sa.Text) if tx.embedded is not None else sa.cast(_o.c.control, sa.Text)


def versions(
    tx: Tx, container_id: int, *, prefix: str = "", delimiter: str = "", marker: str = "", version_marker: str = "", before: str = "",
    limit: int = 1000, reverse: bool = False,
) -> list[Entry | Folder]:  # fmt: skip
    """Every version of every name, names in order, the newest first; delete markers with them."""
    out: list[Entry | Folder] = []
    after, at = marker, version_marker
    newest: dict[str, bool] = {}
    while len(out) < limit:
        parts = []
        for table, current in ((_o, sa.literal(1)), (_h, sa.literal(0))):
            q = sa.select(*[table.c[n] for n in _COLUMNS], current.label("current")).where(table.c.container_id == container_id)
            if after and at:
                beyond_name = table.c.name < after if reverse else table.c.name > after
                q = q.where(sa.or_(beyond_name, sa.and_(table.c.name == after, table.c.version < at)))
            elif after:
                q = q.where(table.c.name < after if reverse else table.c.name > after)
            q = q.where(*bounds(table.c.name, "", "", "" if reverse else before, prefix))
            if before and reverse:
                q = q.where(table.c.name > before)
            parts.append(q)
        union = sa.union_all(*parts).subquery()
        chunk = min(1000, limit - len(out) + 1)
        order = (union.c.name.desc() if reverse else union.c.name, union.c.current.desc(), union.c.version.desc())
        rows = tx.conn.execute(
            sa.select(union.c.name, union.c.etag, union.c.size, union.c.content_type, union.c.changed, union.c.kind,
                      sa.type_coerce(union.c.control, sa.JSON), union.c.version, union.c.unversioned, union.c.current).order_by(*order).limit(chunk)
        ).all()  # fmt: skip
        jumped = False
        for row in rows:
            name = row[0]
            cut = name.find(delimiter, len(prefix)) if delimiter else -1
            if cut >= 0:
                folder = name[: cut + len(delimiter)]
                out.append(Folder(folder))
                after, at, jumped = (folder, "", True) if reverse else (_last_in(folder), "", True)
                break
            if name not in newest:
                newest.clear()
                newest[name] = True
                first = not (name == marker and version_marker)
            else:
                first = False
            out.append(Entry(*row[:9], latest=first if not row[9] else True))
            if len(out) >= limit:
                break
        if len(out) >= limit or (not jumped and len(rows) < chunk):
            break
        if not jumped:
            after, at = rows[-1][0], rows[-1][7]
    return out[:limit]


def _last_in(folder: str) -> str:
    """A name above every name that begins with `folder`."""
    return folder + "\U0010ffff" * 4
