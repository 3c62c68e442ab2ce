# SPDX-License-Identifier: Apache-2.0
"""Images as Glance v2 prints them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode

from virga.ground.http.call import Answer, Call
from virga.ground.http.pages import Page
from virga.ground.world import iso
from virga.services.images import model, store
from virga.services.images.cache import Entry
from virga.services.images.driver import Store, Stores
from virga.services.images.settings import Images

VERSIONS = (
    "v2.17",
    "v2.16",
    "v2.15",
    "v2.14",
    "v2.13",
    "v2.12",
    "v2.11",
    "v2.10",
    "v2.9",
    "v2.8",
    "v2.7",
    "v2.6",
    "v2.5",
    "v2.4",
    "v2.3",
    "v2.2",
    "v2.1",
    "v2.0",
)


def image(i: model.Image, call: Call) -> dict[str, Any]:
    path = "/v2/images/" + i.id
    out = {
        **i.properties,
        "id": i.id,
        "name": i.name,
        "owner": i.owner,
        "status": i.status,
        "visibility": i.visibility,
        "disk_format": i.disk_format,
        "container_format": i.container_format,
        "min_disk": i.min_disk,
        "min_ram": i.min_ram,
        "size": i.size,
        "virtual_size": i.virtual_size,
        "checksum": i.checksum,
        "os_hash_algo": i.os_hash_algo,
        "os_hash_value": i.os_hash_value,
        "protected": i.protected,
        "os_hidden": i.os_hidden,
        "tags": i.tags,
        "created_at": iso(i.created),
        "updated_at": iso(i.updated),
        "self": path,
        "file": path + "/file",
        "schema": "/v2/schemas/image",
    }
    if i.stores:
        out["stores"] = i.stores[0] if len(i.stores) == 1 else ",".join(call.use(Stores).ordered(i.stores))
    if i.task_id is not None:
        out["os_glance_import_task"] = i.task_id
    if i.importing or i.failed or i.task_id is not None or len(i.stores) > 1:
        out["os_glance_importing_to_stores"], out["os_glance_failed_import"] = ",".join(i.importing), ",".join(i.failed)
    if i.reason is not None:
        out["os_glance_reason"] = i.reason
    return out


def with_locations(i: model.Image, call: Call) -> dict[str, Any]:
    """One image; where its bytes lie too, if the setting shows it."""
    out = image(i, call)
    if call.use(Images).show_locations:
        rows = store.locations(call.tx, i.id) if call.open is not None else _read(i.id, call)
        out["locations"] = locations(rows, call)
        if out["locations"]:
            out["direct_url"] = out["locations"][0]["url"]
    return out


def _read(id: str, call: Call) -> list[model.Location]:
    with call.db.read() as tx:
        return store.locations(tx, id)


def created(i: model.Image, call: Call) -> Answer:
    own = call.use(Images)
    headers = {
        "location": call.request.link(f"/v2/images/{i.id}"),
        "openstack-image-import-methods": ",".join(own.import_methods),
    }
    headers["openstack-image-store-ids"] = ",".join(s.id for s in call.use(Stores).writable())
    return Answer(with_locations(i, call), 201, headers)


def images(page: Page[model.Image], call: Call) -> dict[str, Any]:
    pairs = [(k, v) for k, v in parse_qsl(call.request.raw_query) if k != "marker"]
    first = "/v2/images" + (f"?{urlencode(pairs)}" if pairs else "")
    body: dict[str, Any] = {
        "images": [image(i, call) for i in page.items],
        "first": first,
        "schema": "/v2/schemas/images",
    }
    if page.marker:
        body["next"] = "/v2/images?" + urlencode([*pairs, ("marker", page.marker)])
    return body


def member(m: model.Member, _: Call) -> dict[str, Any]:
    times = {"created_at": iso(m.created), "updated_at": iso(m.updated)}
    return {
        "member_id": m.member_id,
        "image_id": m.image_id,
        "status": m.status,
        "schema": "/v2/schemas/member",
    } | times


def members(rows: list[model.Member], call: Call) -> dict[str, Any]:
    return {"members": [member(m, call) for m in rows], "schema": "/v2/schemas/members"}


def locations(rows: list[model.Location], call: Call) -> list[dict[str, Any]]:
    stores = call.use(Stores)
    known = [r for r in rows if r.store in stores.by_id]
    return [{"url": stores.by_id[r.store].blobs.url(r.key), "metadata": r.meta | {"store": r.store}} for r in known]


def task(t: model.Task, call: Call) -> dict[str, Any]:
    more = {
        "input": t.input,
        "result": t.result,
        "message": t.message,
        "image_id": t.image_id,
        "request_id": t.request_id,
        "user_id": t.user_id,
    }
    return listed_task(t, call) | more


def listed_task(t: model.Task, _: Call) -> dict[str, Any]:
    times = {
        "created_at": iso(t.created),
        "updated_at": iso(t.updated),
        "expires_at": None if t.expires is None else iso(t.expires),
    }
    return {
        "id": t.id,
        "type": t.type,
        "status": t.status,
        "owner": t.owner,
        "self": f"/v2/tasks/{t.id}",
        "schema": "/v2/schemas/task",
    } | times


def tasks(page: Page[model.Task], call: Call) -> dict[str, Any]:
    pairs = [(k, v) for k, v in parse_qsl(call.request.raw_query) if k != "marker"]
    first = "/v2/tasks" + (f"?{urlencode(pairs)}" if pairs else "")
    body: dict[str, Any] = {
        "tasks": [listed_task(t, call) for t in page.items],
        "first": first,
        "schema": "/v2/schemas/tasks",
    }
    if page.marker:
        body["next"] = "/v2/tasks?" + urlencode([*pairs, ("marker", page.marker)])
    return body


def image_tasks(rows: list[model.Task], _: Call) -> dict[str, Any]:
    """Without the links that a task has of its own: this is a part of its image."""
    gone = {"self", "schema"}
    return {"tasks": [{k: v for k, v in task(t, _).items() if k not in gone} for t in rows]}


def methods(names: list[str], _: Call) -> dict[str, Any]:
    return {"import-methods": {"description": "Import methods available.", "type": "array", "value": names}}


def stores(rows: list[Store], call: Call) -> dict[str, Any]:
    return {"stores": [_store(s, call) for s in rows]}


def _store(s: Store, call: Call) -> dict[str, Any]:
    out = {"id": s.id} | ({"description": s.description} if s.description else {})
    if s is call.use(Stores).default:
        out["default"] = "true"
    if s.read_only:
        out["read-only"] = "true"
    return out


def stores_detail(rows: list[Store], call: Call) -> dict[str, Any]:
    return {
        "stores": [
            _store(s, call) | {"type": s.type, "weight": s.weight, "properties": dict(s.facts or {})} for s in rows
        ]
    }


def usage(rows: dict[str, tuple[int, int]], _: Call) -> dict[str, Any]:
    return {"usage": {name: {"usage": used, "limit": most} for name, (used, most) in rows.items()}}


def cache(found: tuple[list[Entry], list[str]], _: Call) -> dict[str, Any]:
    cached = [
        {
            "image_id": e.image_id,
            "hits": e.hits,
            "last_accessed": e.accessed,
            "last_modified": e.modified,
            "size": e.size,
        }
        for e in found[0]
    ]
    return {"cached_images": cached, "queued_images": found[1]}


def pruned(found: tuple[int, int], _: Call) -> dict[str, int]:
    return {"total_files_pruned": found[0], "total_bytes_pruned": found[1]}


def versions(_: None, call: Call) -> Answer:
    link = [{"rel": "self", "href": call.request.link("/v2/")}]
    rows = [{"id": v, "status": "CURRENT" if v == VERSIONS[0] else "SUPPORTED", "links": link} for v in VERSIONS]
    return Answer({"versions": rows}, 300)


def versions_ok(_: None, call: Call) -> Answer:
    answer = versions(None, call)
    answer.code = 200
    return answer


def schema(found: dict[str, Any]) -> Callable[[None, Call], dict[str, Any]]:
    """A view that shows `found`."""
    return lambda _, call: found
