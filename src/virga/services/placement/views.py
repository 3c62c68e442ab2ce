# SPDX-License-Identifier: Apache-2.0
"""Placement's rows on the wire."""

from __future__ import annotations

from collections.abc import Iterable
from email.utils import formatdate
from typing import Any

from virga.ground.http.call import Answer, Call
from virga.services.placement import candidates, groups, model
from virga.services.placement.actions import aggregates, allocations, inventories, traits

LOW, HIGH = (1, 0), (1, 39)


def versions(_: None, call: Call) -> Answer:
    about = {
        "id": "v1.0",
        "max_version": f"{HIGH[0]}.{HIGH[1]}",
        "min_version": f"{LOW[0]}.{LOW[1]}",
        "status": "CURRENT",
        "links": [{"rel": "self", "href": ""}],
    }
    return dated(call, {"versions": [about]})


def dated(call: Call, body: Any, changed: Iterable[float] = (), **more: Any) -> Answer:
    """An answer with, from 1.15, the time of the last change and the word that it must not be kept."""
    headers = dict(more.pop("headers", {}))
    if call.version >= (1, 15):
        latest = max(changed, default=call.now())
        headers |= {"last-modified": formatdate(latest, usegmt=True), "cache-control": "no-cache"}
    return Answer(body, headers=headers, **more)


def _path(call: Call, id: str, *more: str) -> str:
    return "/".join((f"{call.request.service_path}/resource_providers/{id}", *more))


def one(row: model.Provider, call: Call) -> dict[str, Any]:
    """A provider as the version shows it, with links to what it has."""
    rels = ["inventories", "usages"]
    for rel, since in (("aggregates", (1, 1)), ("traits", (1, 6)), ("allocations", (1, 11))):
        if call.version >= since:
            rels.append(rel)
    out: dict[str, Any] = {
        "uuid": row.id,
        "name": row.name,
        "generation": row.generation,
        "links": [
            {"rel": "self", "href": _path(call, row.id)},
            *({"rel": rel, "href": _path(call, row.id, rel)} for rel in rels),
        ],
    }
    if call.version >= (1, 14):
        out |= {"parent_provider_uuid": row.parent_id, "root_provider_uuid": row.root_id}
    return out


def provider(row: model.Provider, call: Call) -> Answer:
    return dated(call, one(row, call), [row.updated])


def created(row: model.Provider, call: Call) -> Answer:
    """201 and an address; from 1.20 the provider itself, and 200."""
    place = {"location": call.request.base + _path(call, row.id)}
    if call.version < (1, 20):
        return Answer(None, code=201, headers=place)
    return dated(call, one(row, call), [row.updated], code=200, headers=place)


def providers(rows: list[model.Provider], call: Call) -> Answer:
    return dated(call, {"resource_providers": [one(row, call) for row in rows]}, (row.updated for row in rows))


def amounts(row: model.Inventory) -> dict[str, Any]:
    return {
        "total": row.total,
        "reserved": row.reserved,
        "min_unit": row.min_unit,
        "max_unit": row.max_unit,
        "step_size": row.step_size,
        "allocation_ratio": row.allocation_ratio,
    }


def inventory(held: tuple[model.Provider, model.Inventory], call: Call) -> Answer:
    provider, row = held
    return dated(call, amounts(row) | {"resource_provider_generation": provider.generation}, [row.updated])


def added(held: tuple[model.Provider, model.Inventory], call: Call) -> Answer:
    answer = inventory(held, call)
    answer.code = 201
    answer.headers["location"] = call.request.base + _path(call, held[0].id, "inventories", held[1].resource_class)
    return answer


def all_inventories(held: inventories.Held, call: Call) -> Answer:
    provider, rows = held
    body = {
        "resource_provider_generation": provider.generation,
        "inventories": {row.resource_class: amounts(row) for row in rows},
    }
    return dated(call, body, (row.updated for row in rows))


def provider_traits(held: traits.Held, call: Call) -> Answer:
    return dated(call, {"resource_provider_generation": held[0].generation, "traits": held[1]}, [held[0].updated])


def known_trait(_: None, call: Call) -> Answer:
    return dated(call, None, code=204)


def all_traits(names: list[str], call: Call) -> Answer:
    return dated(call, {"traits": names})


def made(kind: str) -> Any:
    """201 with an address for a new name, 204 for one that was there."""

    def view(held: tuple[str, bool], call: Call) -> Answer:
        name, new = held
        code, place = 201 if new else 204, f"{call.request.base}{call.request.service_path}/{kind}/{name}"
        if kind == "resource_classes":  # upstream dates traits and not classes
            return Answer(None, code=code, headers={"location": place})
        return dated(call, None, code=code, headers={"location": place})

    return view


def provider_aggregates(held: aggregates.Held, call: Call) -> Answer:
    body: dict[str, Any] = {"aggregates": held[1]}
    if call.version >= (1, 19):
        body["resource_provider_generation"] = held[0].generation
    return dated(call, body, [held[0].updated])


