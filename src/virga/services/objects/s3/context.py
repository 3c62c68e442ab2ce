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
from virga.services.objects.desk import Desk
from virga.services.objects.exchange import LAST, Ask, count_of
from virga.services.objects.s3 import rights
from virga.services.objects.s3.chunked import Body
from virga.services.objects.s3.errors import Node, S3Error, parse
from virga.services.objects.s3.sign import Signed
from virga.services.objects.store import places
from virga.services.objects.swift.entry import Entry
from virga.services.objects.swift.objects import Objects


async def find(desk: Desk, project: str | None, bucket: str) -> model.Container | None:
    """The bucket of that name: the caller's own container, else the one that S3 gave the name to."""

    def read(tx: Any) -> model.Container | None:
        if project:
            own = places.container_row(tx, model.account_of(project), bucket)
            if own is not None:
                return own
        return places.bucket(tx, bucket)

    return await desk.commits.read(read)


@dataclass(slots=True)
class Context:
    """A request, who signed it, and the bucket that its name means to that signer: the two are made together (`of`, `signed_by`), since
    one name may be a container of several accounts."""

    desk: Desk
    swift: Objects
    ask: Ask
    signed: Signed
    name: str
    row: model.Container | None
    key: str | None

    @classmethod
    async def of(
        cls,
        desk: Desk,
        swift: Objects,
        ask: Ask,
        signed: Signed,
        bucket: str | None,
        key: str | None,
        *,
        there: bool = True,
    ) -> Context:
        """The request as its signer means it; `there`: the bucket is looked for. Raises AccessDenied where its owner is not the one that
        x-amz-expected-bucket-owner names."""
        row = await find(desk, signed.actor.project_id, bucket) if bucket is not None and there else None
        expected = ask.headers.get("x-amz-expected-bucket-owner")
        if expected is not None and row is not None and expected != model.project_of(row.account):
            raise S3Error("AccessDenied", "The bucket's owner is not the one that was expected.")
        ask.notes["bucket"] = row
        return cls(desk, swift, ask, signed, bucket or "", row, key)

    async def signed_by(self, signed: Signed, ask: Ask, key: str) -> Context:
        """The request whose signature was found within the body; `ask` is what it then says. Raises AccessDenied."""
        found = await Context.of(self.desk, self.swift, self.ask, signed, self.name, key)
        found.ask = ask
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
        """The same caller at Swift's door, for the segments of large objects."""
        return Entry(self.desk, self.signed.actor, self.own)

    def allow(self, action: str, key: str | None = None, o: model.Object | None = None, **facts: Any) -> None:
        rights.allow(self.desk, self.ask, self.signed.actor, self.bucket, action, key, o, **facts)

    def bypass(self) -> bool:
        """Whether the request may pass over governance retention, as it asks to."""
        if self.ask.header("x-amz-bypass-governance-retention").lower() != "true":
            return False
        self.allow("s3:BypassGovernanceRetention", self.key)
        return True

    def body(self, also: str = "", *, plain_md5: bool = False) -> Body:
        return Body(self.ask.body().__aiter__(), self.signed, self.ask.headers, also, plain_md5)

    @property
    def length(self) -> int | None:
        if self.signed.payload.startswith("STREAMING-"):
            length = count_of(self.ask.header("x-amz-decoded-content-length"), LAST)
            if length is None:
                raise S3Error("MissingContentLength")
            return length
        return self.ask.length

    async def tree(self, raw: bytes, root: str) -> Node:
        """A document that was read. Long ones are parsed in a thread. Raises MalformedXML."""
        if len(raw) <= limits.OFF_LOOP:
            return parse(raw, root)
        return await asyncio.get_running_loop().run_in_executor(self.desk.threads, parse, raw, root)

    async def form(self, root: str) -> Node:
        """The body as the document `root`. Raises MalformedXML."""
        return await self.tree(await self.document(limits.DOCUMENTS[root].bytes), root)

    async def document(self, most: int = limits.DOCUMENT, *, whole_sum: bool = True) -> bytes:
        """A short body, checked against what was signed and against Content-MD5. Without `whole_sum` the checksums of the headers speak
        of something else than the body."""
        got, size = [], 0
        headers = (
            self.ask.headers
            if whole_sum
            else {k: v for k, v in self.ask.headers.items() if not k.startswith("x-amz-checksum-")}
        )
        async for chunk in Body(self.ask.body().__aiter__(), self.signed, headers):
            size += len(chunk)
            if size > most:
                raise S3Error("MaxMessageLengthExceeded")
            got.append(chunk)
        raw = b"".join(got)
        md5 = content_md5(self.ask)
        if md5 is not None and md5 != hashlib.md5(raw, usedforsecurity=False).hexdigest():
            raise S3Error("BadDigest")
        return raw


def content_md5(ask: Ask) -> str | None:
    """Content-MD5 as hex. Raises InvalidDigest."""
    text = ask.headers.get("content-md5")
    if text is None:
        return None
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise S3Error("InvalidDigest") from None
    if len(raw) != 16:
        raise S3Error("InvalidDigest")
    return raw.hex()
