# SPDX-License-Identifier: Apache-2.0
"""Every bound of the object store is told when it is passed, and the worst that is within the bounds costs the loop little."""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import json
import re
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import virga.services.objects
from accounts import Account, S3Key
from pace import slowness
from sim_cloud import SimCloud
from virga.ground.act import NOBODY
from virga.services.objects import acl, limits, model
from virga.services.objects.forms import MAX_HEAD, boundary_of, word
from virga.services.objects.http import ranges
from virga.services.objects.s3 import cors, lifecycle, policies, site, tags
from virga.services.objects.s3.errors import S3Error, parse
from virga.services.objects.swift import bulk, manifests

SOURCES = Path(virga.services.objects.__file__).parent
STEP, LONG = 0.005, 0.05
"""Seconds that the loop may be held by one step, and that a thread or a transaction may take."""


def cost(call: Callable[[], Any], rounds: int = 5) -> float:
    """CPU seconds of this thread, the best of some rounds, as on a quiet machine."""
    best = 1e9
    for _ in range(rounds):
        began = time.thread_time()
        call()
        best = min(best, time.thread_time() - began)
        if best < STEP / 2:
            return best
    return best / slowness()


@pytest.fixture(scope="module")
def swift(shared: SimCloud) -> Account:
    a = Account(shared.tenant("bounds"))
    a("PUT", "/c", code=201)
    a.put("/c/o", b"0123456789")
    return a


@pytest.fixture(scope="module")
def s3(shared: SimCloud) -> S3Key:
    key = S3Key(shared)
    key("PUT", "/boundbox", code=200)
    key("PUT", "/boundbox/o", b"x", 200)
    return key


# -- Swift ---------------------------------------------------------------------------------------------------------

LONGEST = {"path": "/c/o"}


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "code"),
    [
        ("PUT", "/" + "n" * 257, None, {}, 400),
        ("PUT", "/c/" + "n" * 1025, b"", {}, 400),
        ("PUT", "/c/" + "n" * 1024, b"", {}, 201),
        ("POST", "/c", None, {"X-Container-Meta-" + "n" * 129: "v"}, 400),
        ("POST", "/c", None, {"X-Container-Meta-A": "v" * 257}, 400),
        ("POST", "/c", None, {f"X-Container-Meta-A{n}": "v" for n in range(91)}, 400),
        ("POST", "/c", None, {f"X-Container-Meta-A{n}": "v" * 200 for n in range(21)}, 400),
        ("POST", "/c/o", None, {f"X-Object-Meta-A{n}": "v" for n in range(91)}, 400),
        ("POST", "", None, {f"X-Account-Meta-A{n}": "v" for n in range(91)}, 400),
        ("GET", "/c", None, {f"X-A{n}": "v" for n in range(limits.HEADERS + 1)}, 431),
        ("GET", "/c", None, {"X-A": "v" * (limits.HEADER + 1)}, 400),
        ("POST", "/c", None, {"X-Container-Read": ".r:" + "a" * limits.HEADER}, 400),
        ("POST", "/c", None, {"X-Versions-Location": "n" * 257}, 412),
        ("POST", "/c", None, {"X-Container-Sync-Key": "n" * 257}, 400),
        ("POST", "/c", None, {"X-Container-Meta-Quota-Bytes": "9" * 20}, 400),
        ("POST", "/c", None, {"X-Container-Meta-Quota-Count": str(1 << 63)}, 400),
        ("GET", "/c?prefix=" + "a" * limits.ADDRESS, None, {}, 414),
        ("GET", "/c?" + "&".join(f"a{n}=1" for n in range(limits.QUERY + 1)), None, {}, 412),
        ("GET", "/c?limit=10001", None, {}, 412),
        ("GET", "/c/o", None, {"Range": "bytes=" + ",".join(["0-0"] * (limits.RANGES + 1))}, 416),
        ("GET", "/c/o", None, {"Range": "bytes=0-9,0-9,0-9,0-9"}, 416),
        ("PUT", "/c/m?multipart-manifest=put", json.dumps([LONGEST] * 1001).encode(), {}, 413),
        ("PUT", "/c/m?multipart-manifest=put", b"[" + b"0," * limits.MANIFEST_LINES + b"0]", {}, 413),
        ("PUT", "/c/m?multipart-manifest=put", b" " * (limits.MANIFEST + 1), {}, 413),
        ("PUT", "/c/m?multipart-manifest=put", b"[" * 100_000, {}, 400),
        ("PUT", "/c/m?multipart-manifest=put", json.dumps([LONGEST | {"range": " " * 65 + "1-2"}]).encode(), {}, 400),
        ("PUT", "/c/m?multipart-manifest=put", json.dumps([{"path": "/c/" + "n" * 1025}]).encode(), {}, 400),
        ("PUT", "/c/m?multipart-manifest=put", json.dumps([{"path": "/" + "n" * 257 + "/o"}]).encode(), {}, 400),
        ("PUT", "/c/t", b"", {"X-Delete-After": "9" * 401}, 400),
        ("PUT", "/c/t", b"", {"X-Copy-From": "c/" + "n" * 1025}, (400, 404)),
        ("PUT", "/c/t", b"", {"X-Object-Manifest": "c"}, 400),
        ("POST", "", None, {"X-Account-Access-Control": "[" * 8000}, 400),
        ("POST", "", None, {"X-Account-Access-Control": "{" + " " * limits.HEADER + "}"}, 400),
        ("GET", "/c/o?version-id=" + "1" * 25, None, {}, 400),
        ("GET", "/c/o?temp_url_sig=" + "0" * 64 + "&temp_url_expires=" + "9" * 5000, None, {}, 401),
    ],
    ids=str,
)
def test_swift_says_what_is_too_much(
    swift: Account, method: str, path: str, body: bytes | None, headers: dict[str, str], code: Any
) -> None:
    swift(method, path, body, code, **headers)


