# SPDX-License-Identifier: Apache-2.0
"""The hosts for a machine, the best first; and, when there is none, why not. Pure: states of hosts in, order and reasons out."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from virga.services.compute.scheduler import weighers as weighing
from virga.services.compute.scheduler.filters import ENABLED, Filter, HostState, Reason, Spec, lacking
from virga.services.compute.scheduler.weighers import WEIGHERS, Weigher

MOST_TOLD = 60_000
"""How many characters of reasons are kept for administrators."""
MOST_KINDS = 20


def refusal(state: HostState, spec: Spec, filters: Sequence[Filter] = ENABLED) -> Reason | None:
    """Why a filter will not have a host; None when all will."""
    return next((why for each in filters if (why := each.refuses(state, spec)) is not None), None)


def ranked(
    states: Iterable[HostState],
    spec: Spec,
    seed: str,
    *,
    filters: Sequence[Filter] = ENABLED,
    weighers: Sequence[Weigher] = WEIGHERS,
    multipliers: Mapping[str, float] | None = None,
) -> list[HostState]:
    """The hosts that all filters have, by weight. Hosts of one weight come in an order of `seed`'s own: machines that are built at the
    same moment do not all try the same host first."""
    left = [state for state in states if refusal(state, spec, filters) is None]
    sums = weighing.weights(left, spec, weighers, multipliers or {})

    def key(n: int) -> tuple[float, int, str]:
        return (-round(sums[n], 9), zlib.crc32(f"{seed}{left[n].host.id}".encode()), left[n].host.id)

    return [left[n] for n in sorted(range(len(left)), key=key)]


def reasons(states: Iterable[HostState], spec: Spec, filters: Sequence[Filter] = ENABLED) -> dict[str, Reason]:
    """host name → why it will not do. A host that will do in this moment (it was full before) is not in it."""
    out: dict[str, Reason] = {}
    for state in states:
        why = refusal(state, spec, filters) or lacking(state, spec)
        if why is not None:
            out[state.host.name] = why
    return out


def no_valid_host(found: Mapping[str, Reason], hosts: int) -> str:
    """What a refused build says, of `hosts` hosts: on the first line how many lack what, for everybody; below it, for administrators,
    each host that was looked at and what it lacks."""
    if not hosts:
        return "No valid host was found. There is no host yet: no node has reported."
    counts = Counter(why.kind for why in found.values())
    kinds = [f"{kind} ({n} of {hosts})" for kind, n in counts.most_common(MOST_KINDS)]
    first = "No valid host was found. " + "; ".join(kinds or ["None of the hosts takes this combination of resources"])
    lines = [f"{name}: {why.detail}." for name, why in sorted(found.items())]
    stored, size = [], 0
    for line in lines:
        size += len(line) + 1
        if size > MOST_TOLD:
            break
        stored.append(line)
    if hosts > len(stored):
        stored.append(f"and {hosts - len(stored)} hosts more.")
    return "\n".join([first + ".", *stored])
