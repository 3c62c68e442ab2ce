# SPDX-License-Identifier: Apache-2.0
"""Attacks on the object store that were once answered, by the numbers under which they were found."""

from __future__ import annotations

import ast
import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import virga.services.objects
from accounts import Account, S3Key, serve_in_thread
from sim_cloud import SimCloud, make
from virga.services.objects.http import LAST, count_of, sender
from virga.services.objects.s3.chunked import Body
from virga.services.objects.s3.errors import S3Error
from virga.services.objects.s3.sign import Signed

END = "4000000000"
SOURCES = Path(virga.services.objects.__file__).parent


def part(name: str, value: bytes, filename: str | None = None) -> bytes:
    more = "" if filename is None else f'; filename="{filename}"'
    return f'--edge\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value + b"\r\n"


def swift_fields(a: Account, box: str, **fields: str) -> list[bytes]:
    """The fields of a form for the container, signed with the account's key."""
    sent = {"redirect": "", "max_file_size": "1", "max_file_count": "1", "expires": END} | fields
    text = "\n".join([f"{a.base.removeprefix('/object-store')}/{box}/", *sent.values()])
    sent["signature"] = hmac.new(b"k", text.encode(), hashlib.sha256).hexdigest()
    return [part(k, v.encode()) for k, v in sent.items()]


def post(sim: SimCloud, path: str, parts: list[bytes]) -> Any:
    return sim.http.post(
        path,
        content=b"".join(parts) + b"--edge--\r\n",
        headers={"content-type": "multipart/form-data; boundary=edge"},
        follow_redirects=False,
    )


# -- M1 ------------------------------------------------------------------------------------------------------------


def test_m1_fields_after_the_first_file_of_a_form_permit_nothing(shared: SimCloud) -> None:
    """FormPost: size, count, redirection and time stay what was signed, whatever fields follow the first file."""
    a = Account(shared.tenant("m1"))
    a("POST", code=204, X_Account_Meta_Temp_Url_Key="k")
    a("PUT", "/box", code=201)
    where, good = f"{a.base}/box/", swift_fields(a, "box", redirect="http://good.example.com/done")
    more = [part("max_file_size", b"999999"), part("max_file_count", b"99")]
    got = post(shared, where, [*good, part("f", b"1", "one"), *more, part("f", b"x" * 5000, "two")])
    assert got.status_code == 401, "the second file came with fields that nobody signed"
    assert a.names("/box") == ["one"]
    got = post(shared, where, [*good, part("f", b"1", "one"), part("redirect", b"http://evil.example.com/")])
    assert got.status_code == 303 and got.headers["location"].startswith("http://good.example.com/done?status=201")
    got = post(shared, where, [*good, part("f", b"", ""), *more, part("f", b"x" * 5000, "three")])
    assert got.status_code == 401 and a.names("/box") == ["one"]
    got = post(shared, where, [*good, part("f", b"1", "one"), part("f", b"1", "four")])
    assert got.status_code == 400 and a.names("/box") == ["one"], "one file was signed for"


def test_m1_each_file_may_come_with_its_own_signature(shared: SimCloud) -> None:
    """As upstream has it: fields that are signed again before the second file count for it."""
    a = Account(shared.tenant("m1-anew"))
    a("POST", code=204, X_Account_Meta_Temp_Url_Key="k")
    a("PUT", "/box", code=201)
    two = swift_fields(a, "box", max_file_count="2", max_file_size="10")
    got = post(shared, f"{a.base}/box/", [*swift_fields(a, "box"), part("f", b"1", "a"), *two, part("f", b"22", "b")])
    assert got.status_code == 201 and a.names("/box") == ["a", "b"]


