# SPDX-License-Identifier: Apache-2.0
"""Scenes of placement's operations, for the golden samples."""

from __future__ import annotations

from typing import Any

from samples import Request, Scene, Stage, numbers

LATEST = {"OpenStack-API-Version": "placement 1.39"}
AGGREGATE = "00000000-0000-4000-8000-00000000a001"
VCPU = {"total": 8, "reserved": 0, "min_unit": 1, "max_unit": 8, "step_size": 1, "allocation_ratio": 2.0}


def _ask(stage: Stage, method: str, path: str, body: Any = None) -> Any:
    got = stage.admin.ask(method, f"/placement{path}", body, headers=LATEST)
    assert got.code < 300, f"{method} {path}: {got.code} {got.text}"
    return got.json


def _provider(stage: Stage, name: str = "sample", full: bool = True) -> str:
    """A provider with inventory, traits and an aggregate, unless it is to be bare."""

    def made() -> str:
        id = str(_ask(stage, "POST", "/resource_providers", {"name": name})["uuid"])
        if full:
            path = f"/resource_providers/{id}"
            body: dict[str, Any] = {"resource_provider_generation": 0, "inventories": {"VCPU": VCPU}}
            _ask(stage, "PUT", f"{path}/inventories", body)
            _ask(stage, "PUT", f"{path}/traits", {"resource_provider_generation": 1, "traits": [_trait(stage)]})
            body = {"resource_provider_generation": 2, "aggregates": [AGGREGATE]}
            _ask(stage, "PUT", f"{path}/aggregates", body)
        return id

    return str(stage.once(f"provider {name}", made))


def _generation(stage: Stage, provider: str) -> int:
    return int(_ask(stage, "GET", f"/resource_providers/{provider}")["generation"])


def _trait(stage: Stage, name: str = "CUSTOM_SAMPLE") -> str:
    return str(stage.once(f"trait {name}", lambda: _ask(stage, "PUT", f"/traits/{name}") or name))


def _class(stage: Stage, name: str = "CUSTOM_SAMPLE") -> str:
    return str(stage.once(f"class {name}", lambda: _ask(stage, "PUT", f"/resource_classes/{name}") or name))


def _consumer(stage: Stage, name: str = "sample") -> str:
    def made() -> str:
        id = stage.sim.cloud.world.uuid()
        body = {
            "allocations": {_provider(stage): {"resources": {"VCPU": 1}}},
            "project_id": "sample-project",
            "user_id": "sample-user",
            "consumer_generation": None,
            "consumer_type": "INSTANCE",
        }
        _ask(stage, "PUT", f"/allocations/{id}", body)
        return id

    return str(stage.once(f"consumer {name}", made))


def _of(path: str = "", name: str = "sample") -> Scene:
    """About a provider: what stands at `path` below it."""
    return lambda stage, version: Request(f"/resource_providers/{_provider(stage, name)}{path}")


def _used(path: str) -> Scene:
    """A read of what somebody uses."""
    return lambda stage, version: Request(path) if _consumer(stage) else Request("")


def _create(stage: Stage, version: str) -> Request:
    body: dict[str, Any] = {"name": f"new-{version}"}
    if numbers(version) >= (1, 14):
        body["parent_provider_uuid"] = _provider(stage)
    return Request("/resource_providers", body)


def _rename(stage: Stage, version: str) -> Request:
    return Request(f"/resource_providers/{_provider(stage, 'changing')}", {"name": f"changed-{version}"})


def _add_inventory(stage: Stage, version: str) -> Request:
    id = _provider(stage, f"adding-{version}", full=False)
    return Request(f"/resource_providers/{id}/inventories", {"resource_class": "VCPU", **VCPU})


def _replace(stage: Stage, version: str) -> Request:
    id = _provider(stage, "changing")
    body = {"resource_provider_generation": _generation(stage, id), "inventories": {"VCPU": VCPU}}
    return Request(f"/resource_providers/{id}/inventories", body)


def _update_inventory(stage: Stage, version: str) -> Request:
    id = _provider(stage, "changing")
    body = {"resource_provider_generation": _generation(stage, id), **VCPU}
    return Request(f"/resource_providers/{id}/inventories/VCPU", body)


def _aggregates(stage: Stage, version: str) -> Request:
    id = _provider(stage, "changing")
    if numbers(version) < (1, 19):
        return Request(f"/resource_providers/{id}/aggregates", [AGGREGATE])
    body = {"aggregates": [AGGREGATE], "resource_provider_generation": _generation(stage, id)}
    return Request(f"/resource_providers/{id}/aggregates", body)


def _traits(stage: Stage, version: str) -> Request:
    id = _provider(stage, "changing")
    body = {"resource_provider_generation": _generation(stage, id), "traits": [_trait(stage)]}
    return Request(f"/resource_providers/{id}/traits", body)


def _going(path: str) -> Scene:
    return lambda stage, version: Request(f"/resource_providers/{_provider(stage, f'going-{version}')}{path}")


def _cleared(stage: Stage, version: str) -> Request:
    """Before 1.5 the method is not there yet."""
    return _going("/inventories")(stage, version)._replace(refused=numbers(version) < (1, 5))


