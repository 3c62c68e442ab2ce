# SPDX-License-Identifier: Apache-2.0
"""Images of servers: createImage and createBackup. The record of the image and the saga that fills it are written here; the caller
has the image's id at once."""

from __future__ import annotations

from virga.authority.rules import Rule
from virga.ground.act import Act
from virga.ground.errors import Conflict, Forbidden, Invalid
from virga.ground.http.call import Call
from virga.ground.sagas import start as start_saga
from virga.services.compute import limits, model, policy, store, wire
from virga.services.compute.actions import names, server_lookup
from virga.services.images import api as images

NOT_INHERITED = frozenset(
    {
        "cache_in_nova",
        "bittorrent",
        "img_signature",
        "img_signature_hash_method",
        "img_signature_key_type",
        "img_signature_certificate_uuid",
        "cinder_encryption_key_id",
        "cinder_encryption_key_deletion_policy",
        "os_hash_algo",
        "os_hash_value",
    }
)
"""What is true of the bytes of an image and not of those of its copy (Nova: non_inheritable_image_properties)."""


def create_image(call: Call, id: str, body: wire.CreateImage) -> tuple[str, bool]:
    """createImage: the server's disk as it is now becomes an image. Gives the image's id."""
    name, checked = names.printable(body.name), call.version < (2, 39)
    server = _snapshotable(call, id, policy.SERVERS_IMAGE, "createImage", body.metadata if checked else {})
    return _begin(call, server, name, {"image_type": "snapshot"} | body.metadata, "createImage", None), True


def create_backup(call: Call, id: str, body: wire.CreateBackup) -> tuple[str, bool]:
    """createBackup: an image of which the newest `rotation` of its kind are kept. Gives the image's id, and whether it will stay.
    Raises Invalid."""
    name = names.printable(body.name)
    try:
        rotation = int(body.rotation)
    except ValueError:
        rotation = -1
    if rotation < 0:
        raise Invalid("Invalid input for field 'rotation': a whole number from 0 on is needed", field="rotation")
    checked = body.metadata if call.version < (2, 39) else {}
    server = _snapshotable(call, id, policy.SERVERS_BACKUP, "createBackup", checked)
    extra = {"image_type": "backup", "backup_type": body.backup_type} | body.metadata
    return _begin(call, server, name, extra, "createBackup", {"kind": body.backup_type, "keep": rotation}), rotation > 0


def _snapshotable(act: Act, id: str, rule: Rule, action: str, metadata: dict[str, str]) -> model.Server:
    """The server if an image can be made of it now. A lock does not hinder: nothing of the server changes (as in Nova)."""
    server = server_lookup.readable(act, id, rule)
    most = limits.metadata_items(act.tx, server.project_id)
    if len(metadata) > most:
        raise Forbidden(f"Image metadata limit exceeded: at most {most} items", limit="metadata_items")
    if server.vm_state not in model.SNAPSHOT_FROM or server.task_state is not None or server.host is None:
        what = f"task_state {server.task_state}" if server.task_state is not None else f"vm_state {server.vm_state}"
        raise Conflict(f"Cannot '{action}' instance {id} while it is in {what}")
    return server


def _begin(
    act: Act, server: model.Server, name: str, extra: dict[str, str], action: str, backup: dict[str, object] | None
) -> str:
    own = act.actor.project_id == server.project_id or act.actor.project_id is None
    boot, image, now = store.boot(server), act.world.uuid(), act.now()
    owner = act.actor.project_id or server.project_id
    saga = start_saga(
        act.tx,
        act.registry,
        "compute.create_image",
        {"server": server.id, "image": image, "action": action, "backup": backup, "owner": owner},
        exclusive=f"server:{server.id}",
        request_id=act.request_id,
    )
    properties = {k: v for k, v in boot.properties.items() if k not in NOT_INHERITED}
    properties |= {
        "base_image_ref": server.image_id or "",
        "boot_roles": ",".join(boot.roles),
        "owner_user_name": boot.user_name,
        "owner_project_name": boot.project_name,
        "image_location": "snapshot",
        "image_state": "available",
        "owner_id": server.project_id,
        "instance_uuid": server.id,
        "user_id": act.actor.user_id,
    }
    properties |= {k: v for k, v in (("kernel_id", boot.kernel_id), ("ramdisk_id", boot.ramdisk_id)) if v}
    if not own:
        properties["instance_owner"] = server.project_id
    images.begin_snapshot(
        act,
        image,
        saga,
        name=name,
        owner=owner,
        member=None if own else server.project_id,
        extra=properties | extra,
        min_disk=max(boot.min_disk, server.disk),
        min_ram=boot.min_ram,
    )
    store.begin(act.tx, server, action, act.request_id, act.actor.user_id, now)
    store.SERVERS.put(act.tx, server.id, task_state="image_snapshot_pending", saga_id=saga, updated=now)
    return image