def _class(name: str, call: Call) -> dict[str, Any]:
    return {
        "name": name,
        "links": [{"rel": "self", "href": f"{call.request.service_path}/resource_classes/{name}"}],
    }


def resource_class(name: str, call: Call) -> Answer:
    return dated(call, _class(name, call))


def class_created(name: str, call: Call) -> Answer:
    place = {"location": f"{call.request.base}{call.request.service_path}/resource_classes/{name}"}
    return Answer(None, code=201, headers=place)


def resource_classes(names: list[str], call: Call) -> Answer:
    return dated(call, {"resource_classes": [_class(name, call) for name in names]})


def consumer_allocations(held: tuple[allocations.Held, dict[str, int]], call: Call) -> Answer:
    (consumer, rows), generations = held
    parts: dict[str, Any] = {}
    for row in rows:
        part = parts.setdefault(row.provider_id, {"generation": generations.get(row.provider_id, 0), "resources": {}})
        part["resources"][row.resource_class] = row.used
    body: dict[str, Any] = {"allocations": parts}
    if rows and consumer is not None and call.version >= (1, 12):
        body |= {"project_id": consumer.project_id, "user_id": consumer.user_id}
        if call.version >= (1, 28):
            body["consumer_generation"] = consumer.generation
        if call.version >= (1, 38):
            body["consumer_type"] = consumer.type or model.NO_TYPE
    return dated(call, body, (row.created for row in rows))


def provider_allocations(held: tuple[model.Provider, list[model.Allocation], dict[str, int]], call: Call) -> Answer:
    provider, rows, generations = held
    users: dict[str, Any] = {}
    for row in rows:
        part = users.setdefault(row.consumer_id, {"resources": {}})
        part["resources"][row.resource_class] = row.used
        if call.version >= (1, 28):
            part["consumer_generation"] = generations.get(row.consumer_id, 0)
    body = {"allocations": users, "resource_provider_generation": provider.generation}
    return dated(call, body, (row.created for row in rows))


def provider_usages(held: tuple[model.Provider, dict[str, int]], call: Call) -> Answer:
    return dated(call, {"resource_provider_generation": held[0].generation, "usages": held[1]})


def total_usages(rows: list[tuple[str | None, str, int, int]], call: Call) -> Answer:
    """By class; from 1.38 by type of consumer, or all together where the caller says `all`."""
    usages: dict[str, Any] = {}
    if call.version < (1, 38) or call.query.get("consumer_type") == "all":
        sums: dict[str, int] = {}
        counts: dict[str | None, int] = {}
        for kind, name, used, consumers in rows:
            sums[name] = sums.get(name, 0) + used
            counts[kind] = consumers
        if call.version < (1, 38):
            usages = dict(sums)
        elif sums:
            usages = {"all": sums | {"consumer_count": sum(counts.values())}}
    else:
        for kind, name, used, consumers in rows:
            part = usages.setdefault(kind or model.NO_TYPE, {"consumer_count": consumers})
            part[name] = used
    return dated(call, {"usages": usages})


def allocation_candidates(held: tuple[groups.Request, candidates.Found], call: Call) -> Answer:
    ask, found = held
    wanted = {name for group in ask.groups.values() for name in group.resources}
    requests = []
    for each in found.candidates:
        if call.version < (1, 12):
            parts: Any = [
                {"resource_provider": {"uuid": id}, "resources": part} for id, part in each.allocations.items()
            ]
        else:
            parts = {id: {"resources": part} for id, part in each.allocations.items()}
        request: dict[str, Any] = {"allocations": parts}
        if call.version >= (1, 34):
            request["mappings"] = {suffix: list(ids) for suffix, ids in each.mappings.items()}
        requests.append(request)
    used = {id for each in found.candidates for id in each.allocations}
    roots = {row.root_id for tree in found.trees for row in tree.providers if row.id in used}
    summaries: dict[str, Any] = {}
    for tree in found.trees:
        for row in tree.providers:
            if row.id in summaries or not (row.id in used or (call.version >= (1, 29) and row.root_id in roots)):
                continue
            summaries[row.id] = _summary(tree, row, wanted, call)
    return dated(call, {"allocation_requests": requests, "provider_summaries": summaries})


def _summary(tree: candidates.Tree, row: model.Provider, wanted: set[str], call: Call) -> dict[str, Any]:
    held = tree.inventories.get(row.id, {})
    out: dict[str, Any] = {
        "resources": {
            name: {"capacity": each.capacity, "used": each.used}
            for name, each in held.items()
            if name in wanted or call.version >= (1, 27)
        }
    }
    if call.version >= (1, 17):
        out["traits"] = sorted(tree.traits.get(row.id, ()))
    if call.version >= (1, 29):
        out |= {"parent_provider_uuid": row.parent_id, "root_provider_uuid": row.root_id}
    return out
