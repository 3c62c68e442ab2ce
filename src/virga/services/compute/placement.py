# SPDX-License-Identifier: Apache-2.0
"""Which host takes a machine, and why the others do not. Pure: candidates in, choice and reasons out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from virga.protocol.machines import Hardware
from virga.services.compute import hardware, model
from virga.services.compute.model import Used
from virga.services.compute.settings import Compute

PLAIN = Hardware()


@dataclass(frozen=True)
class Need:
    vcpus: int
    ram: int
    disk: int
    zone: str | None = None
    host: str | None = None
    hardware: Hardware = PLAIN


def refusal(host: model.Host, used: Used, need: Need, own: Compute, now: float) -> str | None:
    """Why `host` cannot take `need`; None when it can."""
    if need.host is not None and host.name != need.host:
        return f"the request names host {need.host}"
    if need.zone is not None and host.zone != need.zone:
        return f"it is in zone {host.zone}, zone {need.zone} is asked for"
    if not host.enabled:
        return f"it is disabled ({host.disabled_reason or 'no reason given'})"
    if model.host_down(host, now):
        return "it is forced down" if host.forced_down else f"its node was last seen {now - host.seen:.0f} s ago"
    unable = hardware.lacks(need.hardware, host.hypervisor.get("offers") or {})
    if unable is not None:
        return unable
    lacks = []
    for what, want, have, taken, ratio, unit in (
        ("VCPUs", need.vcpus, host.vcpus, used.vcpus, own.cpu_ratio, ""),
        ("memory", need.ram, max(0, host.memory_mb - own.reserved_mb), used.ram, own.ram_ratio, " MiB"),
        ("disk", need.disk, host.disk_gb, used.disk, own.disk_ratio, " GiB"),
    ):
        free = int(have * ratio) - taken
        if want > free:
            lacks.append(f"{what}: {want}{unit} needed, {free}{unit} free of {int(have * ratio)}{unit}")
        elif what == "VCPUs" and want > have:
            lacks.append(f"VCPUs: {want} needed, the host has {have}")
    return "; ".join(lacks) or None


def choose(
    hosts: Iterable[model.Host], used: dict[str, Used], need: Need, own: Compute, now: float
) -> tuple[model.Host | None, dict[str, str]]:
    """The host with the most free memory that takes it, and the reason of each that does not."""
    reasons: dict[str, str] = {}
    best: tuple[int, str, model.Host] | None = None
    for host in hosts:
        taken = used.get(host.name, Used())
        why = refusal(host, taken, need, own, now)
        if why is not None:
            reasons[host.name] = why
            continue
        rank = (host.memory_mb - taken.ram, host.name, host)
        if best is None or rank[:2] > best[:2]:
            best = rank
    return (best[2] if best is not None else None), reasons


def no_valid_host(reasons: dict[str, str]) -> str:
    """The sentence of a refused build: every host and what it lacks."""
    if not reasons:
        return "No valid host was found. There is no host yet: no node has reported."
    return "No valid host was found. " + " ".join(f"{name}: {why}." for name, why in sorted(reasons.items()))
