# SPDX-License-Identifier: Apache-2.0
"""A request to S3 as its handlers see it."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Any

from virga.services.objects import model
from virga.services.objects.desk import Desk
from virga.services.objects.exchange import Ask
from virga.services.objects.s3 import rights
from virga.services.objects.s3.chunked import Body
from virga.services.objects.s3.errors import S3Error
from virga.services.objects.s3.sign import Signed
from virga.services.objects.swift.entry import Entry
from virga.services.objects.swift.objects import Objects

MAX_XML = 2 << 20


@dataclass(slots=True)
class Context:
    desk: Desk
    swift: Objects
    ask: Ask
    signed: Signed
    name: str
    row: model.Container | None
    key: str | None

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
            text = self.ask.header("x-amz-decoded-content-length")
            if not text.isdecimal() or len(text) > 15:
                raise S3Error("MissingContentLength")
            return int(text)
        return self.ask.length

    async def document(self, most: int = MAX_XML, *, whole_sum: bool = True) -> bytes:
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
