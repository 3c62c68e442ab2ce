# SPDX-License-Identifier: Apache-2.0
"""What this service offers, what a project uses of it, and its tasks (which are shown, and made by imports only)."""

from __future__ import annotations

from typing import Any

from virga.authority.rules import allow, is_admin
from virga.ground.act import Act
from virga.ground.errors import Invalid, NotFound
from virga.ground.http.call import Call
from virga.ground.http.pages import Page, page_request, paginate
from virga.services.images import limits, model, policy, store, wire
from virga.services.images.actions.images import found, permit
from virga.services.images.driver import Store, Stores
from virga.services.images.settings import Images

TASK_KEYS = {
    "created_at": "created",
    "updated_at": "updated",
    "expires_at": "expires",
    "id": "id",
    "status": "status",
    "type": "type",
}


def methods(act: Act) -> list[str]:
    """GET /v2/info/import"""
    allow(act, policy.DISCOVER)
    return act.use(Images).import_methods


def stores(act: Act) -> list[Store]:
    """GET /v2/info/stores"""
    allow(act, policy.DISCOVER)
    return list(act.use(Stores).by_id.values())


def stores_detail(act: Act) -> list[Store]:
    """GET /v2/info/stores/detail"""
    allow(act, policy.STORES_DETAIL)
    return list(act.use(Stores).by_id.values())


def usage(act: Act) -> dict[str, tuple[int, int]]:
    """GET /v2/info/usage"""
    allow(act, policy.GET_USAGE)
    return limits.usage(act.tx, act.actor.project_id or "")


def image_tasks(act: Act, id: str) -> list[model.Task]:
    """GET /v2/images/{id}/tasks"""
    permit(act, policy.GET_IMAGE, found(act, act.tx, id))
    return store.TASKS.find(act.tx, store.TASKS.c.image_id == id, order=store.TASKS.c.created.desc())


def tasks(call: Call) -> Page[model.Task]:
    """GET /v2/tasks"""
    allow(call, policy.GET_TASKS)
    page = page_request(call, sortable=TASK_KEYS, default=(("created", "desc"),), most=1000)
    t, where = store.TASKS.c, []
    seen = None if is_admin(call.actor) else t.owner == (call.actor.project_id or "")
    for name in ("status", "type"):
        if name in call.query:
            where.append(t[name] == call.query.get(name))
    return paginate(
        store.TASKS.page(call.tx, *where, seen=seen, sort=page.sort, marker=page.marker, limit=page.limit + 1), page
    )


def task(act: Act, id: str) -> model.Task:
    """GET /v2/tasks/{id}. Raises NotFound."""
    allow(act, policy.GET_TASK)
    row = store.TASKS.get(act.tx, id)
    if row is None or (row.owner != act.actor.project_id and not is_admin(act.actor)):
        raise NotFound(f"Could not find task {id[:64]}")
    return row


def create_task(act: Act, body: wire.CreateTask) -> Any:
    """POST /v2/tasks: refused. Its input was a way round every check that an import makes. Raises Invalid."""
    allow(act, policy.TASKS_ACCESS)
    raise Invalid(
        "Tasks are not created by request: import an image with POST /v2/images/{id}/import, and a task will say how it goes.",
        field="type",
    )


def delete_task(act: Act, id: str) -> None:
    """DELETE /v2/tasks/{id}: as upstream, tasks expire and are not deleted. Raises Invalid."""
    task(act, id)
    allow(act, policy.TASKS_ACCESS)
    raise Invalid(f"Task {id} is not deleted by request: it goes away when it expires.", field="id")
