# SPDX-License-Identifier: Apache-2.0
"""S3 as its clients meet it: grants, policies, forms, conditions, checksums, keys of customers, life cycle, settings of buckets."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import re
import zlib
from typing import Any
from urllib.parse import quote

import pytest

from accounts import Account, S3Key, round_of
from sim_cloud import SimCloud, make
from virga.services.objects import loops
from virga.services.objects.context import ObjectContext
from virga.services.objects.s3 import checksums, forms, policies
from virga.services.objects.s3.errors import S3Error

ALL = "http://acs.amazonaws.com/groups/global/AllUsers"


class TwoAccounts:
    """An owner with a bucket, another account, and nobody."""

    def __init__(self, sim: SimCloud, name: str) -> None:
        self.sim = sim
        self.owner, self.other = sim.tenant(f"{name}-a"), sim.tenant(f"{name}-b")
        self.a, self.b = S3Key(sim, self.owner), S3Key(sim, self.other)
        self.bucket = name
        self.a("PUT", f"/{name}", code=200)

    def nobody(self, method: str, path: str, body: bytes | None = None, **headers: str) -> int:
        got = self.sim.http.request(method, f"/s3{path}", content=body, headers=headers)
        return int(got.status_code)


def code_of(answer: Any) -> str:
    found = re.search(r"<Code>(\w+)</Code>", answer.text)
    return found.group(1) if found else ""


def words(answer: Any, tag: str) -> list[str]:
    return re.findall(rf"<{tag}[^>]*>([^<]*)</{tag}>", answer.text)


def test_grants(shared: SimCloud) -> None:
    """Accounts and groups, by header, by name and by document; what is granted can be done, and nothing else."""
    t = TwoAccounts(shared, "s3-grants")
    box, him = t.bucket, t.other.project
    t.a("PUT", f"/{box}/o", b"mine", 200)
    t.b("GET", f"/{box}/o", code=403)
    t.a("PUT", f"/{box}/shown", b"x", 200, {"x-amz-acl": "public-read"})
    assert t.nobody("GET", f"/{box}/shown") == 200 and t.nobody("GET", f"/{box}/o") == 403
    assert t.nobody("GET", f"/{box}/never-was") == 403, "a name is no secret told to those who may not list"
    t.a("PUT", f"/{box}/o?acl", b"", 200, {"x-amz-grant-read": f'id="{him}"', "x-amz-grant-read-acp": f"id={him}"})
    assert t.b("GET", f"/{box}/o", code=200).content == b"mine"
    shown = t.b("GET", f"/{box}/o?acl", code=200)
    assert words(shown, "Permission") == ["READ", "READ_ACP"] and "s3-grants-b-project" in shown.text
    t.b("PUT", f"/{box}/o?acl", b"", 403, {"x-amz-acl": "public-read"})
    t.b("PUT", f"/{box}/new", b"x", 403)
    xml = (
        '<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Owner><ID>{o}</ID></Owner><AccessControlList>'
        '<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>{g}</ID></Grantee>'
        "<Permission>WRITE</Permission></Grant></AccessControlList></AccessControlPolicy>"
    )
    t.a("PUT", f"/{box}?acl", xml.format(o=t.owner.project, g=him).encode(), 200)
    t.b("PUT", f"/{box}/his", b"his", 200)
    t.b("GET", f"/{box}?list-type=2", code=403)
    assert (
        code_of(t.a("PUT", f"/{box}?acl", xml.format(o=t.owner.project, g="nobody-at-all").encode(), 400))
        == "InvalidArgument"
    )
    assert (
        code_of(t.a("PUT", f"/{box}?acl", b"", 400, {"x-amz-grant-read": "emailAddress=a@b"}))
        == "UnresolvableGrantByEmailAddress"
    )
    # what another account put is that account's, until the bucket's ownership says otherwise
    t.a("GET", f"/{box}/his", code=403)
    assert words(t.a("GET", f"/{box}?list-type=2&fetch-owner=true&prefix=his", code=200), "ID") == [him]
    t.a("PUT", f"/{box}?ownershipControls", _ownership("BucketOwnerPreferred"), 200)
    t.b("PUT", f"/{box}/given", b"x", 200, {"x-amz-acl": "bucket-owner-full-control"})
    t.a("GET", f"/{box}/given", code=200)
    t.a("PUT", f"/{box}?acl", b"", 200, {"x-amz-acl": "private"})
    t.a("PUT", f"/{box}?ownershipControls", _ownership("BucketOwnerEnforced"), 200)
    assert t.a("GET", f"/{box}/his", code=200).content == b"his"
    assert code_of(t.a("PUT", f"/{box}/q", b"", 400, {"x-amz-acl": "public-read"})) == "AccessControlListNotSupported"


def _ownership(name: str) -> bytes:
    return f"<OwnershipControls><Rule><ObjectOwnership>{name}</ObjectOwnership></Rule></OwnershipControls>".encode()


def test_a_list_of_s3_opens_no_private_object_at_swifts_door(shared: SimCloud) -> None:
    t = TwoAccounts(shared, "s3-doors")
    t.a("PUT", f"/{t.bucket}?acl", b"", 200, {"x-amz-acl": "public-read"})
    t.a("PUT", f"/{t.bucket}/o", b"mine", 200)
    assert t.nobody("GET", f"/{t.bucket}") == 200 and t.nobody("GET", f"/{t.bucket}/o") == 403
    swift = Account(t.owner)
    assert shared.http.get(f"{swift.base}/{t.bucket}/o").status_code == 401
    swift("POST", f"/{t.bucket}", code=204, X_Container_Read=".r:*,.rlistings")
    assert t.nobody("GET", f"/{t.bucket}/o") == 200 and words(t.a("GET", f"/{t.bucket}?acl"), "URI") == [ALL]
    t.a("PUT", f"/{t.bucket}?acl", b"", 200, {"x-amz-acl": "private"})
    assert t.nobody("GET", f"/{t.bucket}/o") == 403 and shared.http.get(f"{swift.base}/{t.bucket}/o").status_code == 401


def _policy(bucket: str, **more: Any) -> bytes:
    s = {
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    } | more
    return json.dumps({"Version": "2012-10-17", "Statement": [s]}).encode()


def test_policies(shared: SimCloud) -> None:
    """Conditions on tags, headers and addresses; the text comes back as it went."""
    t = TwoAccounts(shared, "s3-policies")
    box = t.bucket
    t.a("PUT", f"/{box}/open", b"x", 200, {"x-amz-tagging": "level=public"})
    t.a("PUT", f"/{box}/shut", b"x", 200, {"x-amz-tagging": "level=secret"})
    text = _policy(box, Condition={"StringEquals": {"s3:ExistingObjectTag/level": "public"}})
    t.a("PUT", f"/{box}?policy", text, 204)
    assert t.a("GET", f"/{box}?policy", code=200).content == text
    assert (t.nobody("GET", f"/{box}/open"), t.nobody("GET", f"/{box}/shut")) == (200, 403)
    t.a(
        "PUT",
        f"/{box}?policy",
        _policy(box, Action="s3:PutObject", Condition={"StringEquals": {"s3:RequestObjectTag/k": "v"}}),
        204,
    )
    t.b("PUT", f"/{box}/his", b"x", 403)
    t.b("PUT", f"/{box}/his", b"x", 200, {"x-amz-tagging": "k=v"})
    t.a(
        "PUT",
        f"/{box}?policy",
        _policy(
            box, Effect="Deny", Action="s3:PutObject", Condition={"Null": {"s3:x-amz-server-side-encryption": "true"}}
        ),
        204,
    )
    t.a("PUT", f"/{box}/plain", b"x", 403)
    t.a("PUT", f"/{box}/sealed", b"x", 200, {"x-amz-server-side-encryption": "AES256"})
    t.a(
        "PUT",
        f"/{box}?policy",
        _policy(
            box, Action="s3:ListBucket", Resource=f"arn:aws:s3:::{box}", Condition={"StringLike": {"s3:prefix": "a/*"}}
        ),
        204,
    )
    assert (
        code_of(t.b("GET", f"/{box}/a/none", code=404)) == "NoSuchKey"
        and code_of(t.b("GET", f"/{box}/b/none", code=403)) == "AccessDenied"
    )
    for bad in (
        {"NotPrincipal": {"AWS": "x"}},
        {"Principal": {"Federated": "x"}},
        {"Condition": {"StringMatches": {"aws:Referer": "x"}}},
        {"Condition": {"StringEquals": {"aws:Nothing": "x"}}},
        {"Action": "ec2:Run"},
        {"Resource": "arn:aws:s3:::another/*"},
        {"Condition": {"IpAddress": {"aws:SourceIp": "300.1.1.1"}}},
        {"Condition": {"NumericEquals": {"s3:max-keys": "many"}}},
    ):
        assert code_of(t.a("PUT", f"/{box}?policy", _policy(box, **bad), 400)) == "MalformedPolicy", bad


def test_conditions_mean_what_iam_says() -> None:
    def holds(conditions: dict[str, Any], **facts: Any) -> bool:
        text = _policy("b", Condition=conditions).decode()
        return all(
            policies.holds(t, {k.replace("_", ":"): v for k, v in facts.items()}) for t in policies.parse(text)[0].tests
        )

    assert holds({"StringLikeIfExists": {"aws:Referer": "http://a/*"}}) and not holds(
        {"StringLike": {"aws:Referer": "http://a/*"}}
    )
    assert holds({"StringNotLike": {"aws:Referer": "http://a/*"}}) and not holds(
        {"StringNotLike": {"aws:Referer": "http://a/*"}}, aws_referer="http://a/b"
    )
    assert holds({"NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8", "::1"]}}, aws_sourceip="11.0.0.1")
    assert not holds({"NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8", "::1"]}}, aws_sourceip="10.9.9.9")
    assert holds({"ForAllValues:StringEquals": {"s3:RequestObjectTagKeys": ["a", "b"]}}, s3_requestobjecttagkeys=("a",))
    assert not holds(
        {"ForAllValues:StringEquals": {"s3:RequestObjectTagKeys": ["a"]}}, s3_requestobjecttagkeys=("a", "c")
    )
    assert holds({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, aws_currenttime="1700000000")
    public = policies.parse(_policy("b").decode())[0]
    closed = policies.parse(_policy("b", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}).decode())[0]
    wide = policies.parse(_policy("b", Condition={"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}).decode())[0]
    assert public.public() and wide.public() and not closed.public()


def test_public_access_is_blocked(shared: SimCloud) -> None:
    t = TwoAccounts(shared, "s3-blocks")
    box = t.bucket
    t.a("PUT", f"/{box}/o", b"x", 200, {"x-amz-acl": "public-read"})
    t.a("PUT", f"/{box}?policy", _policy(box), 204)
    assert "<IsPublic>true</IsPublic>" in t.a("GET", f"/{box}?policyStatus", code=200).text
    block = "<PublicAccessBlockConfiguration><{0}>true</{0}></PublicAccessBlockConfiguration>"
    t.a("PUT", f"/{box}?publicAccessBlock", block.format("RestrictPublicBuckets").encode(), 200)
    assert t.b("GET", f"/{box}/o").status_code == 200, "its own list still opens it"
    t.a("PUT", f"/{box}/o", b"x", 200)
    t.b("GET", f"/{box}/o", code=403)
    t.a("PUT", f"/{box}?publicAccessBlock", block.format("BlockPublicPolicy").encode(), 200)
    t.a("PUT", f"/{box}?policy", _policy(box), 403)
    t.a("DELETE", f"/{box}?policy", code=204)
    t.a("PUT", f"/{box}?publicAccessBlock", block.format("BlockPublicAcls").encode(), 200)
    t.a("PUT", f"/{box}/p", b"", 403, {"x-amz-acl": "public-read"})
    t.a("DELETE", f"/{box}?publicAccessBlock", code=204)
    t.a("PUT", f"/{box}/o", b"x", 200, {"x-amz-acl": "public-read"})
    assert t.nobody("GET", f"/{box}/o") == 200
    t.a("PUT", f"/{box}?publicAccessBlock", block.format("IgnorePublicAcls").encode(), 200)
    assert t.nobody("GET", f"/{box}/o") == 403


def test_settings_share_one_shape(shared: SimCloud) -> None:
    """Each: absent with its own code, put, read back, gone."""
    t = TwoAccounts(shared, "s3-settings")
    documents = {
        "cors": (
            "NoSuchCORSConfiguration",
            "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>",
        ),
        "tagging": ("NoSuchTagSet", "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"),
        "ownershipControls": ("OwnershipControlsNotFoundError", _ownership("ObjectWriter").decode()),
        "publicAccessBlock": (
            "NoSuchPublicAccessBlockConfiguration",
            "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>",
        ),
        "encryption": (
            "ServerSideEncryptionConfigurationNotFoundError",
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>"
            "<SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>",
        ),
        "lifecycle": (
            "NoSuchLifecycleConfiguration",
            "<LifecycleConfiguration><Rule><ID>r</ID><Status>Enabled</Status><Filter><And><Prefix>a</Prefix><Tag><Key>k</Key>"
            "<Value>v</Value></Tag></And></Filter><Expiration><Days>3</Days></Expiration></Rule></LifecycleConfiguration>",
        ),
        "website": (
            "NoSuchWebsiteConfiguration",
            "<WebsiteConfiguration><RedirectAllRequestsTo><HostName>example.com</HostName></RedirectAllRequestsTo></WebsiteConfiguration>",
        ),
    }
    for query, (absent, text) in documents.items():
        path = f"/{t.bucket}?{query}"
        assert code_of(t.a("GET", path, code=404)) == absent
        t.b("PUT", path, text.encode(), 403)
        t.a("PUT", path, text.encode(), (200, 204))
        got = t.a("GET", path, code=200)
        for word in re.findall(r">([^<>]+)<", text):
            assert f">{word}<" in got.text, (query, word)
        assert code_of(t.a("PUT", path, b"<Wrong/>", 400)) == "MalformedXML"
        t.a("DELETE", path, code=204)
        t.a("GET", path, code=404)
    for query in ("replication", "notification", "logging", "accelerate"):
        assert code_of(t.a("GET", f"/{t.bucket}?{query}", code=501)) == "NotImplemented"


def test_a_bucket_goes_with_its_open_uploads(shared: SimCloud) -> None:
    t = TwoAccounts(shared, "s3-open")
    t.a("POST", f"/{t.bucket}/o?uploads", b"", 200)
    context = shared.cloud.registry.use(ObjectContext)
    t.a("DELETE", f"/{t.bucket}", code=204)
    assert (
        context.commits.read_now(lambda tx: tx.conn.exec_driver_sql("select count(*) from obj_uploads").scalar_one())
        == 0
    )


def test_conditional_writes(shared: SimCloud) -> None:
    t = TwoAccounts(shared, "s3-conditions")
    path = f"/{t.bucket}/o"
    assert code_of(t.a("PUT", path, b"1", 404, {"if-match": "*"})) == "NoSuchKey"
    tag = t.a("PUT", path, b"1", 200, {"if-none-match": "*"}).headers["etag"]
    for header in ({"if-none-match": "*"}, {"if-none-match": tag}, {"if-match": '"0"'}):
        assert code_of(t.a("PUT", path, b"2", 412, header)) == "PreconditionFailed"
    t.a("PUT", path, b"2", 200, {"if-match": tag})
    assert code_of(t.a("DELETE", path, code=412, extra={"if-match": tag})) == "PreconditionFailed"
    t.a("DELETE", path, code=412, extra={"x-amz-if-match-size": "99"})
    many = (
        "<Delete><Object><Key>o</Key><ETag>bad</ETag></Object><Object><Key>none</Key><ETag>bad</ETag></Object></Delete>"
    )
    got = t.a("POST", f"/{t.bucket}?delete", many.encode(), 200)
    assert words(got, "Code") == ["PreconditionFailed"] and got.text.count("<Deleted>") == 1
    t.a("DELETE", path, code=204, extra={"x-amz-if-match-size": "1"})
    up = words(t.a("POST", f"{path}?uploads", b"", 200), "UploadId")[0]
    part = t.a("PUT", f"{path}?partNumber=1&uploadId={up}", b"part", 200).headers["etag"]
    done = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{part}</ETag></Part></CompleteMultipartUpload>".encode()
    t.a("POST", f"{path}?uploadId={up}", done, 404, {"if-match": "*"})
    first = t.a("POST", f"{path}?uploadId={up}", done, 200, {"if-none-match": "*"})
    assert words(t.a("POST", f"{path}?uploadId={up}", done, 200), "ETag") == words(first, "ETag"), (
        "asked again, it tells the same"
    )


@pytest.mark.parametrize(
    ("name", "of_check"),
    [
        ("crc32", "cbf43926"),
        ("crc32c", "e3069283"),
        ("crc64nvme", "ae8b14860a799888"),
        ("sha1", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
        ("sha256", "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
    ],
)
def test_checksums_are_the_published_ones(name: str, of_check: str) -> None:
    made = checksums.hasher(name)
    made.update(b"12345")
    made.update(b"6789")
    assert made.digest().hex() == of_check


@pytest.mark.parametrize("name", ["crc32", "crc32c", "crc64nvme"])
def test_sums_of_parts_are_the_sum_of_the_whole(name: str) -> None:
    def of(data: bytes) -> str:
        made = checksums.hasher(name)
        made.update(data)
        return checksums.text(made)

    pieces = [b"", b"a" * 1000, b"bc", b"d" * 70001]
    assert checksums.of_parts(name, "FULL_OBJECT", [(len(p), of(p)) for p in pieces]) == of(b"".join(pieces))
    for kind, wanted in (("sha1", "FULL_OBJECT"), ("crc64nvme", "COMPOSITE")):
        with pytest.raises(S3Error):
            checksums.kind(kind, wanted)


def test_checksums_through_the_door(shared: SimCloud) -> None:
    t = TwoAccounts(shared, "s3-sums")
    path = f"/{t.bucket}/o"
    crc = base64.b64encode(zlib.crc32(b"body").to_bytes(4, "big")).decode()
    assert code_of(t.a("PUT", path, b"other", 400, {"x-amz-checksum-crc32": crc})) == "BadDigest"
    assert t.a("PUT", path, b"body", 200, {"x-amz-checksum-crc32": crc}).headers["x-amz-checksum-crc32"] == crc
    assert "x-amz-checksum-crc32" not in t.a("HEAD", path, code=200).headers
    assert t.a("GET", path, code=200, extra={"x-amz-checksum-mode": "ENABLED"}).headers["x-amz-checksum-crc32"] == crc
    t.a(
        "PUT",
        f"/{t.bucket}/copy",
        b"",
        200,
        {"x-amz-copy-source": f"{t.bucket}/o", "x-amz-checksum-algorithm": "SHA256"},
    )
    sha = base64.b64encode(hashlib.sha256(b"body").digest()).decode()
    assert (
        t.a("HEAD", f"/{t.bucket}/copy", extra={"x-amz-checksum-mode": "ENABLED"}).headers["x-amz-checksum-sha256"]
        == sha
    )
    begun = t.a("POST", f"/{t.bucket}/m?uploads", b"", 200, {"x-amz-checksum-algorithm": "SHA256"})
    up = words(begun, "UploadId")[0]
    part = t.a("PUT", f"/{t.bucket}/m?partNumber=1&uploadId={up}", b"body", 200).headers
    assert part["x-amz-checksum-sha256"] == sha, "summed for a client that brings no sum"
    xml = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{part['etag']}</ETag></Part></CompleteMultipartUpload>".encode()
    assert (
        code_of(t.a("POST", f"/{t.bucket}/m?uploadId={up}", xml, 400, {"x-amz-checksum-sha256": "bad"})) == "BadDigest"
    )
    whole = base64.b64encode(hashlib.sha256(hashlib.sha256(b"body").digest()).digest()).decode() + "-1"
    done = t.a("POST", f"/{t.bucket}/m?uploadId={up}", xml, 200)
    assert words(done, "ChecksumSHA256") == [whole] and words(done, "ChecksumType") == ["COMPOSITE"]
    told = t.a(
        "GET",
        f"/{t.bucket}/m?attributes",
        code=200,
        extra={"x-amz-object-attributes": "ETag,Checksum,ObjectParts,ObjectSize"},
    )
    assert (
        words(told, "ChecksumSHA256") == [whole, sha]
        and words(told, "ObjectSize") == ["4"]
        and words(told, "PartsCount") == ["1"]
    )


def customer(raw: bytes, prefix: str = "x-amz-server-side-encryption-customer-") -> dict[str, str]:
    md5 = base64.b64encode(hashlib.md5(raw).digest()).decode()
    return {f"{prefix}algorithm": "AES256", f"{prefix}key": base64.b64encode(raw).decode(), f"{prefix}key-md5": md5}


@pytest.mark.parametrize("size", [100, 200_000])
def test_a_customers_key_is_needed(shared: SimCloud, size: int) -> None:
    """Nobody reads the body without the key: not the owner, not Swift's API, not the store."""
    t = TwoAccounts(shared, f"s3-keys-{size}")
    data, key, wrong = b"secret words " * (size // 13), customer(b"k" * 32), customer(b"w" * 32)
    path = f"/{t.bucket}/o"
    assert t.a("PUT", path, data, 200, key).headers["x-amz-server-side-encryption-customer-key-md5"]
    assert code_of(t.a("GET", path, code=400)) == "InvalidRequest" and t.a("GET", path, code=400, extra=wrong)
    assert t.a("GET", path, code=200, extra=key).content == data
    assert t.a("GET", path, code=206, extra=key | {"range": "bytes=17-90"}).content == data[17:91]
    assert shared.http.get(f"{Account(t.owner).base}{path}", headers={"X-Auth-Token": t.owner.token}).status_code == 403
    context = shared.cloud.registry.use(ObjectContext)
    stored = b"".join(
        r[0]
        for r in context.commits.read_now(lambda tx: tx.conn.exec_driver_sql("select data from obj_small").fetchall())
    )
    stored += b"".join(d for d, *_ in context.blobs.inner.blobs.values())  # type: ignore[attr-defined]
    assert b"secret words" not in stored
    t.a(
        "PUT",
        f"/{t.bucket}/other",
        b"",
        200,
        wrong
        | {"x-amz-copy-source": f"{t.bucket}/o"}
        | customer(b"k" * 32, "x-amz-copy-source-server-side-encryption-customer-"),
    )
    assert t.a("GET", f"/{t.bucket}/other", code=200, extra=wrong).content == data
    up = words(t.a("POST", f"/{t.bucket}/m?uploads", b"", 200, key), "UploadId")[0]
    t.a("PUT", f"/{t.bucket}/m?partNumber=1&uploadId={up}", data, 400)
    once = [t.a("PUT", f"/{t.bucket}/m?partNumber=1&uploadId={up}", data, 200, key).headers["etag"] for _ in range(2)]
    assert once[0] == once[1]
    xml = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{once[0]}</ETag></Part></CompleteMultipartUpload>".encode()
    t.a("POST", f"/{t.bucket}/m?uploadId={up}", xml, 200, key)
    assert t.a("GET", f"/{t.bucket}/m", code=206, extra=key | {"range": "bytes=5-"}).content == data[5:]
    assert loops.auditor(round_of(shared), seconds=5) == 0, "what is sealed is not rotten"


def test_the_stores_own_key(shared: SimCloud) -> None:
    t = TwoAccounts(shared, "s3-own")
    for name, data in (("small", b"plain words"), ("large", b"plain words " * 20000)):
        t.a("PUT", f"/{t.bucket}/{name}", data, 200, {"x-amz-server-side-encryption": "AES256"})
        got = t.a("GET", f"/{t.bucket}/{name}", code=200)
        assert got.content == data and got.headers["x-amz-server-side-encryption"] == "AES256"
        assert Account(t.owner)("GET", f"/{t.bucket}/{name}", code=200).content == data
    context = shared.cloud.registry.use(ObjectContext)
    stored = b"".join(
        r[0]
        for r in context.commits.read_now(lambda tx: tx.conn.exec_driver_sql("select data from obj_small").fetchall())
    )
    assert b"plain words" not in stored + b"".join(d for d, *_ in context.blobs.inner.blobs.values())  # type: ignore[attr-defined]
    assert (
        code_of(t.a("PUT", f"/{t.bucket}/k", b"", 501, {"x-amz-server-side-encryption": "aws:kms"})) == "NotImplemented"
    )
    assert (
        code_of(t.a("PUT", f"/{t.bucket}/k", b"", 400, {"x-amz-server-side-encryption": "rot13"})) == "InvalidArgument"
    )


# -- forms ---------------------------------------------------------------------------------------------------------


def form(fields: dict[str, str], data: bytes, filename: str = "f.txt") -> tuple[bytes, dict[str, str]]:
    out = b"".join(
        f'--edge\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in fields.items()
    )
    out += (
        f'--edge\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n\r\n'.encode()
        + data
        + b"\r\n--edge--\r\n"
    )
    return out, {"content-type": "multipart/form-data; boundary=edge"}


def signed_form(by: S3Key, bucket: str, conditions: list[Any], seconds: int = 600, **fields: str) -> dict[str, str]:
    now = dt.datetime.now(dt.UTC)
    end = (now + dt.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    day, when = now.strftime("%Y%m%d"), now.strftime("%Y%m%dT%H%M%SZ")
    sent = {
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": f"{by.access}/{day}/us-east-1/s3/aws4_request",
        "x-amz-date": when,
    } | fields
    conditions = [{"bucket": bucket}, *conditions, *({k: v} for k, v in sent.items() if k.startswith("x-amz-"))]
    policy = base64.b64encode(json.dumps({"expiration": end, "conditions": conditions}).encode()).decode()
    secret = by._key(day)[0]
    return sent | {"policy": policy, "x-amz-signature": hmac.new(secret, policy.encode(), hashlib.sha256).hexdigest()}


def test_forms_of_browsers(shared: SimCloud) -> None:
    t = TwoAccounts(shared, "s3-forms")

    def post(fields: dict[str, str], data: bytes = b"sent", filename: str = "f.txt") -> Any:
        body, headers = form(fields, data, filename)
        return shared.http.post(f"/s3/{t.bucket}", content=body, headers=headers, follow_redirects=False)

    rules: list[Any] = [["starts-with", "$key", "up/"], ["content-length-range", 2, 10000]]
    good = signed_form(t.a, t.bucket, rules, key="up/${filename}", **{"x-amz-meta-who": "anna"})
    assert post(good).status_code == 204
    got = t.a("GET", f"/{t.bucket}/up/f.txt", code=200)
    assert got.content == b"sent" and got.headers["x-amz-meta-who"] == "anna"
    big = b"\r\n--edg" * 1000
    assert post(good, big, "g").status_code == 204 and t.a("GET", f"/{t.bucket}/up/g").content == big
    assert code_of(post(good | {"key": "elsewhere"})) == "AccessDenied"
    assert code_of(post(good, b"x" * 10001)) == "EntityTooLarge" and code_of(post(good, b"x")) == "EntityTooSmall"
    assert code_of(post(good | {"x-amz-signature": "0" * 64})) == "SignatureDoesNotMatch"
    assert code_of(post(good | {"acl": "public-read"})) == "AccessDenied", "a field that no condition names"
    assert code_of(post(signed_form(t.a, t.bucket, rules, -5, key="up/a"))) == "AccessDenied"
    assert code_of(post(signed_form(t.a, "another", rules, key="up/a"))) == "AccessDenied"
    assert code_of(post({"key": "up/a"})) == "AccessDenied", "nobody may not write"
    to = signed_form(
        t.a,
        t.bucket,
        [*rules, ["starts-with", "$success_action_redirect", ""]],
        key="up/r",
        success_action_redirect="http://example.com/ok",
    )
    moved = post(to)
    assert moved.status_code == 303 and moved.headers["location"].startswith(
        "http://example.com/ok?bucket=s3-forms&key=up%2Fr&etag=%22"
    )
    made = post(
        signed_form(t.a, t.bucket, [*rules, {"success_action_status": "201"}], key="up/c", success_action_status="201")
    )
    assert made.status_code == 201 and "<Key>up/c</Key>" in made.text
    body, headers = form(good, b"cut")
    assert code_of(shared.http.post(f"/s3/{t.bucket}", content=body[:-15], headers=headers)) == "MalformedPOSTRequest"


@pytest.mark.parametrize(
    "doc",
    [
        {"expiration": "2030-01-01T00:00:00Z"},
        {"expiration": "soon", "conditions": []},
        {"expiration": "2030-01-01T00:00:00Z", "conditions": [{}]},
        {"expiration": "2030-01-01T00:00:00Z", "conditions": [["content-length-range", 0]]},
        {"expiration": "2030-01-01T00:00:00Z", "conditions": [["regex", "$key", ".*"]]},
    ],
)
def test_policies_of_forms_are_whole(doc: dict[str, Any]) -> None:
    with pytest.raises(S3Error) as e:
        forms.obey(forms._policy(base64.b64encode(json.dumps(doc).encode()).decode()), {"key": "k"}, "b", 0)
    assert e.value.code == "InvalidPolicyDocument"


# -- life cycle ----------------------------------------------------------------------------------------------------


def test_life_cycle() -> None:
    """Rules by tag and size, old versions with some kept, markers with nothing beneath, uploads; told ahead by a header."""
    cloud = make(**{"sim.clock": True})
    cloud.start()
    try:
        sim = SimCloud(cloud)
        t = TwoAccounts(sim, "cycle")
        rule = "<Rule><ID>{}</ID><Status>Enabled</Status><Filter>{}</Filter>{}</Rule>"
        three, box = "<Expiration><Days>3</Days></Expiration>", t.bucket
        old = "<NoncurrentVersionExpiration><NewerNoncurrentVersions>1</NewerNoncurrentVersions><NoncurrentDays>2</NoncurrentDays></NoncurrentVersionExpiration>"
        rules = [
            rule.format("by-tag", "<And><Prefix>t/</Prefix><Tag><Key>end</Key><Value>soon</Value></Tag></And>", three),
            rule.format(
                "by-size", "<And><Prefix>s/</Prefix><ObjectSizeGreaterThan>10</ObjectSizeGreaterThan></And>", three
            ),
            rule.format("old", "<Prefix>v/</Prefix>", old),
            rule.format(
                "marker",
                "<Prefix>m/</Prefix>",
                "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>",
            ),
            rule.format(
                "up",
                "<Prefix></Prefix>",
                "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>",
            ),
        ]
        t.a(
            "PUT",
            f"/{box}?lifecycle",
            f"<LifecycleConfiguration>{''.join(rules)}</LifecycleConfiguration>".encode(),
            200,
        )
        told = t.a("PUT", f"/{box}/t/ends", b"x", 200, {"x-amz-tagging": "end=soon"}).headers["x-amz-expiration"]
        assert 'rule-id="by-tag"' in told and "00:00:00 GMT" in told
        assert (
            "x-amz-expiration" not in t.a("PUT", f"/{box}/t/stays", b"x", 200, {"x-amz-tagging": "end=never"}).headers
        )
        t.a("PUT", f"/{box}/s/large", b"x" * 11, 200)
        t.a("PUT", f"/{box}/s/small", b"x" * 10, 200)
        t.a(
            "PUT",
            f"/{box}?versioning",
            b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
            200,
        )
        for n in range(4):
            t.a("PUT", f"/{box}/v/o", str(n).encode(), 200)
        gone = t.a("PUT", f"/{box}/m/o", b"x", 200).headers["x-amz-version-id"]
        t.a("DELETE", f"/{box}/m/o", code=204)
        t.a("DELETE", f"/{box}/m/o?versionId={gone}", code=204)
        t.a("POST", f"/{box}/never?uploads", b"", 200)
        swift = Account(t.owner)

        def there() -> list[str]:
            return [e["name"] for e in swift("GET", f"/{box}?format=json&versions=true", code=200).json()]

        before = there()
        loops.lifecycle(round_of(sim))
        assert there() == [n for n in before if n != "m/o"], "only the marker that marks nothing"
        sim.http.post("/sim/clock", json={"advance": 4 * 86400})
        loops.lifecycle(round_of(sim))
        swift = Account(sim.login("cycle-a", "pw", "cycle-a-project"))
        rest = there()
        assert rest.count("v/o") == 2, "the newest, and one older that the rule keeps"
        live = [e["name"] for e in swift("GET", f"/{box}?format=json", code=200).json()]
        assert live == ["s/small", "t/stays", "v/o"]
        context = cloud.registry.use(ObjectContext)
        assert (
            context.commits.read_now(
                lambda tx: tx.conn.exec_driver_sql("select count(*) from obj_uploads").scalar_one()
            )
            == 0
        )
    finally:
        cloud.stop()


def test_plain_requests_ask_no_more_than_they_must(shared: SimCloud) -> None:
    """Lists, policies, rules and sums that nobody set cost no statement: the bucket, the object, its bytes."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    t = TwoAccounts(shared, "s3-plain")
    path = f"/{t.bucket}/o"
    t.a("PUT", path, b"x", 200)
    t.a("GET", path, code=200)
    mine: list[str] = []

    def note(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if "obj_" in statement:
            mine.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        for method, body, most in (("PUT", b"y", 6), ("GET", None, 3), ("HEAD", None, 2)):
            mine.clear()
            t.a(method, path, body, 200)
            assert len(mine) <= most, (method, mine)
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def test_pages_of_a_web_site_move() -> None:
    cloud = make(**{"objects.s3_domain": "s3.example.com"})
    sim = SimCloud(cloud)
    key = S3Key(sim)
    key("PUT", "/pages", code=200)
    key("PUT", "/pages?policy", _policy("pages"), 204)
    key(
        "PUT",
        "/pages?website",
        b"<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument></WebsiteConfiguration>",
        200,
    )
    key("PUT", "/pages/index.html", b"home", 200)
    key("PUT", "/pages/old", b"", 200, {"x-amz-website-redirect-location": "/index.html"})

    def show(path: str) -> Any:
        return sim.http.get(f"/s3{path}", headers={"host": "pages.website.s3.example.com"}, follow_redirects=False)

    assert show("/").content == b"home"
    assert (show("/old").status_code, show("/old").headers["location"]) == (301, "/index.html")
    to = b"<WebsiteConfiguration><RedirectAllRequestsTo><HostName>new.example</HostName></RedirectAllRequestsTo></WebsiteConfiguration>"
    key("PUT", "/pages?website", to, 200)
    assert show("/a/b?c=d").headers["location"] == "http://new.example/a/b?c=d"


# -- both APIs ----------------------------------------------------------------------------------------------------


def test_large_objects_through_both_doors(shared: SimCloud) -> None:
    """Parts of S3 read whole at Swift's API; a manifest of Swift reads whole at S3's, part by part or as a range."""
    t = TwoAccounts(shared, "s3-large")
    swift, box = Account(t.owner), t.bucket
    up = words(t.a("POST", f"/{box}/big?uploads", b"", 200, {"x-amz-meta-who": "anna"}), "UploadId")[0]
    first, second = b"a" * (5 << 20), b"b" * 1000
    tags = [
        t.a("PUT", f"/{box}/big?partNumber={n}&uploadId={up}", d, 200).headers["etag"]
        for n, d in ((1, first), (2, second))
    ]
    xml = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{e}</ETag></Part>" for n, e in enumerate(tags, 1))
    t.a("POST", f"/{box}/big?uploadId={up}", f"<CompleteMultipartUpload>{xml}</CompleteMultipartUpload>".encode(), 200)
    got = swift("GET", f"/{box}/big", code=200)
    assert got.content == first + second and got.headers["x-object-meta-who"] == "anna"
    assert t.a("GET", f"/{box}/big?partNumber=2", code=206).content == second
    segments = []
    for n, d in enumerate((b"one" * 100, b"two" * 100)):
        swift("PUT", f"/{box}/seg{n}", d, 201)
        segments.append({"path": f"/{box}/seg{n}"})
    swift("PUT", f"/{box}/slo?multipart-manifest=put", json.dumps(segments).encode(), 201, X_Object_Meta_Who="berta")
    got = t.a("GET", f"/{box}/slo", code=200)
    assert got.content == b"one" * 100 + b"two" * 100 and got.headers["x-amz-meta-who"] == "berta"
    assert t.a("GET", f"/{box}/slo", code=206, extra={"range": "bytes=298-301"}).content == b"netw"
    t.a("PUT", f"/{box}/flat", b"", 200, {"x-amz-copy-source": f"{box}/slo"})
    assert swift("GET", f"/{box}/flat", code=200).content == b"one" * 100 + b"two" * 100
    # tags and versions are one history
    t.a(
        "PUT", f"/{box}?versioning", b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>", 200
    )
    t.a("PUT", f"/{box}/flat", b"new", 200)
    old = words(t.a("GET", f"/{box}?versions&prefix=flat", code=200), "VersionId")
    assert (
        len(old) == 2 and old[1] == "null" and t.a("GET", f"/{box}/flat?versionId=null", code=200).content[:3] == b"one"
    )
    swift("PUT", f"/{box}/flat", b"newer", 201)
    assert len(words(t.a("GET", f"/{box}?versions&prefix=flat", code=200), "VersionId")) == 3


@pytest.mark.parametrize("number", ["0", "10001", "00000110005", "000001" + "9" * 40, "²", "٣", "x", "-1", ""])
def test_what_is_no_number_of_a_part(shared: SimCloud, number: str) -> None:
    """Refused by name, whatever counts as a digit elsewhere; so is a length of a list that is none."""
    t = TwoAccounts(shared, f"s3-part-{abs(hash(number)) % 10**8}")
    box, requested = t.bucket, quote(number)
    up = words(t.a("POST", f"/{box}/o?uploads", b"", 200), "UploadId")[0]
    got = t.a("PUT", f"/{box}/o?partNumber={requested}&uploadId={up}", b"x")
    assert got.status_code == 400 and "Part number must be" in got.text
    t.a("PUT", f"/{box}/whole", b"x", 200)
    assert t.a("GET", f"/{box}/whole?partNumber={requested}").status_code in ({200, 400} if not number else {400})
    xml = f"<CompleteMultipartUpload><Part><PartNumber>{number}</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>".encode()
    assert t.a("POST", f"/{box}/o?uploadId={up}", xml).status_code == 400
    if not number.isascii():
        t.a("GET", f"/{box}?max-keys={requested}", code=400)
