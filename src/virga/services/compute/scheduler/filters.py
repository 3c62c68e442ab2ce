# SPDX-License-Identifier: Apache-2.0
"""Which hosts will not do, each filter a value under Nova's name. A filter gives None or why not: in words that everybody may read
(they are counted) and in words for administrators. Pure."""

from __future__ import annotations

import ipaddress
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from virga.services.compute import hardware, model
from virga.services.compute.driver import Hardware
from virga.services.compute.scheduler import query
from virga.services.compute.scheduler.ask import DISABLED, Need
from virga.services.compute.settings import DEFAULT_FILTERS
from virga.services.placement.api import DISK_GB, MEMORY_MB, VCPU, Inventory

PLAIN = Hardware()


@dataclass(frozen=True)
class HostState:
    """A host as the scheduler sees it: its row, what placement has of it by class, its traits (only where refusals are explained)."""

    host: model.Host
    inventories: Mapping[str, Inventory]
    traits: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Spec:
    """What a decision is made for: the machine, its hardware, and the time."""

    need: Need
    now: float
    hardware: Hardware = PLAIN


@dataclass(frozen=True)
class Reason:
    """Why a host will not do: `kind` for everybody, `detail` for administrators."""

    kind: str
    detail: str


@dataclass(frozen=True)
class Filter:
    name: str
    refuses: Callable[[HostState, Spec], Reason | None]


def _compute(state: HostState, spec: Spec) -> Reason | None:
    """The host's service is enabled and alive."""
    host = state.host
    if not host.enabled or DISABLED in state.traits:
        return Reason("disabled", f"it is disabled ({host.disabled_reason or 'no reason given'})")
    if model.host_down(host, spec.now):
        why = "it is forced down" if host.forced_down else f"its node was last seen {spec.now - host.seen:.0f} s ago"
        return Reason("down", why)
    return None


def _zone(state: HostState, spec: Spec) -> Reason | None:
    zone = spec.need.zone
    if zone is None or state.host.zone == zone:
        return None
    return Reason(f"not in zone {zone}", f"it is in zone {state.host.zone}, zone {zone} is asked for")


def _image(state: HostState, spec: Spec) -> Reason | None:
    """What the image and the flavor ask of the machine is built by the host's hypervisor."""
    unable = hardware.lacks(spec.hardware, state.host.hypervisor.get("offers") or {})
    return None if unable is None else Reason(unable.partition(" (")[0], unable)


def _capabilities(state: HostState, spec: Spec) -> Reason | None:
    """`capabilities:hypervisor_type=QEMU` and the like, against what the node reported. A key without a scope counts if a host has such
    an attribute at all."""
    have = _capable(state.host)
    for key, wanted in spec.need.specs.items():
        scope, colon, path = str(key).partition(":")
        if scope != "capabilities" if colon else scope not in have:
            continue
        value: Any = have
        for part in (path or scope).split(":"):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is None or not matches(value, str(wanted)):
            shown = "does not say" if value is None else f"is {str(value)[:64]}"
            return Reason(f"{key}: {wanted} is asked for", f"{key}: {wanted} is asked for, the host {shown}")
    return None


def _capable(host: model.Host) -> dict[str, Any]:
    return {
        "hypervisor_type": host.hypervisor.get("type"),
        "hypervisor_version": host.hypervisor.get("version"),
        "hypervisor_hostname": host.name,
        "vcpus_total": host.vcpus,
        "total_usable_ram_mb": host.memory_mb,
        "total_usable_disk_gb": host.disk_gb,
        "cpu_info": host.hypervisor.get("cpu"),
    }


