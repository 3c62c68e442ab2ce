# SPDX-License-Identifier: Apache-2.0
"""An image in `x-image-meta-*` headers, as Glance v1 reads and writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from virga.ground.errors import Forbidden, Invalid
from virga.ground.world import iso
from virga.services.images import model, wire
from virga.services.images.v1 import answers
from virga.services.images.v1.answers import META, PROPERTY

TEXT = ("name", "disk_format", "container_format", "owner", "id")
WHOLE = ("min_disk", "min_ram")
TOLD = frozenset(
    {
        "size",
        "checksum",
        "status",
        "created_at",
        "updated_at",
        "deleted",
        "deleted_at",
        "store",
        "location",
        "virtual_size",
        "uri",
    }
)
YES, NO = {"true", "1", "yes", "on", "t", "y"}, {"false", "0", "no", "off", "f", "n", "", "none"}


class Described(msgspec.Struct):
    """What the headers said; `given` names what was there."""

    fields: dict[str, Any]
    properties: dict[str, str]
    copy_from: str | None = None
    location: str | None = None
    size: int | None = None
    checksum: str | None = None


def read(headers: Mapping[str, str]) -> Described:
    """Raises Invalid with the header's name."""
    out = Described({}, {})
    for header, raw in headers.items():
        if header == "x-glance-api-copy-from":
            out.copy_from = raw
        if not header.startswith(META):
            continue
        try:
            value = raw.encode("latin-1").decode().strip()
        except UnicodeDecodeError:
            raise Invalid(f"The header {header[:80]} is not UTF-8", field=header) from None
        if header.startswith(PROPERTY):
            out.properties[header.removeprefix(PROPERTY).replace("-", "_")] = value
        else:
            _field(out, header.removeprefix(META).replace("-", "_"), value, header)
    return out


def _field(out: Described, name: str, value: str, header: str) -> None:
    if name in TEXT:
        out.fields[name] = value or None
    elif name in WHOLE or name == "size":
        if value and not (value.isascii() and value.isdigit() and len(value) < 19):
            raise Invalid(f"Invalid value '{value[:40]}' for the header {header}: not a whole number", field=header)
        if name == "size":
            out.size = int(value) if value else None
        else:
            out.fields[name] = int(value or 0)
    elif name in {"is_public", "protected", "deleted"}:
        if value.lower() not in YES | NO:
            raise Invalid(f"Invalid value '{value[:40]}' for the header {header}: not a boolean", field=header)
        yes = value.lower() in YES
        if name == "is_public":
            out.fields["visibility"] = "public" if yes else "shared"
        elif name == "protected":
            out.fields["protected"] = yes
    elif name == "copy_from":
        out.copy_from = value
    elif name == "location":
        out.location = value
    elif name == "checksum":
        out.checksum = value.lower() or None
    elif name == "property":
        raise Invalid(f"The header {header} names no property", field=header)
    elif name not in TOLD:
        raise Forbidden(f"The header {header[:80]} is not one of an image", field=header)


def shape(declared: Described) -> wire.CreateImage:
    """The same, as v2 takes it. A name that is not there stays empty, as in v1."""
    body = {k: v for k, v in declared.fields.items() if v is not None} | declared.properties
    from virga.ground import wire as ground

    made = ground.decode(wire.CreateImage, msgspec.json.encode(body))
    assert isinstance(made, wire.CreateImage)
    return made


STATUS = {model.UPLOADING: "queued", model.IMPORTING: "saving", model.DEACTIVATED: "deactivated"}


def meta(i: model.Image) -> answers.V1Image:
    """An image as v1's JSON has it."""
    return answers.V1Image(
        id=i.id,
        name=i.name,
        status=STATUS.get(i.status, i.status),
        is_public=i.visibility == "public",
        disk_format=i.disk_format,
        container_format=i.container_format,
        size=i.size or 0,
        virtual_size=i.virtual_size,
        checksum=i.checksum,
        owner=i.owner,
        min_disk=i.min_disk,
        min_ram=i.min_ram,
        protected=i.protected,
        deleted=False,
        deleted_at=None,
        created_at=_when(i.created),
        updated_at=_when(i.updated),
        properties=i.properties,
    )


def document(i: model.Image) -> answers.V1ImageAnswer:
    """The answer to a write."""
    return answers.V1ImageAnswer(image=meta(i))


def _when(seconds: float) -> str:
    return iso(seconds).removesuffix("Z") + ".000000"


def written(i: model.Image) -> dict[str, str]:
    """The image in headers; what is empty is left out."""
    rows = msgspec.structs.asdict(meta(i))
    out = {META + k: str(v) for k, v in rows.items() if v is not None and k != "properties"}
    out |= {PROPERTY + k: str(v) for k, v in i.properties.items() if k.isascii() and k.isprintable() and ":" not in k}
    return {k: v.encode().decode("latin-1") for k, v in out.items()}
