# SPDX-License-Identifier: Apache-2.0
"""Where an image's bytes lie. By setting only, and never at a place of this machine: what is taken is an address of the web."""

from __future__ import annotations

from typing import Any

import msgspec

from virga.authority.rules import allow, may
from virga.ground import wire as ground_wire
from virga.ground.act import Act
from virga.ground.errors import Conflict, Forbidden, Invalid, NotFound, OverQuota
from virga.ground.http.call import Answer, Call
from virga.ground.wire import UNSET
from virga.services.images import events, model, policy, store, wire
from virga.services.images.actions import imports
from virga.services.images.actions.images import found, permit
from virga.services.images.driver import Store, Stores
from virga.services.images.fetch import Guard
from virga.services.images.intake import ALGORITHM
from virga.services.images.settings import Images

MOST, MANY = 10, 64
"""How many places an image is put at by hand (Glance's image_location_quota), and how many one list of them names."""
LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}


def index(act: Act, id: str) -> list[model.Location]:
    """GET /v2/images/{id}/locations: for services."""
    found(act, act.tx, id)
    allow(act, policy.FETCH_IMAGE_LOCATION)
    return store.locations(act.tx, id)


def add(call: Call, id: str, body: wire.AddLocation) -> Answer:
    """POST /v2/images/{id}/locations: the bytes are read once, looked at and hashed; then the image is active where it lies.
    Raises Conflict."""
    place = _place(call, body.url)
    known: dict[str, str] = {}
    declared = _hash(body.validation_data)
    if declared is not None:
        known = {"algorithm": declared[0], "value": declared[1]}
    with call.db.write() as tx:
        call.open = tx
        try:
            image = found(call, tx, id)
            if image.status != model.QUEUED:
                raise Conflict(f"It's not allowed to add locations if image status is {image.status}.")
            permit(call, policy.ADD_IMAGE_LOCATION, image)
            imports._state(image, imports.LOCATION)
            shown = {"image_id": id, "loc_url": body.url, "validation_data": known}
            imports.begin(call, image, imports.LOCATION, shown, [], url=body.url, store=place.id, known=known)
        finally:
            call.open = None
    return Answer(code=202)


def _place(act: Act, url: str) -> Store:
    web = next((s for s in act.use(Stores).by_id.values() if s.type == "http"), None)
    if url.partition(":")[0].lower() not in {"http", "https"}:
        raise Invalid(f"Invalid location {url[:80]}: only http and https addresses are taken", field="url")
    if web is None:
        raise Forbidden("http store must be enabled to use location API by normal user.", field="url")
    Guard(act.use(Images)).read(url)
    return web


def _hash(validation: wire.Validation | None) -> tuple[str, str] | None:
    """Algorithm and value, if they are said and the value has the form of its algorithm."""
    if validation is None or (validation.os_hash_algo is UNSET and validation.os_hash_value is UNSET):
        return None
    algorithm, value = validation.os_hash_algo, validation.os_hash_value
    if not isinstance(algorithm, str) or not isinstance(value, str):
        raise Invalid("validation_data needs os_hash_algo and os_hash_value together", field="validation_data")
    if any(c not in "0123456789abcdefABCDEF" for c in value):
        raise Invalid(f"os_hash_value ({value[:40]}) is not a valid hexadecimal value", field="os_hash_value")
    if len(value) != LENGTHS[algorithm]:
        want = LENGTHS[algorithm] // 2
        raise Invalid(
            f"os_hash_value is not the correct size for {algorithm} (should be {want} bytes)", field="os_hash_value"
        )
    return algorithm, value.lower()


def patch(act: Act, image: model.Image, verb: str, at: str | None, value: Any) -> None:
    """`/locations` in a PATCH: add one (`/locations/-`), replace all, remove one. Only where the setting shows locations.
    Raises Forbidden, Conflict, Invalid."""
    if not act.use(Images).show_locations:
        raise Forbidden("It's not allowed to update locations if locations are invisible.", field="locations")
    permit(act, policy.DELETE_IMAGE_LOCATION if verb == "remove" else policy.SET_IMAGE_LOCATION, image)
    rows = store.locations(act.tx, image.id)
    if verb == "remove":
        _remove(act, image, rows, at)
        return
    if image.status not in {model.ACTIVE, model.QUEUED}:
        raise Conflict(f"It's not allowed to change locations if image status is {image.status}.")
    values = value if verb == "replace" else [value]
    if not isinstance(values, list) or (verb == "replace" and not values):
        raise Forbidden("Cannot set locations to empty list.", field="locations")
    if len(values) > MANY:
        raise Invalid(f"Invalid input for field 'locations': {len(values)} of them, at most {MANY}", field="locations")
    shapes = [ground_wire.decode(wire.OldLocation, msgspec.json.encode(v)) for v in values]
    declared = [s for s in shapes if isinstance(s, wire.OldLocation)]
    if verb == "replace" and image.status == model.ACTIVE:
        _again(act, rows, declared)
    else:
        _take(act, image, [] if verb == "replace" else rows, declared)


