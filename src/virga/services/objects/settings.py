# SPDX-License-Identifier: Apache-2.0
"""Objects' settings."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class Objects(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    store: Annotated[
        str, Meta(description="Where bodies lie: rados:POOL?conf=/etc/ceph/ceph.conf&user=admin; empty: files on disks")
    ] = ""
    disks: Annotated[
        list[str], Meta(description="Folders that hold bodies, one per disk; empty: objects in the state folder")
    ] = []
    inline_bytes: Annotated[
        int, Meta(ge=0, le=65536, description="Bodies up to this length lie in the database beside their row")
    ] = 8192
    verify_reads: Annotated[bool, Meta(description="Check each block's checksum before it is sent")] = True
    encrypt: Annotated[
        bool, Meta(description="Seal new bodies at rest with the first key of objects.keys in the state folder")
    ] = False
    max_file_size: Annotated[int, Meta(ge=1, description="The largest object of one upload, bytes")] = 5 * (1 << 30) + 2
    idle_seconds: Annotated[int, Meta(ge=1, description="Seconds without a byte after which a client is given up")] = 60
    gateway: Annotated[
        str,
        Meta(
            description="Address of a Ceph gateway (radosgw) that the catalogue names for Swift and S3, in place of our own doors; empty: ours"
        ),
    ] = ""
    s3_port: Annotated[int, Meta(ge=0, le=65535, description="A port where S3 alone answers; 0: only under /s3")] = 0
    s3_domain: Annotated[
        str, Meta(description="Names under this domain are buckets (virtual-host style): bucket.s3.example.com")
    ] = ""
    s3_sigv2: Annotated[bool, Meta(description="Also take S3 requests signed by signature version 2")] = False
    tempurl_sha1: Annotated[bool, Meta(description="Also take temporary URLs and forms signed with SHA-1")] = True
    read_only: Annotated[bool, Meta(description="Refuse every change")] = False
    domain: Annotated[
        str,
        Meta(
            description="Names under this domain are containers and accounts: container.AUTH-project.domain; empty: off"
        ),
    ] = ""
    cname_lookup: Annotated[
        bool, Meta(description="Follow one CNAME from a foreign Host into the domain (asks the machine's resolver)")
    ] = False
    sync_realms: Annotated[
        str, Meta(description="File of realms that containers may sync with (container-sync-realms.conf)")
    ] = ""
    sync_hosts: Annotated[
        list[str],
        Meta(
            description="Hosts (host, or host:port) that X-Container-Sync-To may name by a whole address; empty: only realms"
        ),
    ] = []
    sync_current: Annotated[str, Meta(description="This cloud's place in a realm, for /info: //realm/cluster")] = ""
    cors_allow_origin: Annotated[
        list[str], Meta(description="Origins that may read every container from a browser")
    ] = []
    ratelimit: Annotated[int, Meta(ge=0, description="Writes per second to one container; 0: no limit")] = 0
    audit_bytes: Annotated[int, Meta(ge=1, description="Bytes per second that the auditor reads")] = 20_000_000
    trash_seconds: Annotated[
        int,
        Meta(
            ge=0,
            description="Seconds that the bytes of a replaced or deleted object stay for those who are reading them",
        ),
    ] = 30
    orphan_seconds: Annotated[int, Meta(ge=0, description="Age at which a body without a row is removed")] = 86400
    lifecycle_day: Annotated[
        int,
        Meta(ge=1, description="Seconds that the life cycle of buckets counts as a day; less than 86400 is for trials"),
    ] = 86400
    replica: Annotated[
        str, Meta(description="A second store that every body is copied to: a folder, or rados:POOL?conf=…&user=…")
    ] = ""
    service_prefix: Annotated[
        str,
        Meta(
            description="Accounts of this prefix are a project's as well, opened only with a service's token beside the user's; empty: off"
        ),
    ] = "SERVICE_"
    service_roles: Annotated[
        list[str], Meta(description="Roles of which a service's token (X-Service-Token) must have one")
    ] = msgspec.field(default_factory=lambda: ["service"])
    open_expired: Annotated[
        bool, Meta(description="X-Open-Expired: true reads and changes an object past its time, until it is removed")
    ] = False
    etag_quoter: Annotated[
        bool,
        Meta(
            description="Accounts and containers may ask for Etags in quotes (X-Container-Rfc-Compliant-Etags), as the RFC has them"
        ),
    ] = False
    etag_quoter_default: Annotated[bool, Meta(description="With etag_quoter: quote where neither says anything")] = (
        False
    )
    policies: Annotated[list[str], Meta(description="Names of storage policies; the first is the default")] = (
        msgspec.field(default_factory=lambda: ["Policy-0"])
    )
    reseller_roles: Annotated[list[str], Meta(description="Roles that may do everything in every account")] = (
        msgspec.field(default_factory=lambda: ["ResellerAdmin"])
    )
