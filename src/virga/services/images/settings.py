# SPDX-License-Identifier: Apache-2.0
"""Images' settings."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

METHODS = ("glance-direct", "web-download", "copy-image", "glance-download")


class Images(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    stores: Annotated[
        list[str],
        Meta(
            description="Stores as 'id=kind:argument?weight=10&description=…', the default first; kinds: file:/folder, memory:, http:, "
            "rbd:pool?conf=/etc/ceph/ceph.conf&user=admin, s3:bucket?host=https://…&access_key=…&secret_key_file=…, "
            "swift:container?auth_address=https://…/v3&user=project:user&key_file=…; empty: one store in the state folder"
        ),
    ] = []
    max_bytes: Annotated[int, Meta(ge=1, description="The largest image that is taken")] = 1 << 40
    upload_idle: Annotated[int, Meta(ge=1, description="Seconds without a byte after which an upload is given up")] = (
        300
    )
    stage_seconds: Annotated[int, Meta(ge=1, description="How long staged bytes wait for their import")] = 86400
    import_methods: Annotated[list[str], Meta(description="Ways of importing that are offered")] = msgspec.field(
        default_factory=lambda: list(METHODS)
    )
    import_ports: Annotated[list[str], Meta(description="Ports that an import may fetch from")] = msgspec.field(
        default_factory=lambda: ["80", "443"]
    )
    import_allow: Annotated[
        list[str],
        Meta(
            description="Hosts ('mirror.corp', 'mirror.corp:8080', '10.1.0.0/16') that imports may reach although they are not public"
        ),
    ] = []
    convert_to: Annotated[
        str,
        Meta(pattern="^(|raw|qcow2|vmdk)$", description="Imports become this format; empty: they stay what they are"),
    ] = ""
    decompress: Annotated[bool, Meta(description="Imports that are gzip, xz, bzip2 or zip are unpacked")] = False
    require_format_match: Annotated[
        bool,
        Meta(
            description="Refuse bytes that are not of the declared format (what machines see is decided by the bytes in any case)"
        ),
    ] = True
    show_locations: Annotated[
        bool, Meta(description="Show and take the locations of an image's bytes in its record")
    ] = False
    trusted_certificates: Annotated[
        str,
        Meta(
            description="Folder of certificates (PEM, named by their id) that images' signatures are checked with; empty: signed images are refused"
        ),
    ] = ""
    cache_bytes: Annotated[
        int, Meta(ge=0, description="How much a node keeps of images that no machine uses; 0: nothing is bounded")
    ] = 20 << 30