_NUMBERS: dict[str, Callable[[float, float], bool]] = {
    "=": operator.ge,  # by its documentation: "equal to or greater than"
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_WORDS: dict[str, Callable[[str, str], bool]] = {
    "s==": operator.eq,
    "s!=": operator.ne,
    "s<": operator.lt,
    "s<=": operator.le,
    "s>": operator.gt,
    "s>=": operator.ge,
    "<in>": lambda have, want: want in have,
}
_OR = re.compile(r"<or>\s*([^<]*)")


def matches(value: Any, wanted: str) -> bool:
    """Whether what a host has is what an extra spec asks for, by its operators (Nova, "Compute schedulers", ComputeCapabilitiesFilter):
    `>= 2`, `s== QEMU`, `<in> sse`, `<all-in> a b`, `<or> a <or> b`; without one the texts are equal."""
    word, _, rest = wanted.strip().partition(" ")
    rest = rest.strip()
    if wanted.lstrip().startswith("<or>"):
        return any(str(value) == each.strip() for each in _OR.findall(wanted))
    if word == "<all-in>":
        return all(each in value for each in rest.split()) if isinstance(value, (str, list, tuple)) else False
    if word in _WORDS and rest:
        return _WORDS[word](str(value), rest)
    if word in _NUMBERS and rest:
        try:
            return _NUMBERS[word](float(value), float(rest))
        except (TypeError, ValueError):
            return False
    return str(value) == wanted


def _same_host(state: HostState, spec: Spec) -> Reason | None:
    if spec.need.same is None or state.host.name in spec.need.same:
        return None
    return Reason("not the host of the named servers", "it has none of the servers that same_host names")


def _different_host(state: HostState, spec: Spec) -> Reason | None:
    if state.host.name not in spec.need.different:
        return None
    return Reason("the host of a named server", "it has a server that different_host names")


def _affinity(state: HostState, spec: Spec) -> Reason | None:
    group = spec.need.group
    if group is None or group.together is None or state.host.name in group.together:
        return None
    return Reason("server group: affinity", "the server's group (affinity) is on another host")


def _anti_affinity(state: HostState, spec: Spec) -> Reason | None:
    group = spec.need.group
    if group is None or group.policy != model.ANTI_AFFINITY:
        return None
    there = group.members.get(state.host.name, 0)
    if there < group.most:
        return None
    return Reason(
        "server group: anti-affinity",
        f"it has {there} servers of the group (anti-affinity), at most {group.most} may be",
    )


def _near(state: HostState, spec: Spec) -> Reason | None:
    """The host's address, as its node reports it, is near the one that `build_near_host_ip` says."""
    near = spec.need.near
    if near is None:
        return None
    address = str(state.host.hypervisor.get("ip") or "")
    try:
        if ipaddress.ip_address(address) in near:
            return None
    except ValueError:
        address = "not known"
    return Reason("not near the address that is asked for", f"its address ({address}) is not in {near}")


def _query(state: HostState, spec: Spec) -> Reason | None:
    wanted = spec.need.query
    if wanted is None or query.holds(wanted, _attributes(state)):
        return None
    return Reason("not what the query asks for", "it is not what the query of the hints asks for")


def _attributes(state: HostState) -> dict[str, Any]:
    """What a query may ask of a host, by Nova's names: what is free is free to be given, by the operator's ratios."""
    held = state.inventories
    found = {
        "host": state.host.name,
        "host_ip": state.host.hypervisor.get("ip"),
        "free_ram_mb": held[MEMORY_MB].free if MEMORY_MB in held else None,
        "free_disk_mb": held[DISK_GB].free * 1024 if DISK_GB in held else None,
        "vcpus_used": held[VCPU].used if VCPU in held else None,
    }
    return _capable(state.host) | found


FILTERS = {
    each.name: each
    for each in (
        Filter("AvailabilityZoneFilter", _zone),
        Filter("ComputeFilter", _compute),
        Filter("ComputeCapabilitiesFilter", _capabilities),
        Filter("ImagePropertiesFilter", _image),
        Filter("ServerGroupAntiAffinityFilter", _anti_affinity),
        Filter("ServerGroupAffinityFilter", _affinity),
        Filter("SameHostFilter", _same_host),
        Filter("DifferentHostFilter", _different_host),
        Filter("SimpleCIDRAffinityFilter", _near),
        Filter("JsonFilter", _query),
    )
}


def named(names: Sequence[str]) -> Sequence[Filter]:
    """The filters of these names, in their order."""
    return [FILTERS[name] for name in names]


ENABLED: Sequence[Filter] = named(DEFAULT_FILTERS)


def lacking(state: HostState, spec: Spec) -> Reason | None:
    """What of resources and traits a host lacks, in the words of the whole of it: what placement has decided in SQL, said again for a
    host that it left out."""
    need = spec.need
    lacks: list[tuple[str, str]] = []
    for resource_class, what, unit in ((VCPU, "VCPUs", ""), (MEMORY_MB, "memory", " MiB"), (DISK_GB, "disk", " GiB")):
        want = {VCPU: need.vcpus, MEMORY_MB: need.ram, DISK_GB: need.disk}[resource_class]
        want = _number(need.specs.get(f"resources:{resource_class}"), want)
        held = state.inventories.get(resource_class)
        if not want or (held is not None and held.refuses(want) is None):
            continue
        kind = f"{what}: {want}{unit} needed"
        if held is None:
            lacks.append((kind, f"{kind}, the host has none"))
        elif want > held.free:
            lacks.append((kind, f"{kind}, {held.free}{unit} free of {held.capacity}{unit}"))
        elif want > held.max_unit:
            lacks.append((kind, f"{kind}, one machine may have {held.max_unit}{unit}"))
        else:
            lacks.append((kind, f"{kind}: {held.refuses(want)}"))
    for key, value in (*need.specs.items(), *need.properties.items()):
        scope, colon, name = str(key).partition(":")
        if not colon:
            continue
        if scope == "trait" and value == "required" and name not in state.traits:
            lacks.append((f"trait {name} is required", f"it has no trait {name}"))
        elif scope == "trait" and value == "forbidden" and name in state.traits:
            lacks.append((f"trait {name} is forbidden", f"it has the trait {name}"))
        elif scope == "resources" and name not in {VCPU, MEMORY_MB, DISK_GB}:
            want, held = _number(value, 0), state.inventories.get(name)
            if want and (held is None or held.refuses(want) is not None):
                free = 0 if held is None else held.free
                lacks.append((f"{name}: {want} needed", f"{name}: {want} needed, {free} free"))
    if not lacks:
        return None
    return Reason("; ".join(kind for kind, _ in lacks), "; ".join(detail for _, detail in lacks))


def _number(value: Any, otherwise: int) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else otherwise
