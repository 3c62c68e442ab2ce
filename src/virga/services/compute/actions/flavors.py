# SPDX-License-Identifier: Apache-2.0
"""Flavors."""

from __future__ import annotations

import re
from typing import Any

from virga.authority.rules import allow, is_admin
from virga.ground.act import Act
from virga.ground.errors import Conflict, Invalid, NotFound
from virga.ground.http.call import Call
from virga.ground.http.pages import Page, page_request, paginate
from virga.services.compute import model, policy, store, wire

SPEC_KEY = re.compile(r"[a-zA-Z0-9_:. -]{1,255}")
SORTABLE = {
    "flavorid": "id",
    "id": "id",
    "name": "name",
    "memory_mb": "ram",
    "ram": "ram",
    "vcpus": "vcpus",
    "root_gb": "disk",
    "disk": "disk",
    "swap": "swap",
    "ephemeral_gb": "ephemeral",
    "created_at": "created",
    "is_public": "is_public",
    "rxtx_factor": "rxtx_factor",
}


def found(act: Act, id: str) -> model.Flavor:
    """The flavor, if the caller may see it. Raises NotFound."""
    flavor = store.FLAVORS.get(act.tx, id)
    if flavor is None or (not flavor.is_public and not is_admin(act.actor)):
        raise NotFound(f"Flavor {id[:64]} could not be found.")
    return flavor


def usable(act: Act, id: str) -> model.Flavor:
    """The flavor that a server asks for. Raises Invalid."""
    try:
        return found(act, id)
    except NotFound as e:
        raise Invalid(e.message, field="flavorRef") from None


def _whole(value: Any, field: str, low: int = 0) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise Invalid(
            f"Invalid input for field '{field}': '{str(value)[:40]}' is not a whole number", field=field
        ) from None
    if not low <= number <= 2**31 - 1:
        raise Invalid(f"Invalid input for field '{field}': {number} is not between {low} and {2**31 - 1}", field=field)
    return number


def create(act: Act, body: wire.CreateFlavor) -> model.Flavor:
    """POST /flavors. Raises Invalid, Conflict."""
    allow(act, policy.FLAVORS_CREATE)
    id = str(body.id) if body.id not in (None, "auto", "") else act.world.uuid()
    if not 1 <= len(id) <= 255 or id != id.strip() or "/" in id:
        raise Invalid("Invalid input for field 'id': 1 to 255 characters without a slash or outer blanks", field="id")
    if store.FLAVORS.get(act.tx, id) is not None:
        raise Conflict(f"Flavor with ID {id} already exists.")
    name = body.name.strip()
    if store.FLAVORS.by(act.tx, name=name) is not None:
        raise Conflict(f"Flavor with name {name} already exists.")
    try:
        factor = float(body.rxtx_factor)
    except ValueError:
        raise Invalid("Invalid input for field 'rxtx_factor': a number is needed", field="rxtx_factor") from None
    return store.FLAVORS.insert(
        act.tx,
        id=id,
        name=name,
        vcpus=_whole(body.vcpus, "vcpus", 1),
        ram=_whole(body.ram, "ram", 1),
        disk=_whole(body.disk, "disk"),
        ephemeral=_whole(body.ephemeral, "OS-FLV-EXT-DATA:ephemeral"),
        swap=_whole(body.swap, "swap"),
        rxtx_factor=factor,
        is_public=wire.true(body.is_public),
        description=body.description,
        extra_specs={},
        created=act.now(),
    )


def show(act: Act, id: str) -> model.Flavor:
    """GET /flavors/{id}"""
    return found(act, id)


