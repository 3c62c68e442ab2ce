# SPDX-License-Identifier: Apache-2.0
"""Accounts and containers, and the one look-up that every request on an object begins with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import sqlalchemy as sa

from virga.ground.db.engine import Tx
from virga.ground.db.rows import Lookup
from virga.services.objects import model
from virga.services.objects.store.bounds import bounds
from virga.services.objects.store.objects import drop_upload
from virga.services.objects.store.tables import ACCOUNTS, CONTAINERS, HISTORY, OBJECTS, SYNC, UPLOADS

_a, _c, _o = ACCOUNTS.table, CONTAINERS.table, OBJECTS.table
_NC, _NO = len(_c.c), len(_o.c)


class Found(NamedTuple):
    """What there is at account / container / object."""

    account: model.Account | None
    container: model.Container | None
    object: model.Object | None


_account = Lookup(sa.select(_a).where(_a.c.name == sa.bindparam("account")))
_container = Lookup(
    sa.select(_c).where(_c.c.account == sa.bindparam("account"), _c.c.name == sa.bindparam("container"))
)
_object = Lookup(
    sa.select(_c, _o)
    .select_from(_c.outerjoin(_o, sa.and_(_o.c.container_id == _c.c.id, _o.c.name == sa.bindparam("object"))))
    .where(_c.c.account == sa.bindparam("account"), _c.c.name == sa.bindparam("container"))
)


def look_up(
    tx: Tx, account: str, container: str | None = None, object: str | None = None, *, with_account: bool = True
) -> Found:
    """One or two reads, whatever the depth. Without `with_account` the account's row is left out."""
    own = account_row(tx, account) if with_account else None
    if container is None:
        return Found(own, None, None)
    if object is None:
        return Found(own, container_row(tx, account, container), None)
    values = _object.first(tx, account=account, container=container, object=object)
    if values is None:
        return Found(own, None, None)
    return Found(own, model.Container(*values[:_NC]), None if values[_NC] is None else model.Object(*values[_NC:]))


def account_row(tx: Tx, name: str) -> model.Account | None:
    row = _account.first(tx, account=name)
    return None if row is None else model.Account(*row)


def container_row(tx: Tx, account: str, name: str) -> model.Container | None:
    row = _container.first(tx, account=account, container=name)
    return None if row is None else model.Container(*row)


def ensure_account(tx: Tx, name: str, now: float) -> model.Account:
    tx.hold(f"account:{name}")
    row = account_row(tx, name)
    return row if row is not None else ACCOUNTS.insert(tx, name=name, created=now, meta={}, control={}, deleted=None)


def put_account(tx: Tx, name: str, **values: object) -> None:
    ACCOUNTS.change(tx, _a.c.name == name, **values)


def totals(tx: Tx, account: str, policy: str | None = None) -> tuple[int, int, int]:
    """Containers, objects and bytes of an account (of one of its policies)."""
    where = [_c.c.account == account] + ([] if policy is None else [_c.c.policy == policy])
    row = tx.conn.execute(
        sa.select(
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(_c.c.objects), 0),
            sa.func.coalesce(sa.func.sum(_c.c.bytes), 0),
        ).where(*where)
    ).one()
    return int(row[0]), int(row[1]), int(row[2])


def totals_by_policy(tx: Tx, account: str) -> list[tuple[str, int, int, int]]:
    rows = tx.conn.execute(
        sa.select(_c.c.policy, sa.func.count(), sa.func.sum(_c.c.objects), sa.func.sum(_c.c.bytes))
        .where(_c.c.account == account)
        .group_by(_c.c.policy)
    )
    return [(str(r[0]), int(r[1]), int(r[2]), int(r[3])) for r in rows]


def make_container(
    tx: Tx, account: str, name: str, *, policy: str, now: float, meta: model.Meta, control: dict[str, Any]
) -> model.Container:
    values = {
        "account": account,
        "name": name,
        "policy": policy,
        "created": now,
        "changed": now,
        "meta": meta,
        "control": control,
        "objects": 0,
        "bytes": 0,
    }
    id = tx.conn.execute(sa.insert(_c).values(**values).returning(_c.c.id)).scalar_one()
    return model.Container(id=id, **values)  # type: ignore[arg-type]


def put_container(tx: Tx, id: int, **values: object) -> None:
    CONTAINERS.change(tx, _c.c.id == id, **values)


def delete_container(tx: Tx, id: int, now: float = 0.0) -> bool:
    """Whether it was empty, and is gone; uploads that nobody completed do not keep it, and go with it."""
    tx.hold(f"container:{id}")
    for rows in (OBJECTS, HISTORY):
        if rows.one(tx, rows.c.container_id == id) is not None:
            return False
    SYNC.delete(tx, SYNC.c.container_id == id)
    for upload in UPLOADS.find(tx, UPLOADS.c.container_id == id):
        drop_upload(tx, upload.id, now)
    return CONTAINERS.delete(tx, _c.c.id == id) == 1


def containers(
    tx: Tx,
    account: str,
    *,
    after: str = "",
    from_: str = "",
    before: str = "",
    prefix: str = "",
    limit: int = model.LISTING,
    reverse: bool = False,
) -> list[model.Container]:
    """A page of containers by name. `after` exclusive, `from_` inclusive, `before` exclusive, in the order of names."""
    where = [_c.c.account == account, *bounds(_c.c.name, after, from_, before, prefix)]
    return CONTAINERS.find(tx, *where, order=_c.c.name.desc() if reverse else _c.c.name, limit=limit)


def bucket(tx: Tx, name: str) -> model.Container | None:
    """The container that S3 gave the name to, whoever owns it."""
    return next(
        (c for c in CONTAINERS.find(tx, _c.c.name == name, order=_c.c.id, limit=1000) if c.control.get("s3")), None
    )


def all_containers(tx: Tx, after: int = 0, limit: int = 500) -> list[model.Container]:
    return CONTAINERS.find(tx, _c.c.id > after, order=_c.c.id, limit=limit)


def recount(tx: Tx, ids: Iterable[int]) -> int:
    """Set counters to what the rows say; how many were wrong."""
    wrong = 0
    h = HISTORY.table
    for id in ids:
        tx.hold(f"container:{id}")
        count, size = tx.conn.execute(
            sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(_o.c.size), 0)).where(_o.c.container_id == id)
        ).one()
        old = tx.conn.execute(
            sa.select(sa.func.coalesce(sa.func.sum(h.c.size), 0)).where(h.c.container_id == id)
        ).scalar_one()
        total = int(size) + int(old)
        wrong += CONTAINERS.change(
            tx, _c.c.id == id, sa.or_(_c.c.objects != count, _c.c.bytes != total), objects=count, bytes=total
        )
    return wrong


def deleted_accounts(tx: Tx, before: float) -> list[model.Account]:
    return ACCOUNTS.find(tx, _a.c.deleted.is_not(None), _a.c.deleted <= before, limit=50)


def forget_account(tx: Tx, name: str) -> None:
    ACCOUNTS.delete(tx, _a.c.name == name)
