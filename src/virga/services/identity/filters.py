# SPDX-License-Identifier: Apache-2.0
"""What identity's lists may be asked by (Identity API v3, "Filtering"): `name=x`, `name__contains=x` and the other comparisons, each
also without regard to case; `limit` and `marker`; `sort_key` and `sort_dir`."""

from __future__ import annotations

from typing import Any, TypeVar

import sqlalchemy as sa

from virga.ground.act import Act
from virga.ground.db.rows import Row, Rows, Where
from virga.ground.errors import Invalid
from virga.ground.http.call import Call
from virga.ground.http.pages import Page, PageRequest, paginate
from virga.services.identity import settings

T = TypeVar("T", bound=Row)
COMPARISONS = ("contains", "startswith", "endswith")


def where(call: Call, rows: Rows[Any], *names: str) -> list[Where]:
    """The conditions that the query asks for, of those that this list takes. An empty value means "is not set"."""
    q, out = call.query, []
    for name in names:
        column = rows.table.c[name]
        if name in q:
            out.append(_equal(call, column, name))
        if isinstance(column.type, (sa.String, sa.Text)):
            for comparison in COMPARISONS:
                exact, loose = q.get(f"{name}__{comparison}"), q.get(f"{name}__i{comparison}")
                if exact is not None:
                    out.append(_exactly(call, column, comparison, exact))
                if loose is not None:
                    out.append(getattr(column, f"i{comparison}")(loose, autoescape=True))
            same = q.get(f"{name}__iequals")
            if same is not None:
                out.append(sa.func.lower(column) == same.lower())
    return out


def _exactly(act: Act, column: Any, comparison: str, part: str) -> Where:
    """A part of a text, in just these letters: SQLite's LIKE would take small ones for capitals."""
    if act.tx.embedded is None:
        found: Where = getattr(column, comparison)(part, autoescape=True)
    elif comparison == "contains":
        found = sa.func.instr(column, part) > 0
    else:
        found = (
            sa.func.substr(column, *((1, len(part)) if comparison == "startswith" else (-max(len(part), 1),))) == part
        )
    return found


def _equal(call: Call, column: Any, name: str) -> Where:
    if isinstance(column.type, sa.Boolean):
        found: Where = column.is_(call.query.yes(name))
        return found
    value = call.query.get(name)
    if value == "" and column.nullable:
        missing: Where = column.is_(None)
        return missing
    equal: Where = column == value
    return equal


def listed(call: Call, rows: Rows[T], *conditions: Where, by: str = "name") -> Page[T]:
    """One page of what the conditions leave, by `by` unless the caller sorts otherwise; cut by the caller's limit or the operator's.
    Raises Invalid."""
    q = call.query
    most = call.use(settings.Identity).list_limit
    requested = q.whole("limit")
    limit = min(requested or most or 0, most or requested or 0)
    keys, ways = q.all("sort_key"), q.all("sort_dir")
    hidden = {"password_hash", "secret_hash", "blob", "extra", "options"}
    sort = [
        (k, ways[n] if n < len(ways) else "asc") for n, k in enumerate(keys) if k in rows.table.c and k not in hidden
    ]
    if any(way not in {"asc", "desc"} for _, way in sort):
        raise Invalid("Invalid input for query parameter 'sort_dir': asc or desc", field="sort_dir")
    found = rows.page(
        call.tx,
        seen=sa.and_(sa.true(), *conditions),
        sort=sort or ((by, "asc"),),
        marker=q.get("marker"),
        limit=limit + 1 if limit else None,
    )
    return paginate(found, PageRequest(limit or len(found), None, ()))
