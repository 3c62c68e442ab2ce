# SPDX-License-Identifier: Apache-2.0
"""The image that a new simulated cloud begins with, so that the first machine needs nothing else: a boot sector that greets, in
place of the CirrOS that a devstack brings. A real machine boots it too."""

from __future__ import annotations

from virga.ground.act import Act
from virga.services.images import model, store, wire
from virga.services.images.actions import images
from virga.services.images.driver import Stores
from virga.services.images.intake import Intake

NAME = "tiny"
GREETING = b"Virga: this machine has no system, and boots.\r\n\0"
CODE = bytes.fromhex("31c0 8ed8 be 187c fc ac 84c0 74 06 b40e cd10 ebf5 f4 ebfd 9090")
"""Real mode at 0x7c00: print what stands behind the code (0x7c18), letter by letter by the BIOS; then halt, for ever."""


def boot_sector() -> bytes:
    """512 bytes that a BIOS starts."""
    return (CODE.ljust(0x18, b"\x90") + GREETING).ljust(510, b"\0") + b"\x55\xaa"


def first(act: Act) -> str | None:
    """The image, public, in the default store: its id. None when this cloud has had an image before, or keeps them elsewhere than in
    its folder or memory."""
    stores = act.use(Stores)
    if store.any_ever(act.tx) or stores.default.type != "file":
        return None
    body = wire.CreateImage(name=NAME, disk_format="raw", container_format="bare", visibility="public", min_disk=1)
    image, data = images.create(act, body), boot_sector()
    intake, key = Intake(len(data), ""), store.key(image.id, act.world.uuid())
    intake.take(data)
    writer = stores.default.blobs.create(key, len(data))
    writer.write(data)
    writer.commit()
    where = (store.c.id == image.id, store.c.status == model.QUEUED)
    keys_by_store = {stores.default.id: key}
    store.activate(
        act.tx,
        where,
        image.id,
        stored=intake.finish(),
        detected="gpt",
        virtual=len(data),
        keys_by_store=keys_by_store,
        now=act.now(),
        mint=act.world.uuid,
    )
    return image.id
