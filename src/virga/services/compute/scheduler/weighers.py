# SPDX-License-Identifier: Apache-2.0
"""Which of the hosts that will do is best, each weigher a value under Nova's name. What a weigher says of the hosts is stretched to 0..1
over all of them and multiplied by its weight (Nova, "Compute schedulers", Weights). Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from virga.services.compute.model import SOFT_AFFINITY, SOFT_ANTI_AFFINITY
from virga.services.compute.scheduler.filters import HostState, Spec
from virga.services.placement.api import DISK_GB, MEMORY_MB, VCPU


@dataclass(frozen=True)
class Weigher:
    """`weight` is its multiplier where the operator says nothing; negative prefers what it says least of."""

    name: str
    weight: float
    says: Callable[[HostState, Spec], float]


def _free(resource_class: str) -> Callable[[HostState, Spec], float]:
    def says(state: HostState, _: Spec) -> float:
        held = state.inventories.get(resource_class)
        return float(held.free) if held is not None else 0.0

    return says


def _companions(policy: str) -> Callable[[HostState, Spec], float]:
    def says(state: HostState, spec: Spec) -> float:
        group = spec.need.group
        return float(group.members.get(state.host.name, 0)) if group is not None and group.policy == policy else 0.0

    return says


WEIGHERS: Sequence[Weigher] = (
    Weigher("RAMWeigher", 1.0, _free(MEMORY_MB)),
    Weigher("CPUWeigher", 1.0, _free(VCPU)),
    Weigher("DiskWeigher", 1.0, _free(DISK_GB)),
    Weigher("ServerGroupSoftAffinityWeigher", 1.0, _companions(SOFT_AFFINITY)),
    Weigher("ServerGroupSoftAntiAffinityWeigher", -1.0, _companions(SOFT_ANTI_AFFINITY)),
)


def weights(
    states: Sequence[HostState], spec: Spec, weighers: Sequence[Weigher], multipliers: Mapping[str, float]
) -> list[float]:
    """The weight of each host among `states`. `multipliers`: weigher → the operator's multiplier, where there is one."""
    sums = [0.0] * len(states)
    for weigher in weighers:
        factor = multipliers.get(weigher.name, weigher.weight)
        if not factor:
            continue
        answer = [weigher.says(state, spec) for state in states]
        least, most = min(answer, default=0.0), max(answer, default=0.0)
        if most > least:
            sums = [total + factor * (each - least) / (most - least) for total, each in zip(sums, answer, strict=True)]
    return sums
