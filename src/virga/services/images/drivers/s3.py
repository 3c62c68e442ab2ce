# SPDX-License-Identifier: Apache-2.0
"""Image bytes in S3, by botocore (the extra `s3`). What is longer than a part goes up in parts, one at a time, so that memory stays what
it is. The options are upstream's (`s3_store_*`). A bucket, or a prefix in it, belongs to one cloud."""

from __future__ import annotations

import contextlib
import errno
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from virga.services.images.drivers.remote import MARK, Opened, Pipe, foreign, resumed

MIB = 1 << 20
PARTS = 10_000
KEY = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}-[0-9a-f]{8}")
"""What is ours: an image's id and a write of it. Everything else in the place is somebody else's, and never touched."""
T = TypeVar("T")


@dataclass(frozen=True)
class Options:
    """How to reach the bucket; sizes are in MiB. What is longer than `large_object_size` goes up in parts; each upload holds as much as
    that, or as one part, in memory."""

    bucket: str
    host: str
    access_key: str
    secret_key: str
    region_name: str = "us-east-1"
    bucket_url_format: str = "path"
    create_bucket_on_put: bool = True
    large_object_size: int = 16
    large_object_chunk_size: int = 16
    cacert: str = ""


class Bucket:
    """The bucket, and botocore's client for it, which is made at the first use: start-up is quick, and the library may be missing."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._lock = threading.Lock()
        self._client: Any = None
        self._there = self._ours = False
        self.cloud: str | None = None

    def client(self) -> Any:
        with self._lock:
            if self._client is None:
                try:
                    import botocore.session
                    from botocore.config import Config
                except ImportError as e:
                    raise OSError(
                        errno.ENOENT, f"botocore is missing, which the store in S3 needs: install virga[s3] ({e})"
                    ) from e
                o = self.options
                config = Config(
                    signature_version="s3v4",
                    s3={"addressing_style": o.bucket_url_format},
                    retries={"max_attempts": 3, "mode": "standard"},
                    connect_timeout=10,
                    read_timeout=60,
                    max_pool_connections=32,
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                )
                self._client = botocore.session.Session().create_client(
                    "s3",
                    endpoint_url=o.host,
                    aws_access_key_id=o.access_key,
                    aws_secret_access_key=o.secret_key,
                    region_name=o.region_name,
                    verify=o.cacert or None,
                    config=config,
                )
            return self._client

    def call(self, act: Callable[[Any], T]) -> T:
        """What `act` gives of the client. Raises FileNotFoundError, OSError."""
        client = self.client()
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return act(client)
        except ClientError as e:
            detail = e.response.get("Error", {})
            code, status = str(detail.get("Code", "")), e.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            text = f"S3 answered {code}: {str(detail.get('Message', ''))[:200]}"
            if code in {"NoSuchKey", "NoSuchUpload", "404", "NotFound"}:
                raise FileNotFoundError(errno.ENOENT, text) from e
            full = code in {"QuotaExceeded", "InsufficientCapacity", "XMinioStorageFull"} or status == 507
            raise OSError(errno.EDQUOT if full else errno.EACCES if status == 403 else errno.EIO, text) from e
        except BotoCoreError as e:
            raise OSError(errno.EIO, f"S3 at {self.options.host} does not answer: {e}") from e

    def ready(self) -> None:
        """The bucket is there. Raises OSError."""
        if self._there:
            return
        name = self.options.bucket
        try:
            self.call(lambda c: c.head_bucket(Bucket=name))
        except FileNotFoundError:
            if not self.options.create_bucket_on_put:
                raise OSError(
                    errno.ENOENT, f"The bucket {name} does not exist; create_bucket_on_put=true makes it"
                ) from None
            try:
                self.call(lambda c: c.create_bucket(Bucket=name))
            except OSError:  # somebody else made it in this moment, or it cannot be made
                self.call(lambda c: c.head_bucket(Bucket=name))
        self.claim()
        self._there = True

    def claim(self) -> None:
        """The bucket is this cloud's, marked so if it is nobody's yet. Raises OSError when it is another's."""
        if self.cloud is None or self._ours:
            return
        where, mine = {"Bucket": self.options.bucket, "Key": MARK}, {"cloud": self.cloud}
        text = ""
        for _ in range(3):
            try:
                text = self.call(lambda c: c.head_object(**where))["Metadata"].get("cloud", "")
                break
            except FileNotFoundError:
                try:
                    self.call(lambda c: c.put_object(**where, Body=b"", Metadata=mine, IfNoneMatch="*"))
                except OSError as e:
                    if "NoSuchBucket" in str(e):
                        return  # so there is nothing in it
                    if "PreconditionFailed" not in str(e):
                        raise
        if text != self.cloud:
            raise foreign(f"The bucket {self.options.bucket}", text)
        self._ours = True