def test_bulk_requests_count(swift: Account) -> None:
    """Lines, their lengths, failures, entries and containers of what comes in bulk."""

    def told(path: str, body: bytes, method: str = "POST") -> Any:
        return swift(method, path, body, 200, Accept="application/json").json()

    many = told("?bulk-delete", b"c/x\n" * (limits.DELETES + 1))
    assert many["Response Status"].startswith("413") and many["Number Not Found"] == 0
    assert told("?bulk-delete", b"c/x" + b"\n" * (limits.DELETES + 1))["Response Status"].startswith("413")
    assert told("?bulk-delete", b"c/" + b"n" * limits.DELETE_LINE)["Errors"][0][1].startswith("412")
    swift("POST", "?bulk-delete", b"x" * (limits.DELETES * limits.DELETE_LINE + 1), (200, 413))
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(tarfile.TarInfo("c/" + "n" * (limits.ARCHIVE_HEAD + 10)))
    assert told("?extract-archive=tar", archive.getvalue(), "PUT")["Response Status"].startswith("400")


def test_an_archive_touches_so_many_containers(swift: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MAX_CONTAINERS", 3)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for n in range(5):
            tar.addfile(tarfile.TarInfo(f"box{n}/o"))
    got = swift("PUT", "?extract-archive=tar", archive.getvalue(), 200, Accept="application/json").json()
    assert got["Response Status"].startswith("400") and "containers to create" in got["Response Body"]
    monkeypatch.setattr(bulk, "MAX_ENTRIES", 2)
    got = swift("PUT", "?extract-archive=tar", archive.getvalue(), 200, Accept="application/json").json()
    assert got["Response Status"].startswith("400") and "too many entries" in got["Response Body"]


def test_forms_have_so_many_fields(swift: Account) -> None:
    def form(*parts: bytes) -> Any:
        body = b"".join(b"--edge\r\nContent-Disposition: form-data; " + p + b"\r\n" for p in parts) + b"--edge--\r\n"
        headers = {"content-type": "multipart/form-data; boundary=edge"}
        return swift.who.http.post(f"{swift.base}/c/", content=body, headers=headers)

    assert form(*(b'name="f%d"\r\n\r\nv' % n for n in range(limits.FORM_FIELDS + 1))).status_code == 400
    assert form(b'name="f"\r\n\r\n' + b"v" * (limits.FORM_FIELD + 1)).status_code == 400
    assert form(b'name="' + b"n" * (MAX_HEAD + 1) + b'"\r\n\r\nv').status_code == 400


def test_info_tells_the_limits(swift: Account) -> None:
    told = swift.who.http.get("/object-store/info").json()
    assert told["swift"]["max_header_size"] == limits.HEADER
    assert told["slo"]["max_manifest_segments"] == limits.SEGMENTS
    assert told["slo"]["max_manifest_size"] == limits.MANIFEST
    assert told["bulk_delete"] == {"max_deletes_per_request": limits.DELETES, "max_failed_deletes": limits.FAILURES}
    assert told["bulk_upload"]["max_containers_per_extraction"] == limits.ARCHIVE_CONTAINERS
    assert told["s3api"]["max_multi_delete_objects"] == limits.MULTI_DELETE


# -- S3 ------------------------------------------------------------------------------------------------------------


def config(rule: str, count: int = 1, root: str = "CORSConfiguration") -> bytes:
    return f"<{root}>{rule * count}</{root}>".encode()


CORS = "<CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>{0}</AllowedOrigin></CORSRule>"
LIFE = "<Rule><ID>{0}</ID><Status>Enabled</Status><Prefix>{1}</Prefix><Expiration><Days>{2}</Days></Expiration></Rule>"
TAG = "<Tag><Key>{0}</Key><Value>{1}</Value></Tag>"
GRANT = '<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>READ</Permission></Grant>'
ALLOW = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::boundbox/*"}


def life(id: str = "a", prefix: str = "", days: str = "1") -> str:
    return LIFE.format(id, prefix, days)


def tagging(*found: str) -> bytes:
    return config(f"<TagSet>{''.join(found)}</TagSet>", root="Tagging")


def policy(**more: Any) -> bytes:
    return json.dumps({"Statement": [ALLOW | more]}).encode()


DEEP = b"<CORSConfiguration>" + b"<a>" * 20
LOCK = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>{}</Days></DefaultRetention></Rule></ObjectLockConfiguration>"


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "code"),
    [
        ("PUT", "/boundbox/" + "k" * 1025, b"", {}, "KeyTooLongError"),
        ("PUT", "/" + "b" * 64, b"", {}, "InvalidBucketName"),
        ("PUT", "/boundbox/k", b"", {"x-amz-meta-a": "v" * 2048}, "MetadataTooLarge"),
        ("PUT", "/boundbox/k", b"", {"x-amz-meta-a": "v" * (limits.HEADER + 1)}, "RequestHeaderSectionTooLarge"),
        ("PUT", "/boundbox/k", b"", {f"x-amz-meta-a{n}": "" for n in range(161)}, "RequestHeaderSectionTooLarge"),
        ("GET", "/boundbox?prefix=" + "a" * limits.ADDRESS, None, {}, "RequestHeaderSectionTooLarge"),
        ("GET", "/boundbox?" + "&".join(f"a{n}=1" for n in range(201)), None, {}, "InvalidRequest"),
        ("GET", "/boundbox?max-keys=2147483648", None, {}, "InvalidArgument"),
        ("GET", "/boundbox?versions=&max-keys=" + "9" * 5000, None, {}, "InvalidArgument"),
        ("GET", "/boundbox/o?uploadId=x&max-parts=-1", None, {}, "InvalidArgument"),
        ("PUT", "/boundbox/o?uploadId=x&partNumber=10001", b"", {}, "InvalidArgument"),
        ("PUT", "/boundbox?cors=", b" " * (limits.DOCUMENT + 1), {}, "MaxMessageLengthExceeded"),
        ("PUT", "/boundbox?cors=", config(CORS.format("a"), 101), {}, "MalformedXML"),
        ("PUT", "/boundbox?cors=", config(CORS.format("*</AllowedOrigin><AllowedOrigin>*"), 51), {}, "InvalidRequest"),
        ("PUT", "/boundbox?cors=", config(CORS.format("a" * 4097)), {}, "MalformedXML"),
        ("PUT", "/boundbox?cors=", config(CORS.format("**")), {}, "InvalidRequest"),
        ("PUT", "/boundbox?cors=", config(CORS.format("a") + "<a/>" * 2001), {}, "MalformedXML"),
        ("PUT", "/boundbox?cors=", DEEP, {}, "MalformedXML"),
        ("PUT", "/boundbox?lifecycle=", config(life(""), 101, "LifecycleConfiguration"), {}, "MalformedXML"),
        ("PUT", "/boundbox?lifecycle=", config(life("i" * 256), 1, "LifecycleConfiguration"), {}, "InvalidArgument"),
        (
            "PUT",
            "/boundbox?lifecycle=",
            config(life("i", "p" * 1025), 1, "LifecycleConfiguration"),
            {},
            "InvalidRequest",
        ),
        (
            "PUT",
            "/boundbox?lifecycle=",
            config(life("i", "", "9" * 20), 1, "LifecycleConfiguration"),
            {},
            "MalformedXML",
        ),
        ("PUT", "/boundbox?tagging=", tagging(*(TAG.format(f"k{n}", "") for n in range(51))), {}, "InvalidTag"),
        ("PUT", "/boundbox/o?tagging=", tagging(*(TAG.format(f"k{n}", "") for n in range(11))), {}, "InvalidTag"),
        ("PUT", "/boundbox/o?tagging=", tagging(TAG.format("k" * 129, "")), {}, "InvalidTag"),
        ("PUT", "/boundbox/o?tagging=", tagging(TAG.format("k", "v" * 257)), {}, "InvalidTag"),
        ("PUT", "/boundbox/k", b"", {"x-amz-tagging": "&".join(f"k{n}=" for n in range(11))}, "InvalidTag"),
        ("PUT", "/boundbox/k", b"", {"x-amz-tagging": "&".join(f"k{n}=" for n in range(101))}, "InvalidArgument"),
        (
            "PUT",
            "/boundbox?acl=",
            config(f"<AccessControlList>{GRANT * 101}</AccessControlList>", root="AccessControlPolicy"),
            {},
            "InvalidRequest",
        ),
        ("PUT", "/boundbox?acl=", b"", {"x-amz-grant-read": ",".join(["id=a"] * 101)}, "InvalidRequest"),
        ("PUT", "/boundbox?policy=", b" " * (limits.POLICY + 1), {}, "MalformedPolicy"),
        ("PUT", "/boundbox?policy=", policy(Sid="?" * 33), {}, "MalformedPolicy"),
        ("PUT", "/boundbox?policy=", policy(Sid="*" * 500), {}, "MalformedPolicy"),
        ("PUT", "/boundbox?policy=", policy(Resource=["arn:aws:s3:::boundbox/*?*"] * 5), {}, "MalformedPolicy"),
        ("PUT", "/boundbox?policy=", b'{"Statement":' + b"[" * 9000, {}, "MalformedPolicy"),
        ("POST", "/boundbox?delete=", config("<Object><Key>k</Key></Object>", 1001, "Delete"), {}, "MalformedXML"),
        (
            "POST",
            "/boundbox?delete=",
            config(f"<Object><Key>{'k' * 1025}</Key></Object>", 1, "Delete"),
            {},
            "MalformedXML",
        ),
        (
            "POST",
            "/boundbox?delete=",
            config(f"<Object><Key>k</Key><Size>{'9' * 4000}</Size></Object>", 1, "Delete"),
            {},
            "InvalidArgument",
        ),
        (
            "POST",
            "/boundbox/o?uploadId=x",
            config("<Part><PartNumber>1</PartNumber><ETag/></Part>", 1, "CompleteMultipartUpload").replace(
                b">1<", b">100000<"
            ),
            {},
            "MalformedXML",
        ),
        ("DELETE", "/boundbox/o", None, {"x-amz-if-match-size": "9" * 5000}, "InvalidArgument"),
        ("PUT", "/boundbox?object-lock=", LOCK.format("36501").encode(), {}, "InvalidRetentionPeriod"),
        ("PUT", "/boundbox?object-lock=", LOCK.format("9" * 4000).encode(), {}, "InvalidRetentionPeriod"),
        ("PUT", "/boundbox/k", b"", {"x-amz-website-redirect-location": "/" + "a" * 2048}, "InvalidRequest"),
        ("PUT", "/boundbox/k", b"", {"x-amz-copy-source": "boundbox/" + "k" * 1025}, ("NoSuchKey", "KeyTooLongError")),
    ],
    ids=lambda v: str(v)[:40],
)
def test_s3_says_what_is_too_much(
    s3: S3Key, method: str, path: str, body: bytes | None, headers: dict[str, str], code: Any
) -> None:
    md5 = {"content-md5": base64.b64encode(hashlib.md5(body or b"").digest()).decode()} if "delete" in path else {}
    sent = s3.signed(method, f"/s3{path}", body or b"", extra=headers | md5)
    got = s3.sim.http.request(method, f"/s3{path}", content=body, headers=sent)
    codes = code if isinstance(code, tuple) else (code,)
    assert any(f"<Code>{c}</Code>" in got.text for c in codes), f"{got.status_code} {got.text[:300]}"


def test_s3_holds_a_signature_to_names_that_are_there_once(s3: S3Key) -> None:
    head = s3.signed("GET", "/s3/boundbox")
    for names in (";".join(["host"] * 700), ";".join(["host", *(f"h{n}" for n in range(200))])):
        sent = head | {"authorization": re.sub("SignedHeaders=[^,]+", f"SignedHeaders={names}", head["authorization"])}
        assert "SignatureDoesNotMatch" in s3.sim.http.get("/s3/boundbox", headers=sent).text


def test_s3_forms_are_short_before_the_file(s3: S3Key) -> None:
    def form(*parts: bytes) -> str:
        body = b"".join(b"--edge\r\nContent-Disposition: form-data; " + p + b"\r\n" for p in parts) + b"--edge--\r\n"
        headers = {"content-type": "multipart/form-data; boundary=edge"}
        return str(s3.sim.http.post("/s3/boundbox", content=body, headers=headers).text)

    half = limits.POST_DATA // 2
    assert "MaxPostPreDataLengthExceeded" in form(*(b'name="f%d"\r\n\r\n' % n + b"v" * half for n in range(3)))
    assert "MalformedPOSTRequest" in form(b'name="f"\r\n\r\n' + b"v" * (limits.POST_DATA + 1))
    assert "MalformedPOSTRequest" in form(*(b'name="f%d"\r\n\r\nv' % n for n in range(limits.POST_FIELDS + 1)))


def test_every_document_of_s3_has_a_bound() -> None:
    """A root that is read and has no line in the table cannot be parsed."""
    for file in sorted((SOURCES / "s3").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in {
                "parse",
                "tree",
                "form",
            }:
                root = node.args[-1] if node.args else None
                if isinstance(root, ast.Constant) and isinstance(root.value, str) and root.value[:1].isupper():
                    assert root.value in limits.DOCUMENTS, f"{file.name}: {root.value}"
    with pytest.raises(KeyError):
        parse(b"<Unknown/>", "Unknown")


# -- time ----------------------------------------------------------------------------------------------------------


def patterns() -> list[tuple[str, str]]:
    """Every regular expression of the service."""
    out = []
    for file in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "re"
            ):
                first = node.args[0]
                text = (
                    first.value
                    if isinstance(first, ast.Constant)
                    else "".join(
                        p.value if isinstance(p, ast.Constant) else "name"
                        for p in first.values  # type: ignore[attr-defined]
                    )
                )
                out.append((file.name, str(text)))
    return out


@pytest.mark.parametrize(("file", "pattern"), patterns(), ids=str)
def test_no_regular_expression_goes_back(file: str, pattern: str) -> None:
    """Twenty thousand letters of any kind, behind anything that begins a match, are read in time that grows with them."""
    made = re.compile(pattern)
    begins = ("", "bytes=", "multipart/form-data;", "multipart/form-data;boundary=", "a:", ';name="', "name=", "1", "[")
    pumps = (
        " ",
        "a",
        "1",
        "-",
        ";",
        '"',
        "\\",
        "\\\\",
        "=",
        ",",
        ".",
        "\t",
        "\r",
        ":",
        "; ",
        "Signature=",
        "boundary=",
    )
    for begin in begins:
        for pump in pumps:
            text = begin + pump * (20_000 // len(pump)) + "\0"
            for call in (made.search, made.fullmatch, made.findall):
                assert cost(lambda call=call, text=text: call(text), 3) < LONG, (file, pattern, begin, pump)  # type: ignore[misc]


@pytest.mark.parametrize(
    "text",
    [
        "bytes=" + " " * 8000 + "x",
        "bytes=" + "1" + " " * 8000 + "x",
        " " * 8000,
        "bytes=" + "1-" + " " * 8000 + "2",
        "bytes=" + "-" * 8000,
        "bytes=" + "," * 8000,
        "bytes=" + ",".join(f"{n * 2}-{n * 2}" for n in range(50)),
        "bytes=" + ",".join(f"{n}-" for n in range(50)),
    ],
    ids=lambda t: t[:14],
)
def test_ranges_are_read_once(text: str) -> None:
    assert cost(lambda: ranges(text, 10**9)) < STEP
    spaces = "1" + " " * 8_000_000
    assert not manifests.is_range(spaces) and cost(lambda: manifests.is_range(spaces)) < STEP


def test_ranges_mean_what_they_meant() -> None:
    assert ranges("bytes=0-3, 5-", 10) == [(0, 4), (5, 5)] and ranges("Bytes = -4", 10) == [(6, 4)]
    assert ranges("bytes=2-1", 10) is None and ranges("bytes=-", 10) is None and ranges("lines=1-2", 10) is None
    assert ranges("bytes=10-", 10) == [] and ranges("bytes=a-b", 10) is None and ranges("bytes=1-2-3", 10) is None
    assert ranges("bytes=0-9,1-2", 10) == [(0, 10), (1, 2)] and ranges("bytes=\u0661-\u0662", 10) is None
    assert ranges("bytes=0-1,1-2,2-3", 10) == [(0, 2), (1, 2), (2, 2)] and ranges("bytes=0-9,0-9,0-9", 10) == []
    assert ranges("bytes=" + "9" * 20 + "-", 10) is None


FULL = {
    "Delete": "<Object><Key>k</Key><VersionId>1</VersionId><ETag>e</ETag><Size>1</Size></Object>",
    "CompleteMultipartUpload": "<Part><PartNumber>1</PartNumber><ETag>e</ETag><ChecksumSHA256>s</ChecksumSHA256></Part>",
}


@pytest.mark.parametrize("root", sorted(limits.DOCUMENTS))
@pytest.mark.parametrize("fill", ["\n", "&#10;", "&amp;", "a", "<a/>", "<a>\n</a>", "]]&gt;"])
def test_documents_are_read_in_a_line(root: str, fill: str) -> None:
    """What is parsed on the loop takes a step; the longest, parsed in a thread, grows no faster than its length."""

    def read(size: int) -> None:
        try:
            parse(
                f"<{root}>".encode()
                + fill.encode() * ((size - 2 * len(root) - 5) // len(fill))
                + f"</{root}>".encode(),
                root,
            )
        except S3Error:
            pass

    assert cost(lambda: read(limits.OFF_LOOP)) < STEP * 2
    most = limits.DOCUMENTS[root].bytes
    quarter, whole = cost(lambda: read(most // 4), 3), cost(lambda: read(most), 3)
    assert whole < max(8 * quarter, LONG), f"{whole:.3f}s for {most} bytes, {quarter:.3f}s for a quarter"


def test_a_policy_is_decided_in_a_step() -> None:
    """The worst policies that may be kept, tried against the longest names and headers."""
    key = "a" * 1024
    stars = limits.POLICY_STARS - 1
    arn = "arn:aws:s3:::b"
    many = {"Effect": "Allow", "Principal": "*", "Action": "s3:*"}
    resources = [f"{arn}/*aab*" for _ in range((stars - 1) // 2)]
    likes = ["*aab*" for _ in range((stars - 2) // 2)]
    agent = {"aws:useragent": "a" * limits.FACT}
    floating = ["*" + mark + "*" for mark in ("?" * 14 + "b", "a" * 4000 + "?b", "a?" * 7 + "b", "a?b")]
    docs: list[Any] = [
        {"Statement": [many | {"Resource": resources}]},
        {"Statement": [many | {"Resource": f"{arn}/*", "Condition": {"StringLike": {"aws:UserAgent": likes}}}]},
        {"Statement": [many | {"Resource": f"{arn}/*" + "a*" * 450 + "b"}]},
        {"Statement": [many | {"Resource": f"{arn}/*", "Condition": {"StringLike": {"aws:UserAgent": floating}}}]},
        {"Statement": [many | {"Resource": [arn]}] * 250},
    ]
    for doc in docs:
        raw = json.dumps(doc, separators=(",", ":")).encode()
        text = policies.check(raw, "b")
        assert cost(lambda text=text: policies.parse.__wrapped__(text)) < LONG  # type: ignore[misc]
        parsed = policies.parse(text)
        taken = cost(
            lambda parsed=parsed: policies.decide(parsed, lambda: agent, NOBODY, "s3:GetObject", f"{arn}/{key}")  # type: ignore[misc]
        )
        assert taken < STEP, f"{taken:.4f}s: {raw[:120]!r}"


def test_cors_is_looked_up() -> None:
    """The longest list of headers that a page asks for, against the most rules and patterns that a bucket has."""
    rule = (
        "<CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>http://a.example.com</AllowedOrigin>{}</CORSRule>"
    )
    stars = "<AllowedHeader>x-a-*b</AllowedHeader>" * limits.CORS_PATTERNS
    rules = cors.read(
        parse(config(rule.format(stars) + rule.format("<AllowedHeader>y</AllowedHeader>" * 1200)), "CORSConfiguration")
    )
    requested = [f"x-a-{n}" for n in range(limits.CORS_ASKED)]
    origin = "http://a.example.com"
    assert cost(lambda: site._fit(rules, origin, "GET", requested)) < STEP
    assert site._fit(rules, origin, "GET", ["y"] * (limits.CORS_ASKED + 1)) is None
    assert site._fit(rules, origin, "GET", ["x-a-1b", "y"]) is None, "one rule must let them all"
    assert (
        site._fit(rules, origin, "GET", ["x-a-1b"]) is rules[0] and site._fit(rules, origin, "GET", ["y"]) is rules[1]
    )


def test_lists_and_headers_take_a_step() -> None:
    full = ".r:a," * (limits.HEADER // 5)
    groups = (("p:u," * 3000)[: limits.HEADER]).strip(",")
    who = acl.Who("u1", "n", "p1", "pn", frozenset({"member"}), True)
    assert cost(lambda: acl.clean("X-Container-Read", full)) < STEP
    referrers, _ = acl.parse(full)
    assert cost(lambda: acl.referrer_allowed("http://b.example.com/", referrers)) < STEP
    assert cost(lambda: acl.listed(who, acl.parse(groups)[1], roles=True)) < STEP
    assert cost(lambda: acl.account_access(json.dumps({"admin": ["a"] * 1500}))) < STEP
    assert cost(lambda: tags.by_header("&".join(f"{n}{'k' * 100}={'v' * 250}" for n in range(10)))) < STEP
    assert cost(lambda: word("form-data;" + "; " * 1019, "name")) < STEP
    assert cost(lambda: word('form-data; name="' + "\\a" * 1019, "name")) < STEP
    with pytest.raises(ValueError):
        boundary_of("multipart/form-data;" + "boundary=;" * 800)
    for raw in (b"0" * 4000 + b"1 " + b"1" * 12000, b"1 " * 8192, b"00000001 " * 1820, b"9 a=b=cd\n" * 1820):
        assert cost(lambda raw=raw: bulk.read_pax(raw)) < STEP * 2  # type: ignore[misc]


def test_a_manifest_is_read_in_a_line() -> None:
    """The largest manifests, good and bad; they are read in a thread."""

    def read(raw: bytes) -> None:
        try:
            manifests.read_manifest(raw)
        except Exception as e:
            assert type(e).__name__ == "Answered", e

    full = json.dumps(
        [{"path": "/" + "c" * 256 + "/" + "o" * 1024, "etag": "e" * 32, "size_bytes": 1, "range": "0-1"}] * 1000
    )
    long = full.encode()
    assert cost(lambda: read(long)) < LONG
    data = base64.b64encode(b"x" * 1000).decode()
    mixed: list[Any] = [{"data": data}] * 5000 + [{"path": "/c/o"}]
    raw = json.dumps(mixed).encode()
    assert cost(lambda: read(raw)) < 2 * LONG, "base64 of seven megabytes, in a thread"
    spaces = json.dumps([{"path": "/c/o", "range": "1-" + " " * 1_000_000 + "x"}] * 7).encode()
    assert cost(lambda: read(spaces)) < LONG
    keys = json.dumps([{"path": "/c/o"} | {f"k{n}": 0 for n in range(300_000)}]).encode()
    quarter = json.dumps([{"path": "/c/o"} | {f"k{n}": 0 for n in range(75_000)}]).encode()
    assert cost(lambda: read(keys), 3) < 8 * cost(lambda: read(quarter), 3)


def test_a_life_cycle_is_told_in_a_step() -> None:
    rules = lifecycle.read(
        parse(
            config("".join(life(f"r{n}", "p" * 1000) for n in range(100)), root="LifecycleConfiguration"),
            "LifecycleConfiguration",
        )
    )
    o = model.Object(1, "p" * 1024, "1", True, 1.0, 1.0, "e", 1, "t", "", None, None, {}, {"tags": {"a": "b"}})
    from virga.services.objects.actions import lifecycle as meaning

    assert cost(lambda: meaning.next_end(rules, o, 86400)) < STEP


def test_many_deletes_share_short_transactions(s3: S3Key) -> None:
    """DeleteObjects of a thousand keys is twenty transactions, none of which holds the database for long."""
    from virga.services.objects.s3 import deletes

    sim = s3.sim
    for n in range(60):
        s3("PUT", f"/boundbox/d/{n}", b"x", 200)
    body = config("".join(f"<Object><Key>d/{n}</Key></Object>" for n in range(60)), root="Delete")
    took: list[int] = []
    original = deletes.remove

    def counted(tx: Any, *args: Any, **named: Any) -> Any:
        took.append(id(tx))
        return original(tx, *args, **named)

    deletes.remove = counted  # type: ignore[assignment]
    try:
        md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
        sent = s3.signed("POST", "/s3/boundbox?delete=", body, extra={"content-md5": md5})
        got = sim.http.post("/s3/boundbox?delete=", content=body, headers=sent)
    finally:
        deletes.remove = original
    assert got.text.count("<Deleted>") == 60
    assert max(took.count(t) for t in set(took)) <= limits.AT_ONCE, "so many in one transaction"