def _again(act: Act, rows: list[model.Location], declared: list[wire.OldLocation]) -> None:
    """The same places with other words about them: bytes are neither added nor dropped by a replace."""
    stores = act.use(Stores)
    urls = {stores.by_id[r.store].blobs.url(r.key): r for r in rows if r.store in stores.by_id}
    if sorted(urls) != sorted(s.url for s in declared):
        raise Invalid(
            "Original locations must be kept when they are replaced: only their metadata can change.", field="locations"
        )
    for shape in declared:
        store.LOCATIONS.put(act.tx, urls[shape.url].id, meta={k: v for k, v in shape.metadata.items() if k != "store"})


def _take(act: Act, image: model.Image, rows: list[model.Location], new: list[wire.OldLocation]) -> None:
    place: Store | None = None
    known: dict[str, Any] = {}
    if len(rows) + len(new) > MOST:
        raise OverQuota(
            f"The limit has been exceeded on the number of allowed image locations. Attempted: {len(rows) + len(new)}, Maximum: {MOST}"
        )
    for shape in new:
        place = _place(act, shape.url)
        if any(r.key == shape.url for r in rows):
            raise Invalid(f"The location {shape.url[:80]} is already there", field="locations")
        if shape.validation_data is not None:
            known |= _known(image, shape.validation_data, known)
    assert place is not None
    if not rows:
        store.LOCATIONS.delete(act.tx, store.LOCATIONS.c.image_id == image.id)
    now = act.now()
    for n, shape in enumerate(new):
        store.LOCATIONS.insert(
            act.tx,
            id=act.world.uuid(),
            image_id=image.id,
            store=place.id,
            key=shape.url,
            meta={k: v for k, v in shape.metadata.items() if k != "store"},
            created=now + n / 1e6,
        )
    change = known | {"stores": sorted({*(r.store for r in rows), place.id}), "updated": now}
    if image.status == model.QUEUED:
        change |= {"status": model.ACTIVE, "reason": None}
        act.emit(events.ImageActive(image_id=image.id))
    store.IMAGES.put(act.tx, image.id, **change)


def _known(image: model.Image, declared: wire.Validation, before: dict[str, Any]) -> dict[str, Any]:
    """What the caller says the bytes hash to; it must not contradict what is known."""
    try:
        both = _hash(declared)
    except Invalid as e:
        raise Conflict(e.message) from None
    if both is None:
        return {}
    new = {"os_hash_algo": both[0], "os_hash_value": both[1]} | (
        {"checksum": declared.checksum} if declared.checksum else {}
    )
    current = {k: getattr(image, k) for k in new} | before
    for name, text in new.items():
        if current.get(name) not in {None, text}:
            raise Conflict(f"{name} is already set with a different value")
    if both[0] != ALGORITHM:
        raise Conflict(f"os_hash_algo must be {ALGORITHM}, not {both[0]}")
    if image.status != model.QUEUED and any(getattr(image, k) != v for k, v in new.items()):
        raise Conflict(f"New value(s) for {', '.join(new)} may only be provided when image status is 'queued'")
    return new


def _remove(act: Act, image: model.Image, rows: list[model.Location], at: str | None) -> None:
    if image.status != model.ACTIVE:
        raise Conflict(f"It's not allowed to remove locations if image status is {image.status}.")
    if len(rows) == 1:
        raise Forbidden("Cannot remove last location in the image.", field="locations")
    if at is None or not at.isdecimal() or int(at[:6]) >= len(rows):
        raise Invalid("Invalid position for removing a location.", field="path")
    _drop(act, image, rows, rows[int(at)])


def _drop(act: Act, image: model.Image, rows: list[model.Location], gone: model.Location) -> None:
    store.LOCATIONS.delete(act.tx, store.LOCATIONS.c.id == gone.id)
    left = [r.store for r in rows if r.id != gone.id]
    store.IMAGES.put(act.tx, image.id, stores=sorted(set(left)), updated=act.now())
    act.emit(events.ImageDeleted(image_id=image.id))  # wakes the sweeper: one copy's bytes are nobody's now


def delete_from_store(act: Act, store_id: str, id: str) -> None:
    """DELETE /v2/stores/{store}/{id}: one copy of the bytes. Raises Conflict, NotFound, Forbidden."""
    if store_id not in act.use(Stores).by_id:
        raise Conflict(f"The selected store {store_id[:64]} is not available on this node.")
    image = found(act, act.tx, id)
    if not may(act.actor, policy.DELETE_IMAGE_LOCATION, project_id=image.owner):
        permit(act, policy.DELETE_IMAGE_LOCATION, image)
    if image.status != model.ACTIVE:
        raise Conflict(
            f"It's not allowed to remove image data from store if image status is not 'active', but {image.status}."
        )
    rows = store.locations(act.tx, id)
    gone = next((r for r in rows if r.store == store_id), None)
    if gone is None:
        raise NotFound(f"Image {id} is not stored in store {store_id}.")
    if len(rows) == 1:
        raise Forbidden(
            "Cannot delete image data from the only store containing it. Consider deleting the image instead.",
            field="store",
        )
    _drop(act, image, rows, gone)
