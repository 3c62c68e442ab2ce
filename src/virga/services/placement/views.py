# SPDX-License-Identifier: Apache-2.0
"""Placement's rows on the wire, in full: what of it a version shows is said in `answers`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from email.utils import formatdate
from typing import Any

from virga.ground.http.call import Answer, Call
from virga.services.placement import answers, candidates, groups, model
from virga.services.placement.actions import aggregates, allocations, inventories, traits
from virga.services.placement.answers import Link

LOW, HIGH = (1, 0), (1, 39)


def versions(_: None, call: Call) -> Answer:
    shown = answers.ApiVersion(
        id="v1.0",
        max_version=f"{HIGH[0]}.{HIGH[1]}",
        min_version=f"{LOW[0]}.{LOW[1]}",
        status="CURRENT",
        links=[Link(rel="self", href="")],
    )
    return dated(call, answers.VersionsAnswer(versions=[shown]))


def dated(call: Call, body: Any, changed: Iterable[float] = (), **headers: str) -> Answer:
    """An answer with the time of the last change, and the word that it must not be kept."""
    latest = max(changed, default=call.now())
    dates = {"last-modified": formatdate(latest, usegmt=True), "cache-control": "no-cache"}
    return Answer(body, headers=dates | headers)


def _path(call: Call, id: str, *more: str) -> str:
    return "/".join((f"{call.request.service_path}/resource_providers/{id}", *more))


def one(row: model.Provider, call: Call) -> answers.ProviderAnswer:
    """A provider, with links to what it has."""
    rels = ["inventories", "usages", *(rel for rel, mark in answers.RELS.items() if call.has(mark))]
    own = _path(call, row.id)
    return answers.ProviderAnswer(
        uuid=row.id,
        name=row.name,
        generation=row.generation,
        links=[Link(rel="self", href=own), *(Link(rel=rel, href=f"{own}/{rel}") for rel in rels)],
        parent_provider_uuid=row.parent_id,
        root_provider_uuid=row.root_id,
    )


def provider(row: model.Provider, call: Call) -> Answer:
    return dated(call, one(row, call), [row.updated])


def provider_place(row: model.Provider, call: Call) -> Answer:
    """Until 1.19 a new provider's address, and no more."""
    return Answer(None, headers={"location": call.request.base + _path(call, row.id)})


def provider_made(row: model.Provider, call: Call) -> Answer:
    """Since 1.20 a new provider itself."""
    return dated(call, one(row, call), [row.updated], location=call.request.base + _path(call, row.id))


def providers(rows: list[model.Provider], call: Call) -> Answer:
    shown = answers.ProvidersAnswer(resource_providers=[one(row, call) for row in rows])
    return dated(call, shown, (row.updated for row in rows))


def _amounts(row: model.Inventory) -> dict[str, Any]:
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
    shown = answers.InventoryAnswer(**_amounts(row), resource_provider_generation=provider.generation)
    return dated(call, shown, [row.updated])


def added(held: tuple[model.Provider, model.Inventory], call: Call) -> Answer:
    answer = inventory(held, call)
    answer.headers["location"] = call.request.base + _path(call, held[0].id, "inventories", held[1].resource_class)
    return answer


def all_inventories(held: inventories.Held, call: Call) -> Answer:
    provider, rows = held
    shown = answers.InventoriesAnswer(
        resource_provider_generation=provider.generation,
        inventories={row.resource_class: answers.Inventory(**_amounts(row)) for row in rows},
    )
    return dated(call, shown, (row.updated for row in rows))


def provider_traits(held: traits.Held, call: Call) -> Answer:
    provider, names = held
    shown = answers.ProviderTraitsAnswer(resource_provider_generation=provider.generation, traits=names)
    return dated(call, shown, [provider.updated])


def known_trait(_: None, call: Call) -> Answer:
    """204, dated."""
    return dated(call, None)


def all_traits(names: list[str], call: Call) -> Answer:
    return dated(call, answers.TraitsAnswer(traits=names))


def made(kind: str) -> Callable[[tuple[str, bool], Call], Answer]:
    """201 with an address for a new name, 204 for one that was there."""

    def view(held: tuple[str, bool], call: Call) -> Answer:
        name, new = held
        place = f"{call.request.base}{call.request.service_path}/{kind}/{name}"
        if kind == "resource_classes":  # upstream dates traits and not classes
            answer = Answer(None, headers={"location": place})
        else:
            answer = dated(call, None, location=place)
        answer.code = 201 if new else 204
        return answer

    return view


def provider_aggregates(held: aggregates.Held, call: Call) -> Answer:
    provider, names = held
    shown = answers.AggregatesAnswer(aggregates=names, resource_provider_generation=provider.generation)
    return dated(call, shown, [provider.updated])


