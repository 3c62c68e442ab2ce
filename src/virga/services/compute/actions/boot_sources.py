# SPDX-License-Identifier: Apache-2.0
"""What a new server boots from: the image that is named, its kernel and initial RAM disk."""

from __future__ import annotations

from virga.authority.rules import is_admin
from virga.ground.act import Act
from virga.ground.errors import Invalid
from virga.services.compute import model, wire
from virga.services.identity import api as identity
from virga.services.images import api as images


def refuse_unsupported(body: wire.CreateServer) -> None:
    """What is asked for and not built yet is refused in words, never ignored. Raises Invalid."""
    if body.block_device_mapping or any(
        d.destination_type == "volume" or d.source_type in {"volume", "snapshot"} for d in body.block_device_mapping_v2
    ):
        raise Invalid(
            "Booting from volumes is not available in this cloud: there is no volume service yet.",
            field="block_device_mapping_v2",
        )
    if body.personality:
        raise Invalid("File injection (personality) is not available; use user_data.", field="personality")
    if body.trusted_image_certificates:
        raise Invalid(
            "Image signature certificates are not available in this cloud.", field="trusted_image_certificates"
        )


def _of_devices(body: wire.CreateServer) -> str:
    """The image that the mapped devices boot from; empty when none of them does."""
    for device in body.block_device_mapping_v2:
        if device.source_type == "image" and str(device.boot_index) == "0" and isinstance(device.uuid, str):
            return device.uuid
    return ""


def image_for(act: Act, body: wire.CreateServer, flavor: model.Flavor) -> images.ImageRef:
    """The image that `imageRef` or a mapped device names. Raises Invalid unless the caller sees it, it is active, and a machine of the
    flavor is large enough for it."""
    id = body.imageRef.rpartition("/")[2] or _of_devices(body)
    if not id:
        raise Invalid("Invalid imageRef provided: an image to boot from is needed.", field="imageRef")
    image = images.visible(act.tx, id, act.actor.project_id, is_admin(act.actor))
    if image is None:
        raise Invalid(f"Can not find requested image {id[:64]}", field="imageRef")
    if image.status != "active":
        raise Invalid(f"Image {image.id} is not active: it is {image.status}.", field="imageRef")
    if image.min_ram > flavor.ram:
        raise Invalid(
            f"Flavor's memory is too small for requested image: {flavor.ram} MiB, the image needs {image.min_ram} MiB.",
            field="flavorRef",
        )
    least = max(image.min_disk << 30, image.virtual_size)
    if flavor.disk and flavor.disk << 30 < least:
        raise Invalid(
            f"Flavor's disk is too small for requested image. Flavor disk is {flavor.disk << 30} bytes, image is {least} bytes.",
            field="flavorRef",
        )
    return image


def boot_of(act: Act, image: images.ImageRef) -> model.Boot:
    """What the server is made from, kept with it: its kernel and initial RAM disk too, where the image names them.
    Raises Invalid for one that the caller does not see or that is not active."""
    parts = {}
    for name in ("kernel_id", "ramdisk_id"):
        id = str(image.properties.get(name) or "")
        if id:
            part = images.visible(act.tx, id, act.actor.project_id, is_admin(act.actor))
            if part is None or part.status != "active":
                what = "does not exist" if part is None else f"is {part.status}"
                raise Invalid(f"Image {image.id} boots with {name} {id[:64]}, and that image {what}.", field="imageRef")
        parts[name] = id
    return model.Boot(
        format=image.format,
        disk_format=image.disk_format,
        container_format=image.container_format,
        min_disk=image.min_disk,
        min_ram=image.min_ram,
        properties=image.properties,
        kernel_id=parts["kernel_id"],
        ramdisk_id=parts["ramdisk_id"],
        roles=sorted(act.actor.roles),
        user_name=act.actor.user_name,
        project_name=identity.project_name(act.tx, act.actor.project_id or "")[0],
    )
