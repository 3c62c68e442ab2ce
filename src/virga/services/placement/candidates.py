# SPDX-License-Identifier: Apache-2.0
"""Which providers could give what is asked for. Trees are looked at one after the other, those with the most free first, until there
are as many candidates as were asked for.

A request has groups. The resources of the group without a suffix may come from several providers of one tree, or from providers that
share theirs with the tree by an aggregate; those of every other group come from one provider. What several groups take from one
provider is summed, and must fit together (Placement API, "Allocation candidates"; nested providers since 1.29)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from virga.ground.db.engine import Tx
from virga.services.placement import model, store
from virga.services.placement.groups import Group, Request, merged

TREES = 100
"""How many trees are read at once."""
MOST = 1000
"""How many candidates there are at most when the caller names no limit."""
MOST_TRIED = 20_000
"""How many combinations of one tree are tried: a bound on what a request of many groups can cost."""


@dataclass(frozen=True)
class Candidate:
    """Providers and what each gives; which providers serve which group; the tree it is in."""

    allocations: Mapping[str, Mapping[str, int]]
    mappings: Mapping[str, tuple[str, ...]]
    root_id: str


@dataclass
class Tree:
    """A tree and the sharing providers that are there for it, with all that decides."""

    root: str
    own: list[model.Provider]
    shared: list[model.Provider]
    inventories: dict[str, dict[str, model.Inventory]] = field(default_factory=dict)
    traits: dict[str, set[str]] = field(default_factory=dict)
    aggregates: dict[str, set[str]] = field(default_factory=dict)

    @property
    def providers(self) -> Iterator[model.Provider]:
        return itertools.chain(self.own, self.shared)


@dataclass(frozen=True)
class Found:
    """Candidates, and all providers of the trees that they lie in."""

    candidates: list[Candidate]
    trees: list[Tree]


def find(tx: Tx, request: Request, *, nested: bool = True) -> Found:
    """The candidates of `request`. `nested` False leaves out trees of which more than one provider would be needed (before 1.29)."""
    limit = request.limit or MOST
    candidates: list[Candidate] = []
    trees: list[Tree] = []
    for tree, candidate in itertools.islice(walk(tx, request, nested=nested, lot=min(limit, TREES)), limit):
        candidates.append(candidate)
        if not trees or trees[-1] is not tree:
            trees.append(tree)
    return Found(candidates, trees)


def walk(tx: Tx, request: Request, *, nested: bool = True, lot: int = TREES) -> Iterator[tuple[Tree, Candidate]]:
    """Every candidate of `request` with its tree, one after the other; what nobody takes is not looked for. `lot`: how many trees are read
    at once."""
    inside = store.PROVIDERS.within(tx, "id", (group.in_tree for group in request.groups.values() if group.in_tree))
    places = {row.id: row.root_id for row in inside}
    seen: set[frozenset[tuple[str, str, int]]] = set()  # what only shares is there for many trees, and a candidate once
    for roots in _roots(tx, request, lot, places):
        for tree in _trees(tx, roots):
            for candidate in _of_tree(tree, request, nested, places):
                key = _key(candidate)
                if key not in seen:
                    seen.add(key)
                    yield tree, candidate


def _key(candidate: Candidate) -> frozenset[tuple[str, str, int]]:
    """What makes two candidates the same."""
    amounts = {(id, name, n) for id, part in candidate.allocations.items() for name, n in part.items()}
    return frozenset(amounts | {(suffix, ",".join(ids), -1) for suffix, ids in candidate.mappings.items()})


def _roots(tx: Tx, request: Request, lot: int, places: Mapping[str, str]) -> Iterator[list[str]]:
    """The roots of trees that may hold a candidate, in lots."""
    wanted = flat(tx, request)
    if wanted is not None:
        yield from lots(tx, wanted, lot)
        return
    left: list[str] | None = None
    for group in request.groups.values():
        for name, amount in group.resources.items():
            having = _with_room(tx, name, amount)
            left = list(having) if left is None else [root for root in left if root in having]
        if group.in_tree is not None and not group.suffix:
            left = [root for root in left or [] if root == places.get(group.in_tree)]
    for at in range(0, len(left or ()), lot):
        yield (left or [])[at : at + lot]


def flat(tx: Tx, request: Request) -> store.Wanted | None:
    """What `request` wants of one provider alone, in the common cloud, where a host is one provider and nothing is shared: the database
    answers all of it at once. None where trees have to be looked at."""
    plain = request.groups.get("")
    if plain is None or not plain.resources or len(request.groups) > 1 or store.any_nested(tx) or store.sharing(tx):
        return None
    return store.Wanted(
        plain.resources,
        required=(*plain.required, *(frozenset((name,)) for name in sorted(request.root_required))),
        forbidden=frozenset(plain.forbidden | request.root_forbidden),
        member_of=plain.member_of,
        not_member_of=frozenset(plain.not_member_of),
        in_tree=plain.in_tree,
    )


def lots(tx: Tx, wanted: store.Wanted, size: int) -> Iterator[list[str]]:
    """The providers that have what is wanted, those with the most memory free first, `size` at a time."""
    after: tuple[int, str] | None = None
    while lot := store.roots_by_room(tx, wanted, size, after):
        yield [id for _, id in lot]
        if len(lot) < size:
            return  # there are no more: to find that out again means to look at every provider that is left
        after = lot[-1]


def _with_room(tx: Tx, name: str, amount: int) -> dict[str, None]:
    """The roots of trees in which, or for which, a provider could give `amount` of a class; the most free first, each once."""
    sharing = store.sharing(tx)
    out: dict[str, None] = {}
    for id, root in store.providers_with_room(tx, name, amount):
        out.setdefault(root)
        if sharing.get(id):
            out |= dict.fromkeys(sorted(store.roots_in_aggregates(tx, sharing[id])))
    return out


def _trees(tx: Tx, roots: Sequence[str]) -> Iterator[Tree]:
    """The trees of `roots`, in that order, with everything that decides about them."""
    own: dict[str, list[model.Provider]] = {root: [] for root in roots}
    for provider in store.PROVIDERS.within(tx, "root_id", roots):
        own[provider.root_id].append(provider)
    sharing = store.sharing(tx)
    others = {row.id: row for row in store.PROVIDERS.within(tx, "id", sharing)}
    ids = {row.id for rows in own.values() for row in rows} | set(others)
    inventories: dict[str, dict[str, model.Inventory]] = {}
    for row in store.INVENTORIES.within(tx, "provider_id", ids):
        inventories.setdefault(row.provider_id, {})[row.resource_class] = row
    traits, aggregates = store.traits_of(tx, ids), store.aggregates_of(tx, ids)
    for root in roots:
        rows = sorted(own[root], key=lambda row: (row.id != root, row.created, row.id))
        if not rows:
            continue
        held = set().union(*(aggregates.get(row.id, set()) for row in rows))
        mine = {row.id for row in rows}
        shared = [others[id] for id, at in sharing.items() if id not in mine and at & held and id in others]
        yield Tree(root, rows, shared, inventories, traits, aggregates)


def _of_tree(tree: Tree, request: Request, nested: bool, places: Mapping[str, str]) -> Iterator[Candidate]:
    """The candidates of one tree. `places`: of a provider that a group wants to be in a tree with, the tree's root."""
    root = tree.traits.get(tree.root, set())
    if not request.root_required <= root or request.root_forbidden & root:
        return
    ways: list[list[tuple[str, dict[str, dict[str, int]]]]] = []
    for suffix, group in request.groups.items():
        able = list(tree.providers)
        if group.in_tree is not None:
            able = [row for row in able if row.root_id == places.get(group.in_tree)]
        found = list(_single(tree, group, able)) if suffix else list(_spread(tree, group, able))
        if not found:
            return
        ways.append([(suffix, each) for each in found])
    for chosen in itertools.islice(itertools.product(*ways), MOST_TRIED):
        candidate = _together(tree, request, chosen)
        if candidate is None or (not nested and sum(_inside(tree, id) for id in candidate.allocations) > 1):
            continue
        yield candidate