def _class(name: str, call: Call) -> answers.ResourceClassAnswer:
    place = f"{call.request.service_path}/resource_classes/{name}"
    return answers.ResourceClassAnswer(name=name, links=[Link(rel="self", href=place)])


def resource_class(name: str, call: Call) -> Answer:
    return dated(call, _class(name, call))


def class_created(name: str, call: Call) -> Answer:
    place = {"location": f"{call.request.base}{call.request.service_path}/resource_classes/{name}"}
    return Answer(None, headers=place)


def resource_classes(names: list[str], call: Call) -> Answer:
    return dated(call, answers.ResourceClassesAnswer(resource_classes=[_class(name, call) for name in names]))


def consumer_allocations(held: tuple[allocations.Held, dict[str, int]], call: Call) -> Answer:
    (consumer, rows), generations = held
    parts: dict[str, answers.ProviderPart] = {}
    for row in rows:
        part = parts.get(row.provider_id)
        if part is None:
            part = parts[row.provider_id] = answers.ProviderPart(
                generation=generations.get(row.provider_id, 0), resources={}
            )
        part.resources[row.resource_class] = row.used
    shown = answers.ConsumerAllocationsAnswer(allocations=parts)
    if rows and consumer is not None:
        shown.project_id = consumer.project_id
        shown.user_id = consumer.user_id
        shown.consumer_generation = consumer.generation
        shown.consumer_type = consumer.type or model.NO_TYPE
    return dated(call, shown, (row.created for row in rows))


def provider_allocations(held: tuple[model.Provider, list[model.Allocation], dict[str, int]], call: Call) -> Answer:
    provider, rows, generations = held
    users: dict[str, answers.ConsumerPart] = {}
    for row in rows:
        part = users.get(row.consumer_id)
        if part is None:
            part = users[row.consumer_id] = answers.ConsumerPart(
                resources={}, consumer_generation=generations.get(row.consumer_id, 0)
            )
        part.resources[row.resource_class] = row.used
    shown = answers.ProviderAllocationsAnswer(allocations=users, resource_provider_generation=provider.generation)
    return dated(call, shown, (row.created for row in rows))


def provider_usages(held: tuple[model.Provider, dict[str, int]], call: Call) -> Answer:
    provider, used = held
    return dated(call, answers.ProviderUsagesAnswer(resource_provider_generation=provider.generation, usages=used))


def total_usages(rows: list[tuple[str | None, str, int, int]], call: Call) -> Answer:
    """By class, and by type of consumer, or of all types together where the caller says `all`."""
    sums: dict[str, int] = {}
    counts: dict[str | None, int] = {}
    by_type: dict[str, dict[str, int]] = {}
    for kind, name, used, consumers in rows:
        sums[name] = sums.get(name, 0) + used
        counts[kind] = consumers
        by_type.setdefault(kind or model.NO_TYPE, {"consumer_count": consumers})[name] = used
    if call.query.get("consumer_type") == "all":
        by_type = {"all": sums | {"consumer_count": sum(counts.values())}} if sums else {}
    return dated(call, answers.UsagesAnswer(usages=sums, usages_by_type=by_type))


def allocation_candidates(held: tuple[groups.Request, candidates.Found], call: Call) -> Answer:
    request, found = held
    wanted = {name for group in request.groups.values() for name in group.resources}
    whole = call.has(answers.WHOLE_TREES)
    requests = [
        answers.AllocationRequest(
            listed=[
                answers.ListedPart(resource_provider=answers.Named(uuid=id), resources=part)
                for id, part in each.allocations.items()
            ],
            allocations={id: answers.Part(resources=part) for id, part in each.allocations.items()},
            mappings={suffix: list(ids) for suffix, ids in each.mappings.items()},
        )
        for each in found.candidates
    ]
    used = {id for each in found.candidates for id in each.allocations}
    roots = {row.root_id for tree in found.trees for row in tree.providers if row.id in used}
    summaries: dict[str, answers.Summary] = {}
    for tree in found.trees:
        for row in tree.providers:
            if row.id not in summaries and (row.id in used or (whole and row.root_id in roots)):
                summaries[row.id] = _summary(tree, row, None if whole else wanted)
    return dated(call, answers.CandidatesAnswer(allocation_requests=requests, provider_summaries=summaries))


def _summary(tree: candidates.Tree, row: model.Provider, wanted: set[str] | None) -> answers.Summary:
    """What a provider has, of the classes `wanted` (None: of all)."""
    held = tree.inventories.get(row.id, {})
    return answers.Summary(
        resources={
            name: answers.Amount(capacity=each.capacity, used=each.used)
            for name, each in held.items()
            if wanted is None or name in wanted
        },
        traits=sorted(tree.traits.get(row.id, ())),
        parent_provider_uuid=row.parent_id,
        root_provider_uuid=row.root_id,
    )
