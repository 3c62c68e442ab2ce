# SPDX-License-Identifier: Apache-2.0
"""A request to S3 as its handlers see it."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Any

from virga.services.objects import limits, model
from virga.services.objects.context import ObjectContext
from virga.services.objects.http import LAST, Request, count_of
from virga.services.objects.s3 import rights
from virga.services.objects.s3.chunked import Body
from virga.services.objects.s3.errors import Node, S3Error, parse
from virga.services.objects.s3.sign import Signed
from virga.services.objects.store import containers
from virga.services.objects.swift.entry import Entry
from virga.services.objects.swift.objects import Objects


async def find(context: ObjectContext, project: str | None, bucket: str) -> model.Container | None:
    """The bucket of that name: the caller's own container, else the one that S3 gave the name to."""

    def read(tx: Any) -> model.Container | None:
        if project:
            own = containers.container_row(tx, model.account_of(project), bucket)
            if own is not None:
                return own
        return containers.bucket(tx, bucket)

    return await context.commits.read(read)


@dataclass(slots=True)
class S3Call:
    """A request, who signed it, and the bucket that its name means to that signer: the two are made together (`of`, `signed_by`), since
    one name may be a container of several accounts."""

    context: ObjectContext
    swift: Objects
    request: Request
    signed: Signed
    name: str
    row: model.Container | None
    key: str | None

    @classmethod
    async def of(
        cls,
        context: ObjectContext,
        swift: Objects,
        request: Request,
        signed: Signed,
        bucket: str | None,
        key: str | None,
        *,
        there: bool = True,
    ) -> S3Call:
        """The request as its signer means it; `there`: the bucket is looked for. Raises AccessDenied where its owner is not the one that
        x-amz-expected-bucket-owner names."""
        row = await find(context, signed.actor.project_id, bucket) if bucket is not None and there else None
        expected = request.headers.get("x-amz-expected-bucket-owner")
        if expected is not None and row is not None and expected != model.project_of(row.account):
            raise S3Error("AccessDenied", "The bucket's owner is not the one that was expected.")
        request.notes["bucket"] = row
        return cls(context, swift, request, signed, bucket or "", row, key)

    async def signed_by(self, signed: Signed, request: Request, key: str) -> S3Call:
        """The request whose signature was found within the body; `request` is what it then says. Raises AccessDenied."""
        found = await S3Call.of(self.context, self.swift, self.request, signed, self.name, key)
        found.request = request
        return found

    @property
    def bucket(self) -> model.Container:
        if self.row is None:
            raise S3Error("NoSuchBucket", BucketName=self.name)
        return self.row

    @property
    def path(self) -> str:
        assert self.key is not None
        return self.key

    @property
    def own(self) -> str:
        """The caller's account."""
        return model.account_of(self.signed.actor.project_id) if self.signed.actor.project_id else ""

    def entry(self) -> Entry:
        """The same caller at Swift's API, for the segments of large objects."""
        return Entry(self.context, self.signed.actor, self.own)

    def allow(self, action: str, key: str | None = None, o: model.Object | None = None, **facts: Any) -> None:
        rights.allow(self.context, self.request, self.signed.actor, self.bucket, action, key=key, o=o, **facts)

    def bypass(self) -> bool:
        """Whether the request may pass over governance retention, as it asks to."""
        if self.request.header("x-amz-bypass-governance-retention").lower() != "true":
            return False
        self.allow("s3:BypassGovernanceRetention", self.key)
        return True

    def body(self, also: str = "", *, plain_md5: bool = False) -> Body:
        return Body(self.request.body().__aiter__(), self.signed, self.request.headers, also, plain_md5)

    @property
    def length(self) -> int | None:
        if self.signed.payload.startswith("STREAMING-"):
            length = count_of(self.request.header("x-amz-decoded-content-length"), LAST)
            if length is None:
                raise S3Error("MissingContentLength")
            return length
        return self.request.length

    async def tree(self, raw: bytes, root: str) -> Node:
        """A document that was read. Long ones are parsed in a thread. Raises MalformedXML."""
        if len(raw) <= limits.OFF_LOOP:
            return parse(raw, root)
        return await asyncio.get_running_loop().run_in_executor(self.context.threads, parse, raw, root)

    async def form(self, root: str) -> Node:
        """The body as the document `root`. Raises MalformedXML."""
        return await self.tree(await self.document(limits.DOCUMENTS[root].bytes), root)

    async def document(self, most: int = limits.DOCUMENT, *, whole_sum: bool = True) -> bytes:
        """A short body, checked against what was signed and against Content-MD5. Without `whole_sum` the checksums of the headers speak
        of something else than the body."""
        got, size = [], 0
        headers = (
            self.request.headers
            if whole_sum
            else {k: v for k, v in self.request.headers.items() if not k.startswith("x-amz-checksum-")}
        )
        async for chunk in Body(self.request.body().__aiter__(), self.signed, headers):
            size += len(chunk)
            if size > most:
                raise S3Error("MaxMessageLengthExceeded")
            got.append(chunk)
        raw = b"".join(got)
        md5 = content_md5(self.request)
        if md5 is not None and md5 != hashlib.md5(raw, usedforsecurity=False).hexdigest():
            raise S3Error("BadDigest")
        return raw


def content_md5(request: Request) -> str | None:
    """Content-MD5 as hex. Raises InvalidDigest."""
    text = request.headers.get("content-md5")
    if text is None:
        return None
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise S3Error("InvalidDigest") from None
    if len(raw) != 16:
        raise S3Error("InvalidDigest")
    return raw.hex()
