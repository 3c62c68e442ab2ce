# SPDX-License-Identifier: Apache-2.0
"""Container sync: where a container may be copied to. Targets are named by realm and cluster that the operator listed
(`//realm/cluster/account/container`), never by an address of the tenant's."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from virga.ground.errors import Invalid


@dataclass(frozen=True)
class Target:
    url: str
    realm: str
    key: str
    path: str


def targets(realms: Sequence[str]) -> dict[tuple[str, str], tuple[str, str]]:
    """(realm, cluster) → (key, address)."""
    out = {}
    for each in realms:
        realm, key, cluster, url = each.split()
        out[realm.upper(), cluster.upper()] = (key, url.rstrip("/"))
    return out


def check_target(value: str, realms: Sequence[str]) -> Target:
    """Raises Invalid, naming what is wrong with X-Container-Sync-To."""
    if not value.startswith("//"):
        raise Invalid("X-Container-Sync-To must be of the form //realm/cluster/account/container", field="X-Container-Sync-To")
    parts = value[2:].split("/")
    if len(parts) != 4 or not all(parts):
        raise Invalid("X-Container-Sync-To must be of the form //realm/cluster/account/container", field="X-Container-Sync-To")
    realm, cluster, account, container = parts
    found = targets(realms).get((realm.upper(), cluster.upper()))
    if found is None:
        raise Invalid(f"No realm and cluster {realm[:40]}/{cluster[:40]} are configured for container sync", field="X-Container-Sync-To")
    return Target(found[1], realm.upper(), found[0], f"/v1/{account}/{container}")


def signature(method: str, path: str, timestamp: str, nonce: str, realm_key: str, user_key: str) -> str:
    """X-Container-Sync-Auth's third word."""
    return hmac.new(realm_key.encode(), f"{method}\n{path}\n{timestamp}\n{nonce}\n{user_key}".encode(), "sha1").hexdigest()