def _inside(tree: Tree, id: str) -> bool:
    return any(row.id == id for row in tree.own)


def _gives(tree: Tree, id: str, name: str, amount: int) -> bool:
    inventory = tree.inventories.get(id, {}).get(name)
    return inventory is not None and inventory.refuses(amount) is None


def _admitted(tree: Tree, group: Group, id: str) -> bool:
    """Whether the group's aggregates let a provider be one of its own. A tree's members are in the aggregates of its root, too, for
    the group without a suffix."""
    held = set(tree.aggregates.get(id, ()))
    if not group.suffix and _inside(tree, id):
        held |= tree.aggregates.get(tree.root, set())
    return all(held & ids for ids in group.member_of) and not held & group.not_member_of


def _single(tree: Tree, group: Group, able: Iterable[model.Provider]) -> Iterator[dict[str, dict[str, int]]]:
    """Those of `able` that serve a group alone."""
    for row in able:
        traits = tree.traits.get(row.id, set())
        if not all(traits & names for names in group.required) or traits & group.forbidden:
            continue
        if not _admitted(tree, group, row.id):
            continue
        if all(_gives(tree, row.id, name, amount) for name, amount in group.resources.items()):
            yield {row.id: dict(group.resources)}


def _spread(tree: Tree, group: Group, of: Iterable[model.Provider]) -> Iterator[dict[str, dict[str, int]]]:
    """The ways in which the providers `of` a tree and of what shares with it serve the group without a suffix: each class from one
    provider, all required traits among them, no forbidden one on any."""
    able_at_all = list(of)
    per_class = []
    for name, amount in group.resources.items():
        able = [
            row.id
            for row in able_at_all
            if _gives(tree, row.id, name, amount)
            and not tree.traits.get(row.id, set()) & group.forbidden
            and _admitted(tree, group, row.id)
        ]
        if not able:
            return
        per_class.append([(id, name, amount) for id in able])
    for chosen in itertools.islice(itertools.product(*per_class), MOST_TRIED):
        ids = {id for id, _, _ in chosen}
        if not any(_inside(tree, id) for id in ids):
            continue  # a candidate lies in a tree; what only shares is a tree of its own
        traits = set().union(*(tree.traits.get(id, set()) for id in ids))
        if not all(traits & names for names in group.required):
            continue
        out: dict[str, dict[str, int]] = {}
        for id, name, amount in chosen:
            out.setdefault(id, {})[name] = amount
        yield out


