# SPDX-License-Identifier: Apache-2.0
"""Images as Glance v2 prints them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode

from virga.ground.http.call import Answer, Call
from virga.ground.http.pages import Page
from virga.ground.wire import UNSET, UnsetType
from virga.ground.world import iso
from virga.services.images import answers, model
from virga.services.images.actions.images import Whole
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


def _image(i: model.Image, call: Call, locations: list[answers.Location] | UnsetType = UNSET) -> answers.Image:
    path = "/v2/images/" + i.id
    busy = bool(i.importing or i.failed or i.task_id is not None or len(i.stores) > 1)
    stores: str | UnsetType = UNSET
    if i.stores:
        stores = i.stores[0] if len(i.stores) == 1 else ",".join(call.use(Stores).ordered(i.stores))
    return call.making(answers.Image)(
        extra=i.properties,
        id=i.id,
        name=i.name,
        owner=i.owner,
        status=i.status,
        visibility=i.visibility,
        disk_format=i.disk_format,
        container_format=i.container_format,
        min_disk=i.min_disk,
        min_ram=i.min_ram,
        size=i.size,
        virtual_size=i.virtual_size,
        checksum=i.checksum,
        os_hash_algo=i.os_hash_algo,
        os_hash_value=i.os_hash_value,
        protected=i.protected,
        os_hidden=i.os_hidden,
        tags=i.tags,
        created_at=iso(i.created),
        updated_at=iso(i.updated),
        self_=path,
        file=path + "/file",
        schema="/v2/schemas/image",
        stores=stores,
        task=i.task_id if i.task_id is not None else UNSET,
        importing=",".join(i.importing) if busy else UNSET,
        failed=",".join(i.failed) if busy else UNSET,
        reason=i.reason if i.reason is not None else UNSET,
        locations=locations,
        direct_url=locations[0].url if locations is not UNSET and locations else UNSET,
    )


def image(whole: Whole, call: Call) -> answers.Image:
    """One image; where its bytes lie too, if the setting shows it."""
    return _image(whole.image, call, locations(whole.locations, call) if call.use(Images).show_locations else UNSET)


def created(whole: Whole, call: Call) -> Answer:
    own = call.use(Images)
    headers = {
        "location": call.request.link(f"/v2/images/{whole.image.id}"),
        "openstack-image-import-methods": ",".join(own.import_methods),
        "openstack-image-store-ids": ",".join(s.id for s in call.use(Stores).writable()),
    }
    return Answer(image(whole, call), headers=headers)


def _pages(what: str, marker: str | None, call: Call) -> tuple[str, str | UnsetType]:
    """The addresses of the first page and, when more follow, of the next."""
    pairs = [(k, v) for k, v in parse_qsl(call.request.raw_query) if k != "marker"]
    first = f"/v2/{what}" + (f"?{urlencode(pairs)}" if pairs else "")
    return first, f"/v2/{what}?" + urlencode([*pairs, ("marker", marker)]) if marker else UNSET


def images(page: Page[model.Image], call: Call) -> answers.ImagesAnswer:
    first, following = _pages("images", page.marker, call)
    return answers.ImagesAnswer(
        images=[_image(i, call) for i in page.items], first=first, schema="/v2/schemas/images", next=following
    )


def member(m: model.Member, _: Call) -> answers.Member:
    return answers.Member(
        member_id=m.member_id,
        image_id=m.image_id,
        status=m.status,
        schema="/v2/schemas/member",
        created_at=iso(m.created),
        updated_at=iso(m.updated),
    )


def members(rows: list[model.Member], call: Call) -> answers.MembersAnswer:
    return answers.MembersAnswer(members=[member(m, call) for m in rows], schema="/v2/schemas/members")


def locations(rows: list[model.Location], call: Call) -> list[answers.Location]:
    stores = call.use(Stores)
    known = [r for r in rows if r.store in stores.by_id]
    return [
        answers.Location(url=stores.by_id[r.store].blobs.url(r.key), metadata=r.meta | {"store": r.store})
        for r in known
    ]


def _listed_task(t: model.Task) -> dict[str, Any]:
    """What every task says."""
    return {
        "id": t.id,
        "type": t.type,
        "status": t.status,
        "owner": t.owner,
        "created_at": iso(t.created),
        "updated_at": iso(t.updated),
        "expires_at": None if t.expires is None else iso(t.expires),
    }


def _task(t: model.Task) -> dict[str, Any]:
    """What one task says, beside."""
    more = {
        "input": t.input,
        "result": t.result,
        "message": t.message,
        "image_id": t.image_id,
        "request_id": t.request_id,
        "user_id": t.user_id,
    }
    return _listed_task(t) | more


def task(t: model.Task, _: Call) -> answers.Task:
    return answers.Task(**_task(t), self_=f"/v2/tasks/{t.id}", schema="/v2/schemas/task")


def tasks(page: Page[model.Task], call: Call) -> answers.TasksAnswer:
    first, following = _pages("tasks", page.marker, call)
    rows = [
        answers.ListedTask(**_listed_task(t), self_=f"/v2/tasks/{t.id}", schema="/v2/schemas/task") for t in page.items
    ]
    return answers.TasksAnswer(tasks=rows, first=first, schema="/v2/schemas/tasks", next=following)


def image_tasks(rows: list[model.Task], _: Call) -> answers.ImageTasksAnswer:
    return answers.ImageTasksAnswer(tasks=[answers.ImageTask(**_task(t)) for t in rows])


def methods(names: list[str], _: Call) -> answers.MethodsAnswer:
    shown = answers.Methods(description="Import methods available.", type="array", value=names)
    return answers.MethodsAnswer(methods=shown)


def _store(s: Store, call: Call) -> dict[str, Any]:
    return {
        "id": s.id,
        "description": s.description or UNSET,
        "default": "true" if s is call.use(Stores).default else UNSET,
        "read_only": "true" if s.read_only else UNSET,
    }


def stores(rows: list[Store], call: Call) -> answers.StoresAnswer:
    return answers.StoresAnswer(stores=[answers.Store(**_store(s, call)) for s in rows])


def stores_detail(rows: list[Store], call: Call) -> answers.StoresDetailAnswer:
    shown = [
        answers.StoreDetail(**_store(s, call), type=s.type, weight=s.weight, properties=dict(s.facts or {}))
        for s in rows
    ]
    return answers.StoresDetailAnswer(stores=shown)


def usage(rows: dict[str, tuple[int, int]], _: Call) -> answers.UsageAnswer:
    return answers.UsageAnswer(
        usage={name: answers.Usage(usage=used, limit=most) for name, (used, most) in rows.items()}
    )


def cache(found: tuple[list[Entry], list[str]], _: Call) -> answers.CacheAnswer:
    entries, queued = found
    cached = [
        answers.CachedImage(
            image_id=e.image_id, hits=e.hits, last_accessed=e.accessed, last_modified=e.modified, size=e.size
        )
        for e in entries
    ]
    return answers.CacheAnswer(cached_images=cached, queued_images=queued)


def pruned(found: tuple[int, int], _: Call) -> answers.PrunedAnswer:
    files, size = found
    return answers.PrunedAnswer(total_files_pruned=files, total_bytes_pruned=size)


def versions(_: None, call: Call) -> answers.VersionsAnswer:
    link = [answers.Link(rel="self", href=call.request.link("/v2/"))]
    rows = [
        answers.ApiVersion(id=v, status="CURRENT" if v == VERSIONS[0] else "SUPPORTED", links=link) for v in VERSIONS
    ]
    return answers.VersionsAnswer(versions=rows)


def schema(found: dict[str, Any]) -> Callable[[None, Call], dict[str, Any]]:
    """A view that shows `found`."""
    return lambda _, call: found
