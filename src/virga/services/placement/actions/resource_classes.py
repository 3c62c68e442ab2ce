# SPDX-License-Identifier: Apache-2.0
"""Resource classes: what there can be inventory of."""

from __future__ import annotations

from virga.authority.rules import allow
from virga.ground.act import Act
from virga.ground.errors import Conflict, Invalid, NotFound
from virga.services.placement import model, policy, store, wire


def index(act: Act) -> list[str]:
    """GET /resource_classes: the standard ones, then those that somebody made."""
    allow(act, policy.LIST_CLASSES)
    made = store.CLASSES.find(act.tx, order=[store.CLASSES.c.created, store.CLASSES.c.name])
    return [*model.standard_classes(), *(row.name for row in made)]


def show(act: Act, name: str) -> str:
    """GET /resource_classes/{name}. Raises NotFound."""
    allow(act, policy.SHOW_CLASS)
    if name not in model.standard_classes() and store.CLASSES.by(act.tx, name=name) is None:
        raise NotFound(f"No such resource class {name[:80]}.")
    return name


def create(act: Act, body: wire.CreateClass) -> str:
    """POST /resource_classes. Raises Conflict."""
    allow(act, policy.CREATE_CLASS)
    if store.CLASSES.by(act.tx, name=body.name) is not None:
        raise Conflict(f"Conflicting resource class already exists: {body.name}")
    store.CLASSES.insert(act.tx, name=body.name, created=act.now())
    return body.name


def ensure(act: Act, name: str) -> tuple[str, bool]:
    """PUT /resource_classes/{name} (1.7): there is one from now on; says whether it is new. Raises Invalid."""
    allow(act, policy.UPDATE_CLASS)
    if model.CUSTOM.fullmatch(name) is None:
        raise Invalid(f"'{name[:80]}' does not match '^CUSTOM_[A-Z0-9_]+$'", field="name")
    if store.CLASSES.by(act.tx, name=name) is not None:
        return name, False
    store.CLASSES.insert(act.tx, name=name, created=act.now())
    return name, True


def rename(act: Act, name: str, body: wire.CreateClass) -> str:
    """PUT /resource_classes/{name} before 1.7. Raises Conflict."""
    allow(act, policy.UPDATE_CLASS)
    _custom(act, name, "update")
    if body.name != name and store.CLASSES.by(act.tx, name=body.name) is not None:
        raise Conflict(f"Resource class already exists: {body.name}")
    store.CLASSES.change(act.tx, store.CLASSES.c.name == name, name=body.name)
    store.INVENTORIES.change(act.tx, store.i.resource_class == name, resource_class=body.name)
    store.ALLOCATIONS.change(act.tx, store.a.resource_class == name, resource_class=body.name)
    return body.name


def delete(act: Act, name: str) -> None:
    """DELETE /resource_classes/{name}: a custom one of which there is no inventory. Raises Conflict."""
    allow(act, policy.DELETE_CLASS)
    _custom(act, name, "delete")
    users = store.INVENTORIES.every(act.tx, resource_class=name, limit=20)
    if users:
        raise Conflict(
            f"Error in delete resource class: Cannot delete resource class {name}. Class is in use in inventory of "
            f"{', '.join(row.provider_id for row in users)}.",
            blocking=[row.provider_id for row in users],
        )
    store.CLASSES.delete(act.tx, store.CLASSES.c.name == name)


def _custom(act: Act, name: str, verb: str) -> None:
    if name in model.standard_classes():
        raise Invalid(f"Cannot {verb} standard resource class {name}.", field="name")
    if store.CLASSES.by(act.tx, name=name) is None:
        raise NotFound(f"No such resource class {name[:80]}.")
