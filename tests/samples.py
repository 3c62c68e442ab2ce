# SPDX-License-Identifier: Apache-2.0
"""Golden samples: what each operation answers, at each version that changes it, as files that people read. `make wire` writes them, a
test compares them.

Every operation has a scene in `samples_compute.py` and its like: what must be there, and the request. It is run on a cloud in memory,
and what differs from run to run (ids, times, addresses, secrets) is replaced by a word that says what it was."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sim_cloud import SimCloud, make
from virga.ground.http.table import Route, Service
from virga.ground.wire import Version

FOLDER = Path(__file__).parent / "wire"


class Request(NamedTuple):
    """What is asked: the path inside the service."""

    path: str
    body: Any = None
    raw: bytes | None = None
    headers: dict[str, str] | None = None
    refused: bool = False
    """Whether the answer says why not."""
    cut: Callable[[Any], Any] | None = None
    """What of the answer is shown, of one that has others' things too."""


class Stage:
    """A cloud, and what scenes leave for each other in it."""

    def __init__(self, sim: SimCloud) -> None:
        self.sim, self.admin = sim, sim.admin
        self.things: dict[str, Any] = {}

    def once(self, name: str, made: Callable[[], Any]) -> Any:
        """What `made` gave the first time."""
        if name not in self.things:
            self.things[name] = made()
        return self.things[name]

    def pause(self) -> None:
        """Let the cloud's own threads go on."""
        threading.Event().wait(0.02)


Scene = Callable[[Stage, str], Request]
"""The request at a version (`2.47`), after everything that it needs was put there."""


def numbers(version: str) -> Version:
    """`2.47` → (2, 47)"""
    major, _, minor = version.partition(".")
    return int(major), int(minor)


def text(version: Version) -> str:
    return f"{version[0]}.{version[1]}"


def operations(service: Service, prefix: str = "") -> dict[str, list[Route]]:
    """Name → rows, of the rows below `prefix` (and the root): the action's name, and the last word of the path where several
    operations share an action."""
    rows: dict[tuple[str, str, str | None], list[Route]] = {}
    for row in service.routes:
        if row.path.startswith(prefix) or row.path == "/":
            rows.setdefault((row.method, row.path, row.verb), []).append(row)
    out: dict[str, list[Route]] = {}
    for (_, path, _), several in rows.items():
        name = several[0].name
        if name in out:
            words = [word for word in path.split("/") if word and not word.startswith("{")]
            name = f"{name}.{words[-1]}"
        if name in out:
            name = f"{name}.{several[0].method.lower()}"
        assert name not in out, f"two operations are called {name}"
        out[name] = several
    return out


def versions(service: Service, rows: list[Route]) -> list[Version]:
    """The versions at which the operation changes, its first among them."""
    low, high = service.versions.low, service.versions.high
    return sorted({max(v, low) for row in rows for v in row.changes() if v <= high})


WORDS = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "uuid"),
    (r"\b[0-9a-f]{56}\b", "host"),
    (r"\b[0-9a-f]{32}\b", "id"),
    (r"fa:16:3e(?::[0-9a-f]{2}){3}", "mac"),
    (r"\br-[0-9a-z]{8}\b", "reservation"),
    (r"\binstance-[0-9a-f]{8}\b", "instance"),
    (r"(?<=uuid-\d-)[0-9a-f]{8}\b", "part"),
    (r"\bAQ[\w-]{150,}", "token"),
)
SECRETS = {
    "adminPass", "private_key", "secret", "access", "blob", "audit_id", "audit_ids", "signature", "token", "oauth_verifier",
}  # fmt: skip


def _still(shown: str, node: str) -> str:
    """The text without what differs from run to run; the same thing gets the same word."""
    for pattern, word in WORDS:
        seen: dict[str, str] = {}
        for found in re.findall(pattern, shown):
            seen.setdefault(found, f"{word}-{len(seen) + 1}")
        for found, stands in seen.items():
            shown = shown.replace(found, stands)
    shown = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", "2026-01-01T00:00:00", shown)
    shown = re.sub(r"(2026-01-01T00:00:00)\.\d{6}", r"\1.000000", shown)
    shown = re.sub(r"\b10\.0\.0\.\d+\b(?!/)", "10.0.0.10", shown)
    shown = re.sub(r"\b203\.0\.113\.\d+\b(?!/)", "203.0.113.10", shown)
    shown = re.sub(r"\b172\.24\.4\.\d+\b(?!/)", "172.24.4.10", shown)
    return shown.replace(f'"{node}"', '"node-1"')