class S3Writer:
    """Bytes are held until a part is full; a part goes up while nobody waits for the next."""

    def __init__(self, store: S3Store, key: str, size: int | None) -> None:
        self.store, self.key = store, key
        self.where = {"Bucket": store.options.bucket, "Key": key}
        o = store.options
        whole = size is not None and size <= o.large_object_size * MIB
        self.most = max(size or 0, 1) if whole else max(o.large_object_chunk_size, 5) * MIB
        if size is not None and not whole:
            self.most = max(self.most, -(-size // (PARTS - 1)))
        self.unsized = size is None
        self._held = bytearray()
        self._upload: str | None = None
        self._parts: list[dict[str, Any]] = []
        self._whole = False
        self._pipe: Pipe | None = None
        store.bucket.ready()

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            room = self.most - len(self._held)
            self._held += view[:room]
            view = view[room:]
            if len(self._held) >= self.most and view:
                self._send()
        # one that just fits waits: it may be all there is

    def _send(self) -> None:
        bucket = self.store.bucket
        if self._upload is None:
            self._upload = bucket.call(lambda c: c.create_multipart_upload(**self.where))["UploadId"]
        n = len(self._parts) + 1
        got = bucket.call(lambda c: c.upload_part(**self.where, UploadId=self._upload, PartNumber=n, Body=self._held))
        self._parts.append({"PartNumber": n, "ETag": got["ETag"]})
        self._held = bytearray()
        if self.unsized and n % 1000 == 0:
            self.most *= 2  # nobody knows how long it will be, and there are 10,000 parts at most

    def _finish(self) -> None:
        """All of it is in S3, under its key."""
        if self._whole:
            return
        bucket = self.store.bucket
        if self._upload is None:
            bucket.call(lambda c: c.put_object(**self.where, Body=self._held))
        else:
            if self._held:
                self._send()
            bucket.call(
                lambda c: c.complete_multipart_upload(
                    **self.where, UploadId=self._upload, MultipartUpload={"Parts": self._parts}
                )
            )
        self._held, self._whole = bytearray(), True

    def fd(self) -> int | None:
        self._finish()
        self._pipe = Pipe(self.store.read(self.key))
        return self._pipe.read_end

    def raw(self) -> int:
        raise OSError(errno.ENOTSUP, "S3 is no staging area")

    def commit(self) -> None:
        self._finish()
        if self._pipe is not None:
            self._pipe.settle()

    def abort(self) -> None:
        """What cannot be taken away now is found by the sweeper: an abort never hides why it was made."""
        self._held = bytearray()
        with contextlib.suppress(OSError):
            if self._upload is not None and not self._whole:
                self.store.bucket.call(lambda c: c.abort_multipart_upload(**self.where, UploadId=self._upload))
            self.store.remove(self.key)


class S3Store:
    def __init__(self, options: Options) -> None:
        self.options, self.bucket = options, Bucket(options)

    @property
    def cloud(self) -> str | None:
        return self.bucket.cloud

    @cloud.setter
    def cloud(self, cloud: str | None) -> None:
        self.bucket.cloud = cloud

    def create(self, key: str, size: int | None = None) -> S3Writer:
        return S3Writer(self, key, size)

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        tag: list[str] = []

        def open(at: int) -> Opened:
            words = {"Bucket": self.options.bucket, "Key": key}
            if at or length is not None:
                words["Range"] = f"bytes={at}-{'' if length is None else start + length - 1}"
            if tag:
                words["IfMatch"] = tag[0]
            got = self.bucket.call(lambda c: c.get_object(**words))
            tag[:] = [got["ETag"]]
            body = got["Body"]
            return Opened(
                lambda n: self.bucket.call(lambda _: _read(body, n)), body.close, at + int(got["ContentLength"])
            )

        return resumed(open, start)

    def path(self, key: str) -> Path | None:
        return None

    def url(self, key: str) -> str:
        scheme, _, host = self.options.host.partition("://")
        return f"s3+{scheme}://{host.rstrip('/')}/{self.options.bucket}/{key}"

    def remove(self, key: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.bucket.call(lambda c: c.delete_object(Bucket=self.options.bucket, Key=key))

    def _pages(self, verb: str, field: str) -> Iterator[dict[str, Any]]:
        """The rows of a listing; nothing where there is no bucket yet."""
        pages = iter(self.bucket.call(lambda c: c.get_paginator(verb).paginate(Bucket=self.options.bucket)))
        while True:
            try:
                page = self.bucket.call(lambda _: next(pages, None))
            except OSError as e:
                if "NoSuchBucket" in str(e):
                    return
                raise
            if page is None:
                return
            yield from page.get(field, [])

    def ids(self) -> set[str]:
        self.bucket.claim()
        return {r["Key"] for r in self._pages("list_objects_v2", "Contents") if KEY.fullmatch(r["Key"])}

    def _uploads(self) -> list[tuple[str, str]]:
        found = [(r["Key"], r["UploadId"]) for r in self._pages("list_multipart_uploads", "Uploads")]
        return [(k, u) for k, u in found if KEY.fullmatch(k)]

    def _abort(self, key: str, upload: str) -> None:
        self.bucket.call(lambda c: c.abort_multipart_upload(Bucket=self.options.bucket, Key=key, UploadId=upload))

    def unfinished(self) -> set[str]:
        self.bucket.claim()
        return {k for k, _ in self._uploads()}

    def discard(self, key: str) -> None:
        for k, upload in self._uploads():
            if k == key:
                with contextlib.suppress(FileNotFoundError):
                    self._abort(key, upload)


def _read(body: Any, n: int) -> bytes:
    from botocore.exceptions import IncompleteReadError
    from urllib3.exceptions import HTTPError

    try:
        return bytes(body.read(n))
    except (HTTPError, IncompleteReadError) as e:
        raise OSError(errno.EIO, f"S3 broke off: {type(e).__name__} {e}") from e
