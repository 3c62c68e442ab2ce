# SPDX-License-Identifier: Apache-2.0
"""What boto3 makes of our S3: run by test_object_clients.py with the clients' own Python. ENDPOINT, ACCESS, SECRET in the environment."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import os
import urllib.error
import urllib.request
from typing import Any

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.client import Config
from botocore.exceptions import ClientError

ENDPOINT = os.environ["ENDPOINT"]


def client(**config: Any) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=ENDPOINT,
        aws_access_key_id=os.environ["ACCESS"],
        aws_secret_access_key=os.environ["SECRET"],
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}, **config),
    )


def refused(code: str, call: Any, **words: Any) -> None:
    try:
        call(**words)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e.response
    else:
        raise AssertionError(f"{code} was expected of {words}")


def objects(s3: Any) -> None:
    s3.create_bucket(Bucket="first")
    s3.create_bucket(Bucket="first")
    refused(
        "BucketAlreadyOwnedByYou",
        s3.create_bucket,
        Bucket="first",
        CreateBucketConfiguration={"LocationConstraint": "elsewhere"},
    )
    refused("BucketAlreadyExists", s3.create_bucket, Bucket="first", ACL="public-read")
    refused("InvalidBucketName", s3.create_bucket, Bucket="192.168.1.1")
    assert "first" in [b["Name"] for b in s3.list_buckets()["Buckets"]]
    data = os.urandom(300_000)
    put = s3.put_object(
        Bucket="first",
        Key="a b/ä+~.txt",
        Body=data,
        Metadata={"who": "anna"},
        ContentType="text/x",
        CacheControl="max-age=5",
    )
    assert put["ETag"].strip('"') == hashlib.md5(data).hexdigest()
    got = s3.get_object(Bucket="first", Key="a b/ä+~.txt")
    assert got["Body"].read() == data and got["Metadata"] == {"who": "anna"} and got["CacheControl"] == "max-age=5"
    assert s3.get_object(Bucket="first", Key="a b/ä+~.txt", Range="bytes=10-19")["Body"].read() == data[10:20]
    refused("InvalidRange", s3.get_object, Bucket="first", Key="a b/ä+~.txt", Range="bytes=999999-")
    refused("NoSuchKey", s3.get_object, Bucket="first", Key="none")
    refused("NoSuchBucket", s3.get_object, Bucket="nowhere-at-all", Key="none")
    refused("304", s3.get_object, Bucket="first", Key="a b/ä+~.txt", IfNoneMatch=put["ETag"])
    refused("PreconditionFailed", s3.get_object, Bucket="first", Key="a b/ä+~.txt", IfMatch='"0"')
    refused("PreconditionFailed", s3.put_object, Bucket="first", Key="a b/ä+~.txt", Body=b"", IfNoneMatch="*")
    s3.copy_object(Bucket="first", Key="copy", CopySource={"Bucket": "first", "Key": "a b/ä+~.txt"})
    assert s3.head_object(Bucket="first", Key="copy")["Metadata"] == {"who": "anna"}
    s3.copy_object(
        Bucket="first", Key="copy", CopySource="first/copy", MetadataDirective="REPLACE", Metadata={"x": "y"}
    )
    assert s3.head_object(Bucket="first", Key="copy")["Metadata"] == {"x": "y"}
    for algorithm in ("CRC32", "SHA1", "SHA256"):
        s3.put_object(Bucket="first", Key="sum", Body=b"checked", ChecksumAlgorithm=algorithm)
        got = s3.get_object(Bucket="first", Key="sum", ChecksumMode="ENABLED")
        assert got["Body"].read() == b"checked" and got[f"Checksum{algorithm}"]
    for n in range(25):
        s3.put_object(Bucket="first", Key=f"d{n % 3}/{n:02d}", Body=b"x")
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket="first", PaginationConfig={"PageSize": 7}))
    keys = [o["Key"] for p in pages for o in p["Contents"]]
    assert len(keys) == 28 and keys == sorted(keys, key=str.encode) and len(pages) == 4
    folders = s3.list_objects_v2(Bucket="first", Delimiter="/")
    assert [p["Prefix"] for p in folders["CommonPrefixes"]] == ["a b/", "d0/", "d1/", "d2/"] and folders[
        "KeyCount"
    ] == 6
    seen, token = [], {}
    while True:
        page = s3.list_objects_v2(Bucket="first", Delimiter="/", MaxKeys=1, **token)
        seen += [p["Prefix"] for p in page.get("CommonPrefixes", [])] + [o["Key"] for o in page.get("Contents", [])]
        if not page["IsTruncated"]:
            break
        token = {"ContinuationToken": page["NextContinuationToken"]}
    assert seen == ["a b/", "copy", "d0/", "d1/", "d2/", "sum"], seen
    old = s3.list_objects(Bucket="first", Prefix="d1/", MaxKeys=3)
    assert (
        old["IsTruncated"]
        and s3.list_objects(Bucket="first", Prefix="d1/", Marker=old["Contents"][-1]["Key"])["Contents"]
    )
    gone = s3.delete_objects(Bucket="first", Delete={"Objects": [{"Key": k} for k in keys]})
    assert len(gone["Deleted"]) == 28
    s3.delete_object(Bucket="first", Key="never was")
    s3.delete_bucket(Bucket="first")


def multipart(s3: Any) -> None:
    s3.create_bucket(Bucket="parts")
    data = os.urandom(12 << 20)
    s3.upload_fileobj(
        io.BytesIO(data),
        "parts",
        "big",
        Config=TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20),
        ExtraArgs={"Metadata": {"m": "1"}},
    )
    head = s3.head_object(Bucket="parts", Key="big")
    assert head["ETag"].endswith('-3"') and head["ContentLength"] == len(data) and head["Metadata"] == {"m": "1"}
    out = io.BytesIO()
    s3.download_fileobj("parts", "big", out)
    assert out.getvalue() == data
    assert (
        s3.get_object(Bucket="parts", Key="big", Range=f"bytes={(5 << 20) - 5}-{(5 << 20) + 4}")["Body"].read()
        == data[(5 << 20) - 5 : (5 << 20) + 5]
    )
    assert s3.get_object(Bucket="parts", Key="big", PartNumber=3)["ContentLength"] == 2 << 20
    up = s3.create_multipart_upload(Bucket="parts", Key="copied")["UploadId"]
    tags = [
        s3.upload_part_copy(
            Bucket="parts", Key="copied", UploadId=up, PartNumber=n, CopySource="parts/big", CopySourceRange=r
        )["CopyPartResult"]["ETag"]
        for n, r in ((1, f"bytes=0-{(6 << 20) - 1}"), (2, f"bytes={6 << 20}-{(12 << 20) - 1}"))
    ]
    assert len(s3.list_parts(Bucket="parts", Key="copied", UploadId=up)["Parts"]) == 2
    assert s3.list_multipart_uploads(Bucket="parts")["Uploads"][0]["Key"] == "copied"
    refused(
        "InvalidPart",
        s3.complete_multipart_upload,
        Bucket="parts",
        Key="copied",
        UploadId=up,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": '"0"'}]},
    )
    refused(
        "InvalidPartOrder",
        s3.complete_multipart_upload,
        Bucket="parts",
        Key="copied",
        UploadId=up,
        MultipartUpload={"Parts": [{"PartNumber": 2, "ETag": tags[1]}, {"PartNumber": 1, "ETag": tags[0]}]},
    )
    s3.complete_multipart_upload(
        Bucket="parts",
        Key="copied",
        UploadId=up,
        MultipartUpload={"Parts": [{"PartNumber": n + 1, "ETag": t} for n, t in enumerate(tags)]},
    )
    assert s3.get_object(Bucket="parts", Key="copied")["Body"].read() == data
    up = s3.create_multipart_upload(Bucket="parts", Key="small")["UploadId"]
    tags = [
        s3.upload_part(Bucket="parts", Key="small", UploadId=up, PartNumber=n, Body=b"x" * 100)["ETag"] for n in (1, 2)
    ]
    refused(
        "EntityTooSmall",
        s3.complete_multipart_upload,
        Bucket="parts",
        Key="small",
        UploadId=up,
        MultipartUpload={"Parts": [{"PartNumber": n + 1, "ETag": t} for n, t in enumerate(tags)]},
    )
    s3.abort_multipart_upload(Bucket="parts", Key="small", UploadId=up)
    refused("NoSuchUpload", s3.list_parts, Bucket="parts", Key="small", UploadId=up)


def versions(s3: Any) -> None:
    s3.create_bucket(Bucket="versions")
    s3.put_object(Bucket="versions", Key="o", Body=b"0")
    s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    ids = [s3.put_object(Bucket="versions", Key="o", Body=str(n).encode())["VersionId"] for n in (1, 2)]
    marker = s3.delete_object(Bucket="versions", Key="o")
    assert marker["DeleteMarker"]
    refused("NoSuchKey", s3.get_object, Bucket="versions", Key="o")
    assert s3.get_object(Bucket="versions", Key="o", VersionId=ids[0])["Body"].read() == b"1"
    assert s3.get_object(Bucket="versions", Key="o", VersionId="null")["Body"].read() == b"0"
    listed = s3.list_object_versions(Bucket="versions")
    assert [v["VersionId"] for v in listed["Versions"]] == [ids[1], ids[0], "null"] and listed["DeleteMarkers"][0][
        "IsLatest"
    ]
    s3.delete_object(Bucket="versions", Key="o", VersionId=marker["VersionId"])
    assert s3.get_object(Bucket="versions", Key="o")["Body"].read() == b"2"
    refused("BucketNotEmpty", s3.delete_bucket, Bucket="versions")


def settings(s3: Any) -> None:
    s3.create_bucket(Bucket="settings")
    s3.put_object(Bucket="settings", Key="o", Body=b"x", Tagging="a=1&b=2")
    assert len(s3.get_object_tagging(Bucket="settings", Key="o")["TagSet"]) == 2
    s3.put_object_tagging(Bucket="settings", Key="o", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    assert s3.get_object_tagging(Bucket="settings", Key="o")["TagSet"] == [{"Key": "k", "Value": "v"}]
    refused("NoSuchTagSet", s3.get_bucket_tagging, Bucket="settings")
    s3.put_bucket_cors(
        Bucket="settings",
        CORSConfiguration={
            "CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["http://*.example"], "MaxAgeSeconds": 9}]
        },
    )
    assert s3.get_bucket_cors(Bucket="settings")["CORSRules"][0]["MaxAgeSeconds"] == 9
    s3.put_bucket_lifecycle_configuration(
        Bucket="settings",
        LifecycleConfiguration={
            "Rules": [{"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 3}}]
        },
    )
    assert s3.get_bucket_lifecycle_configuration(Bucket="settings")["Rules"][0]["Expiration"]["Days"] == 3
    s3.put_bucket_website(
        Bucket="settings",
        WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "err"}},
    )
    assert s3.get_bucket_website(Bucket="settings")["ErrorDocument"]["Key"] == "err"
    refused("ServerSideEncryptionConfigurationNotFoundError", s3.get_bucket_encryption, Bucket="settings")
    refused("NotImplemented", s3.get_bucket_notification_configuration, Bucket="settings")
    refused("NotImplemented", s3.put_object, Bucket="settings", Key="x", Body=b"", StorageClass="GLACIER")
    refused("MalformedPolicy", s3.put_bucket_policy, Bucket="settings", Policy='{"Statement": [{"Effect": "Maybe"}]}')
    url = f"{ENDPOINT}/settings/o"

    def code(address: str) -> int:
        try:
            with urllib.request.urlopen(address) as got:
                return int(got.status)
        except urllib.error.HTTPError as e:
            return e.code

    assert code(url) == 403
    allow = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::settings/*"}
    s3.put_bucket_policy(Bucket="settings", Policy=json.dumps({"Version": "2012-10-17", "Statement": [allow]}))
    assert code(url) == 200
    deny = allow | {"Effect": "Deny", "Resource": "arn:aws:s3:::settings/o"}
    s3.put_bucket_policy(Bucket="settings", Policy=json.dumps({"Version": "2012-10-17", "Statement": [allow, deny]}))
    assert code(url) == 403
    refused("AccessDenied", s3.get_object, Bucket="settings", Key="o")
    s3.delete_bucket_policy(Bucket="settings")
    s3.put_object_acl(Bucket="settings", Key="o", ACL="public-read")
    assert code(url) == 200 and len(s3.get_object_acl(Bucket="settings", Key="o")["Grants"]) == 2
    s3.put_object_acl(Bucket="settings", Key="o", ACL="private")
    assert code(url) == 403
    signed = s3.generate_presigned_url("get_object", Params={"Bucket": "settings", "Key": "o"}, ExpiresIn=60)
    assert code(signed) == 200 and code(signed.replace("settings/o", "settings/p")) == 403
    put = s3.generate_presigned_url("put_object", Params={"Bucket": "settings", "Key": "sent"}, ExpiresIn=60)
    with urllib.request.urlopen(urllib.request.Request(put, data=b"sent", method="PUT")) as got:
        assert got.status == 200
    stolen = urllib.request.Request(put, data=b"", method="PUT", headers={"x-amz-copy-source": "/settings/o"})
    try:
        urllib.request.urlopen(stolen)
        raise AssertionError("an unsigned copy source was obeyed")
    except urllib.error.HTTPError as e:
        assert e.code == 403
    refused(
        "SignatureDoesNotMatch",
        boto3.client(
            "s3",
            endpoint_url=ENDPOINT,
            aws_access_key_id=os.environ["ACCESS"],
            aws_secret_access_key="no",
            region_name="us-east-1",
            config=Config(retries={"max_attempts": 1}),
        ).get_object,
        Bucket="settings",
        Key="o",
    )


def locks(s3: Any) -> None:
    s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    v = s3.put_object(
        Bucket="locked", Key="o", Body=b"x", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=later
    )["VersionId"]
    refused("AccessDenied", s3.delete_object, Bucket="locked", Key="o", VersionId=v)
    s3.delete_object(Bucket="locked", Key="o")
    s3.delete_object(Bucket="locked", Key="o", VersionId=v, BypassGovernanceRetention=True)
    v = s3.put_object(Bucket="locked", Key="h", Body=b"x")["VersionId"]
    s3.put_object_legal_hold(Bucket="locked", Key="h", LegalHold={"Status": "ON"})
    refused("AccessDenied", s3.delete_object, Bucket="locked", Key="h", VersionId=v)
    s3.put_object_legal_hold(Bucket="locked", Key="h", LegalHold={"Status": "OFF"})
    s3.put_object_retention(Bucket="locked", Key="h", Retention={"Mode": "COMPLIANCE", "RetainUntilDate": later})
    refused("AccessDenied", s3.delete_object, Bucket="locked", Key="h", VersionId=v, BypassGovernanceRetention=True)
    refused(
        "InvalidBucketState", s3.put_bucket_versioning, Bucket="locked", VersioningConfiguration={"Status": "Suspended"}
    )
    s3.put_object_lock_configuration(
        Bucket="locked",
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 2}},
        },
    )
    s3.put_object(Bucket="locked", Key="d", Body=b"x")
    assert s3.get_object_retention(Bucket="locked", Key="d")["Retention"]["Mode"] == "GOVERNANCE"


if __name__ == "__main__":
    for story in (objects, multipart, versions, settings, locks):
        story(client(signature_version="s3v4"))
        print(story.__name__, "ok", flush=True)