def test_m1_the_form_acts_by_its_permit_alone() -> None:
    """After the check the code of forms reads no signed field again: it has the permit."""
    tree = ast.parse((SOURCES / "swift/tempurl.py").read_text())
    form = next(n for n in ast.walk(tree) if isinstance(n, ast.AsyncFunctionDef) and n.name == "_form")
    words = {n.value for n in ast.walk(form) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    assert words.isdisjoint({"redirect", "max_file_size", "max_file_count", "expires", "signature"})


@pytest.mark.parametrize("redirect", ["http://[", "javascript:alert(1)", "http://[::1", "//x"])
def test_m1_an_address_that_is_none_is_not_gone_to(shared: SimCloud, redirect: str) -> None:
    a = Account(shared.tenant(f"m1-{hashlib.md5(redirect.encode()).hexdigest()}"))
    a("POST", code=204, X_Account_Meta_Temp_Url_Key="k")
    a("PUT", "/box", code=201)
    got = post(shared, f"{a.base}/box/", [*swift_fields(a, "box", redirect=redirect), part("f", b"1", "one")])
    assert got.status_code == 201 and "location" not in got.headers


# -- M2 ------------------------------------------------------------------------------------------------------------


def test_m2_a_client_does_not_choose_its_address_or_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    """X-Forwarded-For and -Proto of somebody who is no listed proxy open no bucket policy and no temporary address."""
    monkeypatch.setenv("VIRGA_ADMIN_PASSWORD", "admin")
    import http.client

    cloud = make()
    cloud.start()
    sim = SimCloud(cloud)
    key, a = S3Key(sim), Account(sim.admin)
    key("PUT", "/m2box", code=200)
    key("PUT", "/m2box/o", b"inner", 200)
    allow = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::m2box/*"}
    conditions = [{"IpAddress": {"aws:SourceIp": "10.1.2.3/32"}}, {"Bool": {"aws:SecureTransport": "true"}}]
    text = json.dumps({"Statement": [allow | {"Condition": c} for c in conditions]})
    key("PUT", "/m2box?policy", text.encode(), 204)
    a("POST", code=204, X_Account_Meta_Temp_Url_Key="k")
    a("PUT", "/m2box/o", b"inner", 201)
    signed = f"ip=10.1.2.3\nGET\n{END}\n{a.base.removeprefix('/object-store')}/m2box/o"
    mac = hmac.new(b"k", signed.encode(), hashlib.sha256).hexdigest()
    temporary = f"{a.base}/m2box/o?temp_url_sig={mac}&temp_url_expires={END}&temp_url_ip_range=10.1.2.3"
    end = serve_in_thread(cloud)
    try:
        port = cloud.api_app.main_port
        for path in ("/s3/m2box/o", temporary):
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            line.request(
                "GET",
                path,
                headers={"X-Forwarded-For": "10.1.2.3", "X-Forwarded-Proto": "https", "Forwarded": "for=10.1.2.3"},
            )
            got = line.getresponse()
            assert got.status in {401, 403} and b"inner" not in got.read(), path
            line.close()
    finally:
        end()
        cloud.stop()


def test_m2_one_place_learns_who_asks() -> None:
    """Neither dialect looks at the scope's address or scheme but by `sender`, and nothing here reads a forwarded header."""
    for file in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
                assert not node.value.lower().startswith(("x-forwarded", "x-real-ip", "forwarded")), file
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
                of, word = node.func.value, node.args[0] if node.args else None
                if isinstance(of, ast.Name) and of.id == "scope" and isinstance(word, ast.Constant):
                    assert word.value not in {"client", "scheme"} or file.name == "http.py", file
    assert sender({"client": ("10.0.0.9", 1), "scheme": "https"}) == ("10.0.0.9", "https")
    assert sender({}) == ("", "http")


# -- M3 ------------------------------------------------------------------------------------------------------------


def s3_form(by: S3Key, bucket: str, key: str) -> list[bytes]:
    import base64

    when = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    secret, scope = by._key(when[:8])
    sent = {
        "key": key,
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": f"{by.access}/{scope}",
        "x-amz-date": when,
    }
    conditions = [{"bucket": bucket}, *({k: v} for k, v in sent.items())]
    doc = {"expiration": "2999-01-01T00:00:00Z", "conditions": conditions}
    sent["policy"] = base64.b64encode(json.dumps(doc).encode()).decode()
    sent["x-amz-signature"] = hmac.new(secret, sent["policy"].encode(), hashlib.sha256).hexdigest()
    return [part(k, v.encode()) for k, v in sent.items()]


def test_m3_a_signed_form_goes_to_the_signers_bucket(shared: SimCloud) -> None:
    """Of a name that is alice's container and mallory's bucket, alice's form means her own, as all her signed requests do."""
    alice, mallory = shared.tenant("m3-alice"), shared.tenant("m3-mallory")
    a, hers, his = Account(alice), S3Key(shared, alice), S3Key(shared, mallory)
    his("PUT", "/m3box", code=200)
    a("PUT", "/m3box", code=201)
    policy = {
        "Effect": "Allow",
        "Principal": {"AWS": alice.project},
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::m3box", "arn:aws:s3:::m3box/*"],
    }
    his("PUT", "/m3box?policy", json.dumps({"Statement": [policy]}).encode(), 204)
    got = post(shared, "/s3/m3box", [*s3_form(hers, "m3box", "photo"), part("file", b"private", "p")])
    assert got.status_code == 204, got.text
    assert a("GET", "/m3box/photo", code=200).content == b"private"
    his("GET", "/m3box/photo", code=404)
    # where S3 has given the name to nobody her container is found, too; and a stranger's signature finds nothing of hers
    a("PUT", "/m3own", code=201)
    assert post(shared, "/s3/m3own", [*s3_form(hers, "m3own", "x"), part("file", b"1", "p")]).status_code == 204
    got = post(shared, "/s3/m3own", [*s3_form(his, "m3own", "y"), part("file", b"1", "p")])
    absent = post(shared, "/s3/m3nowhere", [*s3_form(his, "m3nowhere", "y"), part("file", b"1", "p")])
    assert got.status_code == absent.status_code == 404 and "<Code>NoSuchBucket</Code>" in got.text
    assert a.names("/m3own") == ["x"]


def test_m3_the_expected_owner_is_asked_of_the_signers_bucket(shared: SimCloud) -> None:
    alice, mallory = shared.tenant("m3e-alice"), shared.tenant("m3e-mallory")
    hers, his = S3Key(shared, alice), S3Key(shared, mallory)
    his("PUT", "/m3ebox", code=200)
    Account(alice)("PUT", "/m3ebox", code=201)
    body = b"".join([*s3_form(hers, "m3ebox", "k"), part("file", b"1", "p")]) + b"--edge--\r\n"
    for owner, code in ((alice.project, 403), (mallory.project, 403)):
        # before the form is read the name is nobody's, so mallory's: an owner that is not both is refused
        got = shared.http.post(
            "/s3/m3ebox",
            content=body,
            headers={"content-type": "multipart/form-data; boundary=edge", "x-amz-expected-bucket-owner": owner},
        )
        assert got.status_code == code, got.text


def test_m3_a_signer_and_a_bucket_are_never_put_together_by_hand() -> None:
    """A request with another signer is made where its bucket is looked for; nothing else sets `signed` or `row` of a context."""
    for file in sorted((SOURCES / "s3").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id == "cls"):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                assert called != "Context", file
                assert called != "replace" or {k.arg for k in node.keywords}.isdisjoint({"signed", "row"}), file


# -- L7 ------------------------------------------------------------------------------------------------------------


def chunked_put(key: S3Key, path: str, parts: list[bytes], length: str | None) -> Any:
    """A PUT whose chunks are signed as they should be."""
    extra = {} if length is None else {"x-amz-decoded-content-length": length}
    payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    head = key.signed("PUT", f"/s3{path}", payload=payload, extra=extra)
    secret, when, scope, before = key._last
    body, empty = b"", hashlib.sha256(b"").hexdigest()
    for p in [*parts, b""]:
        text = f"AWS4-HMAC-SHA256-PAYLOAD\n{when}\n{scope}\n{before}\n{empty}\n{hashlib.sha256(p).hexdigest()}"
        before = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
        body += f"{len(p):x};chunk-signature={before}\r\n".encode() + p + b"\r\n"
    return key.sim.http.request("PUT", f"/s3{path}", content=body, headers=head)


@pytest.mark.parametrize(
    ("length", "code", "says"),
    [
        ("5", 200, ""),
        ("3", 400, "IncompleteBody"),
        ("0", 400, "IncompleteBody"),
        ("6", 400, "IncompleteBody"),
        ("9" * 18, 400, "EntityTooLarge"),
        ("9" * 40, 411, "MissingContentLength"),
        ("-5", 411, "MissingContentLength"),
        (None, 411, "MissingContentLength"),
    ],
)
def test_l7_the_decoded_length_is_the_bodys(shared: SimCloud, length: str | None, code: int, says: str) -> None:
    """x-amz-decoded-content-length of objects and parts is held to the bytes that came, short or long."""
    key = S3Key(shared)
    key("PUT", "/l7box", code=(200, 409))
    got = chunked_put(key, "/l7box/o", [b"ab", b"cde"], length)
    assert got.status_code == code and says in got.text, got.text
    made = key("POST", "/l7box/m?uploads", code=200).text
    upload = made.partition("<UploadId>")[2].partition("<")[0]
    got = chunked_put(key, f"/l7box/m?partNumber=1&uploadId={upload}", [b"ab", b"cde"], length)
    assert got.status_code == code and says in got.text, got.text
    if code != 200:
        assert "<Part>" not in key("GET", f"/l7box/m?uploadId={upload}", code=200).text


def test_l7_every_reader_of_chunks_holds_the_length() -> None:
    """The check is the body's own: also a document or a form that would come in chunks cannot say one length and be another."""

    async def read(length: str) -> bytes:
        async def source() -> AsyncIterator[bytes]:
            yield b"5\r\nabcde\r\n0\r\n\r\n"

        signed = Signed(payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        return b"".join([c async for c in Body(source(), signed, {"x-amz-decoded-content-length": length})])

    assert asyncio.run(read("5")) == b"abcde"
    for length, code in (("4", "IncompleteBody"), ("6", "IncompleteBody"), ("", "MissingContentLength")):
        with pytest.raises(S3Error) as e:
            asyncio.run(read(length))
        assert e.value.code == code


# -- L10 -----------------------------------------------------------------------------------------------------------


def test_l10_nested_manifests_stop_at_what_a_length_can_say(shared: SimCloud) -> None:
    """A manifest of manifests ends below 2^63 bytes; one that stands for more is refused, as is a dynamic one that comes to more."""
    a = Account(shared.tenant("l10"))
    a("PUT", "/c", code=201)
    a.put("/c/s", b"x" * 1000)
    size, name, n = 1000, "s", 0
    while size * 1000 <= LAST:
        n += 1
        a.put(f"/c/n{n}?multipart-manifest=put", json.dumps([{"path": f"/c/{name}"}] * 1000).encode())
        size, name = size * 1000, f"n{n}"
    head = a("HEAD", f"/c/{name}", code=200)
    assert head.headers["content-length"] == str(size) and size == 10**18
    got = a("PUT", "/c/more?multipart-manifest=put", json.dumps([{"path": f"/c/{name}"}] * 10).encode(), 400)
    assert str(LAST) in got.text
    a("PUT", "/c/nine?multipart-manifest=put", json.dumps([{"path": f"/c/{name}"}] * 9).encode(), 201)
    a("HEAD", "/c/more", code=404)
    got = a("PUT", "/c/h?multipart-manifest=put&heartbeat=on", json.dumps([{"path": "/c/nine"}] * 2).encode(), 202)
    assert "400 Bad Request" in got.text
    for copy in ("d/1", "d/2"):
        a("PUT", f"/c/{copy}?multipart-manifest=put", json.dumps([{"path": "/c/nine"}]).encode(), 201)
    a("PUT", "/c/all", b"", 201, X_Object_Manifest="c/d/")
    for method in ("HEAD", "GET"):
        got = a(method, "/c/all", code=409)
        assert "X-Conflict-Reason" in got.headers
    assert a("GET", "/c/nine", code=206, Range=f"bytes={9 * 10**18 - 1}-").content == b"x"


def test_l10_lengths_are_ascii_digits_below_two_to_the_sixty_third() -> None:
    assert count_of("0", LAST) == 0 and count_of(str(LAST), LAST) == LAST
    for text in (str(LAST + 1), "9" * 5000, "", "-1", "+1", " 1", "1 ", "1_0", "\u0663", "\u00b2", "1e3", "0x1"):
        assert count_of(text, LAST) is None, text


# -- C1 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["ec2:{0}", "{0}", "s3:{0}", "EC2:{0}", "{0}:", "ec2:{0} "])
def test_c1_an_access_keys_id_is_no_token_at_swifts_door(shared: SimCloud, spelling: str) -> None:
    """The id stands in every presigned address: in X-Auth-Token, X-Storage-Token and X-Service-Token it is nobody's."""
    key, a = S3Key(shared), Account(shared.admin)
    a("PUT", "/c1box", code=(201, 202))
    key("GET", "/", code=200)
    key.sim.http.get(f"/s3/c1box?X-Amz-Credential={key.access}")
    for header in ("X-Auth-Token", "X-Storage-Token"):
        got = shared.http.get(f"{a.base}/c1box", headers={header: spelling.format(key.access)})
        assert got.status_code == 401, (header, got.text)
    got = shared.http.get(
        f"{a.base}/c1box", headers={"X-Auth-Token": shared.admin.token, "X-Service-Token": spelling.format(key.access)}
    )
    assert got.status_code == 401, "a service's token that is none makes the user's none"


def test_c1_objects_look_tokens_up_in_one_place() -> None:
    """`entry._actor` alone asks the authenticator, and by what stands in the headers of tokens; access keys have a way of their own."""
    asking = {
        (str(file.relative_to(SOURCES)), word)
        for file in sorted(SOURCES.rglob("*.py"))
        for word in ("Authenticator", "identity.access_key")
        if word in file.read_text()
    }
    assert asking == {("swift/entry.py", "Authenticator"), ("s3/sign.py", "identity.access_key")}