def _together(
    tree: Tree, request: Request, chosen: Iterable[tuple[str, dict[str, dict[str, int]]]]
) -> Candidate | None:
    """One way for each group, if they can be had at once."""
    chosen = list(chosen)
    if request.isolate:
        alone = [id for suffix, way in chosen if suffix for id in way]
        if len(alone) != len(set(alone)):
            return None
    by_provider: dict[str, list[dict[str, int]]] = {}
    for _, way in chosen:
        for id, part in way.items():
            by_provider.setdefault(id, []).append(part)
    allocations = {id: merged(parts) for id, parts in by_provider.items()}
    allocations = {id: part for id, part in allocations.items() if part}
    for id, part in allocations.items():
        if len(by_provider[id]) > 1 and not all(_gives(tree, id, name, amount) for name, amount in part.items()):
            return None
    where = {suffix: tuple(way) for suffix, way in chosen}
    if not all(_related(tree, {id for s in suffixes for id in where[s]}) for suffixes in request.same_subtree):
        return None
    return Candidate(allocations, where, tree.root)


def _related(tree: Tree, ids: set[str]) -> bool:
    """Whether one of the providers is above all the others, or is all of them."""
    parents = {row.id: row.parent_id for row in tree.own}

    def above(id: str) -> set[str]:
        out, at = {id}, parents.get(id)
        while at is not None:
            out.add(at)
            at = parents.get(at)
        return out

    return bool(set.intersection(*(above(id) for id in ids)) & ids)