def index(call: Call) -> Page[model.Flavor]:
    """GET /flavors and /flavors/detail"""
    page = page_request(call, sortable=SORTABLE, default=(("id", "asc"),), most=1000, default_way="asc")
    q, c = call.query, store.FLAVORS.c
    if not call.query.items:
        return paginate(store.FLAVORS.every(call.tx, ("id",), page.limit + 1, is_public=True), page)
    where = []
    public = q.get("is_public")
    if is_admin(call.actor) and public is not None:
        if public.lower() != "none":
            where.append(c.is_public.is_(bool(q.yes("is_public"))))
    elif not is_admin(call.actor) or public is None:
        where.append(c.is_public.is_(True))
    for name, column in (("minRam", c.ram), ("minDisk", c.disk)):
        least = q.whole(name)
        if least is not None:
            where.append(column >= least)
    seen = None if is_admin(call.actor) else c.is_public.is_(True)
    return paginate(
        store.FLAVORS.page(call.tx, *where, seen=seen, sort=page.sort, marker=page.marker, limit=page.limit + 1), page
    )


def update(act: Act, id: str, body: wire.UpdateFlavor) -> model.Flavor:
    """PUT /flavors/{id}: the description, since 2.55."""
    allow(act, policy.FLAVORS_UPDATE)
    found(act, id)
    store.FLAVORS.put(act.tx, id, description=body.description)
    return found(act, id)


def delete(act: Act, id: str) -> None:
    """DELETE /flavors/{id}: servers keep what they were made of."""
    allow(act, policy.FLAVORS_DELETE)
    found(act, id)
    store.FLAVORS.delete(act.tx, store.FLAVORS.c.id == id)


def extra_specs(act: Act, id: str) -> dict[str, str]:
    """GET /flavors/{id}/os-extra_specs"""
    allow(act, policy.SPECS_INDEX, project_id=act.actor.project_id)
    return found(act, id).extra_specs


def set_extra_specs(act: Act, id: str, body: wire.ExtraSpecs) -> dict[str, str]:
    """POST /flavors/{id}/os-extra_specs"""
    allow(act, policy.SPECS_CREATE)
    fresh = {k: str(v) for k, v in body.extra_specs.items()}
    act.tx.hold(f"changed:{id}")
    store.FLAVORS.put(act.tx, id, extra_specs=found(act, id).extra_specs | fresh)
    return fresh


def extra_spec(act: Act, id: str, key: str) -> dict[str, str]:
    """GET /flavors/{id}/os-extra_specs/{key}. Raises NotFound."""
    allow(act, policy.SPECS_SHOW, project_id=act.actor.project_id)
    specs = found(act, id).extra_specs
    if key not in specs:
        raise NotFound(f"Flavor {id} has no extra specs with key {key[:64]}.")
    return {key: specs[key]}


def set_extra_spec(act: Act, id: str, key: str, body: wire.ExtraSpec) -> dict[str, str | int | float]:
    """PUT /flavors/{id}/os-extra_specs/{key}: gives what was sent, as Nova does; a number is stored as text. Raises Invalid unless the
    body is one key, that of the path, with a text or a number."""
    allow(act, policy.SPECS_UPDATE)
    sent = body.extra
    if len(sent) != 1:
        raise Invalid(f"One extra spec is set at a time, the body has {len(sent)}.", field="body")
    if key not in sent:
        raise Invalid("Request body and URI mismatch", field="body")
    value = sent[key]
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise Invalid(f"Invalid input for field '{key[:64]}': a text or a number is needed", field=key[:64])
    if SPEC_KEY.fullmatch(key) is None or len(str(value)) > 255:
        raise Invalid(
            f"Invalid input for field '{key[:64]}': the key is 1 to 255 letters, digits, blanks or any of - _ : . and the value at "
            "most 255 characters",
            field=key[:64],
        )
    act.tx.hold(f"changed:{id}")
    store.FLAVORS.put(act.tx, id, extra_specs=found(act, id).extra_specs | {key: str(value)})
    return {key: value}


def delete_extra_spec(act: Act, id: str, key: str) -> None:
    """DELETE /flavors/{id}/os-extra_specs/{key}. Raises NotFound."""
    allow(act, policy.SPECS_DELETE)
    act.tx.hold(f"changed:{id}")
    specs = dict(found(act, id).extra_specs)
    if key not in specs:
        raise NotFound(f"Flavor {id} has no extra specs with key {key[:64]}.")
    del specs[key]
    store.FLAVORS.put(act.tx, id, extra_specs=specs)
