# SPDX-License-Identifier: Apache-2.0
"""What a bucket's life-cycle rules mean for its objects: which rule fits, and when. A rule is what the bucket keeps under `lifecycle`:
on, prefix, tags, larger, smaller; days, date, marker, old_days, old_keep, abort_days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from virga.services.objects import model

DAY = 86400
Rule = dict[str, Any]


def fits(rule: Rule, o: model.Object) -> bool:
    """Whether a rule's filter takes the object in."""
    if not o.name.startswith(rule["prefix"]):
        return False
    size = o.own("total", o.size) if o.kind == "slo" else o.size
    if rule.get("larger") is not None and size <= rule["larger"]:
        return False
    if rule.get("smaller") is not None and size >= rule["smaller"]:
        return False
    wanted = rule.get("tags")
    if wanted:
        have = o.own("tags") or {}
        return all(have.get(k) == v for k, v in wanted.items())
    return True


def due(since: float, days: int, day: int) -> float:
    """The midnight after so many days; with a shorter day (for trials) there is no midnight."""
    at = since + days * day
    return -(-at // DAY) * DAY if day == DAY else at


def read_date(text: str) -> float:
    at = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (at if at.tzinfo else at.replace(tzinfo=dt.UTC)).timestamp()


def ends(rule: Rule, o: model.Object, day: int) -> float | None:
    """When the rule ends the newest version of an object; None: never."""
    if rule.get("days") is not None:
        return due(o.changed if o.kind != model.MARKER else o.created, rule["days"], day)
    return read_date(rule["date"]) if rule.get("date") else None


def next_end(rules: Iterable[Rule], o: model.Object, day: int) -> tuple[float, str] | None:
    """The first end that a rule sets to the object, and that rule's name."""
    found = [(at, str(r["id"])) for r in rules if r["on"] and fits(r, o) and (at := ends(r, o, day)) is not None]
    return min(found) if found else None


def stale(rule: Rule, chain: list[model.Object], now: float, day: int) -> list[model.Object]:
    """Of one name's versions, newest first, the older ones that the rule ends: so long replaced, and more than are to be kept."""
    if rule.get("old_days") is None and rule.get("old_keep") is None:
        return []
    keep, out = rule.get("old_keep") or 0, []
    for n, o in enumerate(chain[1:]):
        if n < keep or not fits(rule, o):
            continue
        if due(chain[n].created, rule.get("old_days") or 0, day) <= now:
            out.append(o)
    return out


def lone_marker(rule: Rule, chain: list[model.Object], now: float, day: int) -> bool:
    """Whether the name is a delete marker with nothing beneath it, and the rule clears it."""
    if (
        len(chain) != 1
        or chain[0].kind != model.MARKER
        or not chain[0].name.startswith(rule["prefix"])
        or rule.get("tags")
    ):
        return False
    if rule.get("marker"):
        return True
    at = ends(rule, chain[0], day)
    return at is not None and at <= now