def _new_class(stage: Stage, version: str) -> Request:
    return Request("/resource_classes", {"name": f"CUSTOM_NEW_{version.replace('.', '_')}"})


def _put_class(stage: Stage, version: str) -> Request:
    name = f"CUSTOM_PUT_{version.replace('.', '_')}"
    if numbers(version) < (1, 7):
        return Request(f"/resource_classes/{_class(stage, f'CUSTOM_OLD_{version[2:]}')}", {"name": name})
    return Request(f"/resource_classes/{name}")


def _entry(stage: Stage, version: str) -> dict[str, Any]:
    """What a consumer is to use, as the version says it."""
    at, provider, part = numbers(version), _provider(stage), {"resources": {"VCPU": 1}}
    body: dict[str, Any] = {"allocations": {provider: part}}
    if at < (1, 12):
        body = {"allocations": [{"resource_provider": {"uuid": provider}, **part}]}
    if at >= (1, 8):
        body |= {"project_id": "sample-project", "user_id": "sample-user"}
    if at >= (1, 28):
        body["consumer_generation"] = None
    if at >= (1, 34):
        body["mappings"] = {"": [provider]}
    if at >= (1, 38):
        body["consumer_type"] = "INSTANCE"
    return body


def _put(stage: Stage, version: str) -> Request:
    id = stage.sim.cloud.world.uuid()
    stage.things[f"consumer put {version}"] = id
    return Request(f"/allocations/{id}", _entry(stage, version))


def _post(stage: Stage, version: str) -> Request:
    return Request("/allocations", {stage.sim.cloud.world.uuid(): _entry(stage, version)})


def _reshape(stage: Stage, version: str) -> Request:
    id, consumer = _provider(stage, "reshaped"), stage.sim.cloud.world.uuid()
    entry = _entry(stage, version) | {"allocations": {id: {"resources": {"VCPU": 1}}}}
    entry.pop("mappings", None)
    body = {
        "inventories": {
            id: {"resource_provider_generation": _generation(stage, id), "inventories": {"VCPU": VCPU}},
        },
        "allocations": {consumer: entry},
    }
    return Request("/reshaper", body, headers={"X-Auth-Token": _service(stage)})


def _service(stage: Stage) -> str:
    """The token of a service: nobody else reshapes."""
    if "service" not in stage.things:
        stage.things["service"] = stage.sim.tenant("reshaper", role="service").token
    return str(stage.things["service"])


def _candidates(stage: Stage, version: str) -> Request:
    """Of a class that one provider has."""
    name = _class(stage, "CUSTOM_RARE")
    id = _provider(stage, "rare")
    if "rare" not in stage.things:
        stage.things["rare"] = True
        body = {"resource_class": name, "total": 4, "max_unit": 4}
        _ask(stage, "POST", f"/resource_providers/{id}/inventories", body)
    return Request(f"/allocation_candidates?resources={name}:1")


SCENES: dict[str, Scene] = {
    "document.show": lambda stage, version: Request("/"),
    "allocations.index": lambda stage, version: Request(f"/allocations/{_consumer(stage)}"),
    "usages.total": _used("/usages?project_id=sample-project"),
    "candidates.index": _candidates,
    "providers.index": lambda stage, version: Request(f"/resource_providers?uuid={_provider(stage)}"),
    "providers.show": _of(),
    "inventories.index": _of("/inventories"),
    "inventories.show": _of("/inventories/VCPU"),
    "aggregates.index": _of("/aggregates"),
    "traits.of_provider": _of("/traits"),
    "usages.of_provider": _of("/usages"),
    "allocations.of_provider": _of("/allocations"),
    "resource_classes.show": lambda stage, version: Request(f"/resource_classes/{_class(stage)}"),
    "resource_classes.index": lambda stage, version: Request("/resource_classes"),
    "traits.index": lambda stage, version: Request(f"/traits?name=in:{_trait(stage)}"),
    "traits.show": lambda stage, version: Request(f"/traits/{_trait(stage)}"),
    "providers.create": _create,
    "providers.update": _rename,
    "inventories.create": _add_inventory,
    "inventories.replace": _replace,
    "inventories.update": _update_inventory,
    "aggregates.replace_bare": _aggregates,
    "traits.set_of_provider": _traits,
    "traits.put": lambda stage, version: Request(f"/traits/CUSTOM_NEW_{version.replace('.', '_')}"),
    "traits.delete": lambda stage, version: Request(f"/traits/{_trait(stage, 'CUSTOM_GOING')}"),
    "traits.clear_provider": _going("/traits"),
    "inventories.clear": _cleared,
    "inventories.delete": _going("/inventories/VCPU"),
    "providers.delete": _going(""),
    "resource_classes.create": _new_class,
    "resource_classes.rename": _put_class,
    "resource_classes.delete": lambda stage, version: Request(f"/resource_classes/{_class(stage, 'CUSTOM_GOING')}"),
    "allocations.put_listed": _put,
    "allocations.post": _post,
    "allocations.delete": lambda stage, version: Request(f"/allocations/{_consumer(stage, 'going')}"),
    "allocations.reshape": _reshape,
}
