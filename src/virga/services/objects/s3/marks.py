# SPDX-License-Identifier: Apache-2.0
"""Tags and access lists of objects."""

from __future__ import annotations

from typing import Any

from virga.services.objects.http import Response
from virga.services.objects.s3 import grants, rights, tags, versions
from virga.services.objects.s3.call import S3Call
from virga.services.objects.s3.settings import requested_acl
from virga.services.objects.s3.versions import amend, named


async def get_tagging(c: S3Call) -> Response:
    o = await named(c, "s3:GetObjectTagging")
    out = tags.document(o.own("tags") or {})
    out.headers |= versions.headers(o, c.bucket)
    return out


async def put_tagging(c: S3Call) -> Response:
    found = tags.read(await c.form("Tagging"), tags.OF_OBJECT)
    o = await named(c, "s3:PutObjectTagging", tags=found)
    await amend(c, o, tags=found or None)
    return Response(200, versions.headers(o, c.bucket))


async def delete_tagging(c: S3Call) -> Response:
    o = await named(c, "s3:DeleteObjectTagging")
    await amend(c, o, tags=None)
    return Response(204, versions.headers(o, c.bucket))


async def get_acl(c: S3Call) -> Response:
    o = await named(c, "s3:GetObjectAcl")
    out = await grants.document(c.context, rights.owner_of(c.bucket, o), rights.grants_of(c.bucket, o))
    out.headers |= versions.headers(o, c.bucket)
    return out


async def put_acl(c: S3Call) -> Response:
    o = await named(c, "s3:PutObjectAcl")
    acl: Any = await requested_acl(c, rights.owner_of(c.bucket, o))
    await amend(c, o, acl=acl)
    return Response(200, versions.headers(o, c.bucket))