def _hidden(value: Any) -> Any:
    """Without secrets, which are new each time."""
    if isinstance(value, dict):
        return {k: _covered(f"<{k}>", v) if k in SECRETS else _hidden(v) for k, v in value.items()}
    return [_hidden(v) for v in value] if isinstance(value, list) else value


def _covered(word: str, value: Any) -> Any:
    """The word for a text, and for each text of a list."""
    if isinstance(value, str):
        return word
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        return [word for _ in value]
    return _hidden(value)


SHOWN_HEADERS = ("location", "last-modified", "cache-control")


def sample(stage: Stage, service: Service, rows: list[Route], version: Version, scene: Scene) -> dict[str, Any]:
    """One operation at one version, as its file says it."""
    ask, row = scene(stage, text(version)), rows[0]
    requested = (
        {"OpenStack-API-Version": f"{service.versions.service} {text(version)}"} if service.versions.service else {}
    )
    answer = stage.admin.ask(
        row.method, service.path + ask.path, ask.body, raw=ask.raw, headers=requested | (ask.headers or {})
    )
    assert (answer.code >= 400) == ask.refused, f"{row.name} at {text(version)}: {answer.code} {answer.text[:500]}"
    sent: dict[str, Any] = {"method": row.method, "path": ask.path}
    if ask.body is not None:
        sent["body"] = ask.body
    told: dict[str, Any] = {"code": answer.code}
    headers = {name: answer.headers[name] for name in SHOWN_HEADERS if name in answer.headers}
    if "last-modified" in headers:
        headers["last-modified"] = "<time>"
    if headers:
        told["headers"] = headers
    if answer.json is not None:
        told["body"] = ask.cut(answer.json) if ask.cut is not None else answer.json
    shown = json.dumps(_hidden({"request": sent, "answer": told}), indent=2)
    found: dict[str, Any] = json.loads(_still(shown, stage.sim.cloud.settings.name))
    return found


def scenes() -> dict[str, tuple[str, dict[str, Scene]]]:
    """Service → the prefix of its rows, and its scenes."""
    import samples_compute
    import samples_identity
    import samples_images
    import samples_images_v1
    import samples_metadefs
    import samples_network
    import samples_placement

    return {
        "image": ("/v", samples_images.SCENES | samples_metadefs.SCENES | samples_images_v1.SCENES),
        "compute": ("/v2.1", samples_compute.SCENES),
        "placement": ("/", samples_placement.SCENES),
        "network": ("/v2.0", samples_network.SCENES),
        "identity": ("/", samples_identity.SCENES),
    }


def all_samples(sim: SimCloud) -> Iterator[tuple[str, dict[str, Any]]]:
    """`service/operation@version` → the sample, of every operation that has a scene. Reads come first, so that they see little."""
    services = {service.name: service for service in sim.cloud.services}
    for name, (prefix, own) in scenes().items():
        service, stage = services[name], Stage(sim)
        found = operations(service, prefix)
        for operation in own:
            rows = found[operation]
            for version in versions(service, rows):
                label = f"{operation}@{text(version)}" if service.versions.service else operation
                yield f"{name}/{label}", sample(stage, service, rows, version, own[operation])


def written(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    cloud = make()
    cloud.start()
    made = dict(all_samples(SimCloud(cloud)))
    cloud.stop()
    for old in FOLDER.rglob("*.json"):
        if str(old.relative_to(FOLDER)).removesuffix(".json") not in made:
            old.unlink()
    for label, value in made.items():
        file = FOLDER / f"{label}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(written(value))
    print(f"  {len(made)} samples in {FOLDER}", file=sys.stderr)
