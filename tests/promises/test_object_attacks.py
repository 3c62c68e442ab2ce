# SPDX-License-Identifier: Apache-2.0
"""What hostile tenants try on the object store, by the names of the attacks; slow and vanishing clients, and words that mean nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bodies
from accounts import Account, S3Key, nobody, serve_in_thread
from sim_cloud import SimCloud, make
from virga.services.objects import acl
from virga.services.objects.http import ranges
from virga.services.objects.s3 import policies
from virga.services.objects.s3.errors import S3Error, parse

END = 4_000_000_000


@pytest.fixture(autouse=True)
def known_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRGA_ADMIN_PASSWORD", "admin")


# -- B3, B9, B11 ---------------------------------------------------------------------------------------------------


def test_b3_headers_of_inner_servers_mean_nothing(shared: SimCloud) -> None:
    """Container-update headers make nobody connect anywhere, and system metadata cannot be set from outside."""
    a = Account(shared.tenant("b3"))
    with socket.socket() as canary:
        canary.bind(("127.0.0.1", 0))
        canary.listen()
        canary.settimeout(0.3)
        host = f"127.0.0.1:{canary.getsockname()[1]}"
        evil = {
            "X-Container-Host": host,
            "X-Container-Device": "sda",
            "X-Container-Partition": "1",
            "X-Account-Host": host,
            "X-Account-Device": "sda",
            "X-Delete-At-Host": host,
            "X-Delete-At-Container": "x",
            "X-Backend-Storage-Policy-Index": "1",
            "X-Backend-Replication": "true",
            "X-Timestamp": "9999999999.00000",
            "X-Object-Sysmeta-Slo-Etag": "x",
            "X-Container-Sysmeta-Acl": "x",
            "X-Account-Sysmeta-Core-Access-Control": "{}",
            "X-Object-Transient-Sysmeta-A": "b",
            "X-Static-Large-Object": "true",
        }
        a("PUT", "/c", code=201, **evil)
        a("PUT", "/c/o", b"[]", 201, **evil)
        a("POST", "/c/o", code=202, **evil)
        a("POST", "/c", code=204, **evil)
        a("DELETE", "/c/o", code=204, **evil)
        a("PUT", "/c/o", b"[]", 201, **evil)
        with pytest.raises(TimeoutError):
            canary.accept()
    head = a("GET", "/c/o", code=200)
    assert head.content == b"[]" and not {
        k for k in head.headers if "sysmeta" in k or "backend" in k or k == "x-static-large-object"
    }
    assert float(head.headers["x-timestamp"]) < 9e9


@pytest.mark.parametrize(
    "bomb",
    [
        b'<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><Delete><Object><Key>&b;</Key></Object></Delete>',
        b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&x;</Key></Object></Delete>',
        b'<!DOCTYPE d SYSTEM "http://127.0.0.1:1/x.dtd"><Delete/>',
        b'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]><Delete/>',
        b"<Delete>" + b"<a>" * 100000,
        b"<Delete>" + b"<a/>" * 100000 + b"</Delete>",
        b"<Other/>",
        b"not xml",
    ],
)
def test_b9_xml_names_no_file_and_does_not_grow(bomb: bytes) -> None:
    began = time.process_time()
    with pytest.raises(S3Error) as e:
        parse(bomb, "Delete")
    assert e.value.code == "MalformedXML" and time.process_time() - began < 2


@pytest.mark.parametrize("cut", [1, 5, 40, 90, 1000])
def test_b11_a_truncated_chunked_body_ends(served: tuple[SimCloud, int], cut: int) -> None:
    """An aws-chunked body that stops short is refused when the client is gone, and keeps nothing."""
    sim, port = served
    key = S3Key(sim)
    key("PUT", "/bucket11", code=(200, 409))
    whole = key.chunks([b"x" * 500, b"y" * 500])
    short = whole[: min(cut, len(whole) - 1)]
    head = key.signed(
        "PUT",
        "/s3/bucket11/o",
        host=f"127.0.0.1:{port}",
        payload="STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        extra={"x-amz-decoded-content-length": "1000"},
    )
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        lines = "".join(f"{k}: {v}\r\n" for k, v in head.items())
        s.sendall(f"PUT /s3/bucket11/o HTTP/1.1\r\n{lines}Content-Length: {len(short)}\r\n\r\n".encode() + short)
        answer = s.recv(65536)
    assert b" 400 " in answer.split(b"\r\n")[0] or b" 403 " in answer.split(b"\r\n")[0], answer[:300]
    assert key("GET", "/bucket11/o").status_code == 404


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/s3/not-yours/o", 404),
        ("/object-store/v1/AUTH_x/c/o", 401),
        ("/image/v2/images/x/file", 401),
        ("/identity/v3/nothing", 404),
    ],
)
def test_b11_a_refused_body_that_was_not_sent_ends_the_connection(
    served: tuple[SimCloud, int], path: str, code: int
) -> None:
    """Who asks first (Expect: 100-continue) and is refused must not have his next request read as the body of the last."""
    _, port = served
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        head = f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n"
        s.sendall(head.encode())
        answer = b""
        while chunk := s.recv(65536):  # ends, because the server hangs up
            answer += chunk
    assert (
        f" {code} ".encode() in answer.split(b"\r\n")[0]
        and b"connection: close" in answer.lower()
        and b"100 Continue" not in answer
    )


def test_b11_smuggled_lengths(served: tuple[SimCloud, int]) -> None:
    """Two Content-Lengths, or a length beside chunks, never make one request two."""
    _, port = served
    for head in (b"Content-Length: 5\r\nContent-Length: 6\r\n", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
            s.sendall(
                b"PUT /object-store/v1/AUTH_x/c/o HTTP/1.1\r\nHost: x\r\n"
                + head
                + b"\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
            )
            s.settimeout(1)
            got = b""
            try:
                while chunk := s.recv(65536):
                    got += chunk
            except TimeoutError:
                pass
        assert b"virga_requests" not in got, head


# -- F8 to F11 -----------------------------------------------------------------------------------------------------


def temp(a: Account, method: str, path: str, key: str = "key", end: int = END, text: str | None = None) -> str:
    signed = f"{method}\n{end}\n{a.base}{path}" if text is None else text
    return f"temp_url_sig={hmac.new(key.encode(), signed.encode(), 'sha256').hexdigest()}&temp_url_expires={end}"


def test_f8_temporary_urls_give_what_they_say(shared: SimCloud) -> None:
    a, b = Account(shared.tenant("f8a")), Account(shared.tenant("f8b"))
    for who in (a, b):
        who("PUT", "/c", code=201)
        who("PUT", "/c/o", b"secret", 201)
    a("POST", "", code=204, X_Account_Meta_Temp_Url_Key="key")
    a("POST", "/c", code=204, X_Container_Meta_Temp_Url_Key="ckey")
    a("PUT", "/d", code=201)
    a("PUT", "/d/o", b"other", 201)
    n = nobody(a)
    matrix: dict[str, dict[str, int]] = {
        "GET": {"GET": 200, "HEAD": 200, "PUT": 401, "POST": 401, "DELETE": 401},
        "HEAD": {"HEAD": 200, "GET": 401, "PUT": 401, "DELETE": 401},
        "PUT": {"PUT": 201, "HEAD": 200, "GET": 401, "DELETE": 401},
        "DELETE": {"GET": 401, "PUT": 401, "DELETE": 204},
    }
    for signed, expect in matrix.items():
        for method, code in expect.items():
            a("PUT", "/c/o", b"secret", 201)
            got = n(method, f"/c/o?{temp(a, signed, '/c/o')}", b"new" if method == "PUT" else None)
            assert got.status_code == code, (signed, method, got.status_code)
    n("GET", f"/d/o?{temp(a, 'GET', '/d/o', 'ckey')}", code=401)  # a container's key opens that container only
    n("GET", f"/c/o?{temp(a, 'GET', '/c/o', 'ckey')}", code=(200, 404))
    n("GET", f"/c?{temp(a, 'GET', '/c')}", code=401)
    n("GET", f"?{temp(a, 'GET', '')}", code=401)
    nobody(b)("GET", f"/c/o?{temp(b, 'GET', '/c/o')}", code=401)
    a("PUT", "/c/o", b"x", 201)
    for q in (
        "temp_url_sig=&temp_url_expires=",
        "temp_url_sig=00&temp_url_expires=9",
        f"temp_url_expires={END}",
        f"temp_url_sig={'0' * 64}&temp_url_expires=" + "9" * 400,
        f"temp_url_sig={'0' * 64}&temp_url_expires=-1",
        f"temp_url_sig={'g' * 64}&temp_url_expires={END}",
        f"temp_url_sig=sha256:x&temp_url_expires={END}",
    ):
        n("GET", f"/c/o?{q}", code=401)
    n("COPY", f"/c/o?{temp(a, 'COPY', '/c/o')}", code=401, Destination="c/p")
    # a PUT right makes nothing that reads other things
    for header in ({"X-Object-Manifest": "d/"}, {"X-Copy-From": "d/o"}, {"X-Symlink-Target": "d/o"}):
        n("PUT", f"/c/put?{temp(a, 'PUT', '/c/put')}", b"", 400, **header)
    n("PUT", f"/c/put?multipart-manifest=put&{temp(a, 'PUT', '/c/put')}", b'[{"path": "/d/o"}]', 201)
    assert (
        "x-static-large-object" not in a("HEAD", "/c/put", code=200).headers
        and a("GET", "/c/put").content == b'[{"path": "/d/o"}]'
    )
    # a container's key does not read another container through a manifest
    a("PUT", "/c/dlo", b"", 201, X_Object_Manifest="d/o")
    got = n("GET", f"/c/dlo?{temp(a, 'GET', '/c/dlo', 'ckey')}")
    assert b"other" not in got.content


def test_f9_unsigned_amz_headers_are_refused(shared: SimCloud) -> None:
    key = S3Key(shared)
    key("PUT", "/bucket9", code=(200, 409))
    key("PUT", "/bucket9/secret", b"secret", code=200)
    for header in (
        "x-amz-copy-source",
        "x-amz-acl",
        "x-amz-meta-x",
        "x-amz-website-redirect-location",
        "x-amz-tagging",
        "x-amz-object-lock-mode",
    ):
        url = key.presigned("PUT", "/s3/bucket9/mine")
        got = shared.http.put(url, content=b"", headers={header: "/bucket9/secret"})
        assert got.status_code == 403 and "AccessDenied" in got.text, header
        sent = key.signed("PUT", "/s3/bucket9/mine", body=b"")
        got = shared.http.put("/s3/bucket9/mine", content=b"", headers=sent | {header: "/bucket9/secret"})
        assert got.status_code == 403, header
    assert key("GET", "/bucket9/mine").status_code == 404
    # Swift's own words mean nothing at S3's API
    got = key(
        "PUT",
        "/bucket9/plain",
        b"",
        extra={
            "x-object-manifest": "bucket9/secret",
            "x-symlink-target": "bucket9/secret",
            "x-copy-from": "bucket9/secret",
            "x-auth-token": "x",
        },
    )
    assert got.status_code == 200 and key("GET", "/bucket9/plain").content == b""


def test_f9_signatures_are_for_one_request_and_a_while(shared: SimCloud) -> None:
    key = S3Key(shared)
    key("PUT", "/bucket9b", code=(200, 409))
    key("PUT", "/bucket9b/o", b"x", code=200)
    url = key.presigned("GET", "/s3/bucket9b/o")
    assert shared.http.get(url).status_code == 200
    assert shared.http.put(url, content=b"x").status_code == 403
    assert shared.http.get(url.replace("/bucket9b/o?", "/bucket9b/p?")).status_code == 403
    assert shared.http.get(url + "&versionId=null").status_code == 403
    assert shared.http.get(url, headers={"Host": "evil.example"}).status_code == 403
    assert shared.http.get(key.presigned("GET", "/s3/bucket9b/o", age=7200)).status_code == 403
    assert shared.http.get(key.presigned("GET", "/s3/bucket9b/o", expires="9" * 30)).status_code == 400
    old = key.signed("GET", "/s3/bucket9b/o", age=1000)
    assert shared.http.get("/s3/bucket9b/o", headers=old).status_code == 403
    sent = key.signed("PUT", "/s3/bucket9b/o", body=b"good")
    got = shared.http.put("/s3/bucket9b/o", content=b"evil", headers=sent)
    assert got.status_code == 400 and "XAmzContentSHA256Mismatch" in got.text
    assert key("GET", "/bucket9b/o").content == b"x"


def test_f10_loops_end_and_segments_keep_their_lists(shared: SimCloud) -> None:
    a, b = Account(shared.tenant("f10a")), Account(shared.tenant("f10b"))
    for who in (a, b):
        who("PUT", "/c", code=201)
    b("PUT", "/c/secret", b"secret", 201)
    # links in a ring
    a("PUT", "/c/l1", b"", 201, X_Symlink_Target="c/l2")
    a("PUT", "/c/l2", b"", 201, X_Symlink_Target="c/l3")
    a("PUT", "/c/l3", b"", 201, X_Symlink_Target="c/l1")
    a("GET", "/c/l1", code=409)
    # a link and a manifest into another's account show nothing
    a("PUT", "/c/theirs", b"", 201, X_Symlink_Target="c/secret", X_Symlink_Target_Account=f"AUTH_{b.who.project}")
    a("GET", "/c/theirs", code=403)
    # manifests in manifests, down to the depth and no further
    a("PUT", "/c/m0", b"0123456789", 201)
    for n in range(1, 14):
        a(f"PUT", f"/c/m{n}?multipart-manifest=put", json.dumps([{"path": f"/c/m{n - 1}"}]).encode(), 201)  # noqa: F541
    assert a("GET", "/c/m9", code=200).content == b"0123456789"
    a("GET", "/c/m13", code=409)
    a("PUT", "/c/own?multipart-manifest=put", b'[{"path": "/c/own"}]', 400)
    # a manifest in a public container does not open private segments
    a("PUT", "/private", code=201)
    a("PUT", "/private/s", b"private", 201)
    a("PUT", "/public", code=201, X_Container_Read=".r:*")
    a("PUT", "/public/slo?multipart-manifest=put", b'[{"path": "/private/s"}]', 201)
    a("PUT", "/public/dlo", b"", 201, X_Object_Manifest="private/s")
    for name in ("slo", "dlo"):
        got = nobody(a)("GET", f"/public/{name}")
        assert got.status_code in {401, 403, 409} and b"private" not in got.content
    # metadata adds up, however many requests bring it
    for n in range(90):
        a("POST", "/c", code=204, **{f"X-Container-Meta-K{n}": "v"})
    a("POST", "/c", code=400, **{"X-Container-Meta-K90": "v"})
    # a broken-off large object frees what it read
    a("PUT", "/c/bulk", b"c/x\n" * 10001, 201)
    assert "413" in a("POST", "?bulk-delete", b"c/x\n" * 10001, 200).text


def test_f10_ranges_are_bounded() -> None:
    assert ranges("bytes=" + ",".join(f"{n}-{n}" for n in range(60)), 1000) == []
    assert ranges("bytes=" + ",".join("0-" for _ in range(10)), 1000) == []
    assert ranges("bytes=0-1,5-6", 10) == [(0, 2), (5, 2)]
    began = time.perf_counter()
    ranges("bytes=" + "1-" * 40000, 10)
    assert time.perf_counter() - began < 0.1


def test_f11_versions_belong_to_their_owner(shared: SimCloud) -> None:
    a, b = Account(shared.tenant("f11a")), shared.tenant("f11b")
    other = Account(b, a.who.project)
    a(
        "PUT",
        "/c",
        code=201,
        X_Versions_Enabled="true",
        X_Container_Write=f"{b.project}:{b.user}",
        X_Container_Read=f"{b.project}:{b.user}",
    )
    version = a("PUT", "/c/o", b"1", 201).headers["x-object-version-id"]
    a("PUT", "/c/o", b"2", 201)
    other("DELETE", f"/c/o?version-id={version}", code=403)
    other("POST", "/c", code=403, X_Versions_Enabled="false")
    other("DELETE", "/c/o", code=204)  # a writer may delete; the versions stay
    assert a("GET", f"/c/o?version-id={version}").content == b"1"
    a("PUT", "/old", code=201)
    a("PUT", "/legacy", code=201, X_Versions_Location="old", X_Container_Write=f"{b.project}:{b.user}")
    a("PUT", "/legacy/o", b"1", 201)
    a("PUT", "/legacy/o", b"2", 201)
    name = a("GET", "/old?format=json").json()[0]["name"]
    other("DELETE", f"/old/{quote(name)}", code=403)


REFERRERS = st.lists(
    st.sampled_from(
        ["*", "example.com", ".example.com", "-example.com", "-.example.com", "-evil.example.com", "evil.example.com"]
    ),
    max_size=6,
)
HOSTS = st.sampled_from(
    ["example.com", "www.example.com", "evil.example.com", "notexample.com", "example.com.evil.org", "", "xexample.com"]
)


@settings(max_examples=300, deadline=None)
@given(REFERRERS, HOSTS)
def test_f11_referrers_against_a_model(rules: list[str], host: str) -> None:
    """The last rule that fits decides; a domain rule never fits a longer or a foreign name."""
    want = False
    for r in rules:
        negative, what = r.startswith("-"), r.removeprefix("-")
        fits = what == "*" or host == what or (what.startswith(".") and host.endswith(what) and host != what)
        if (fits and host) or what == "*":
            want = not negative
    assert acl.referrer_allowed(f"http://{host}/page" if host else None, rules) == want


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=".r:*,-ulistings \x00\n\"'%/ab", max_size=60))
def test_f11_any_list_is_refused_or_means_what_it_says(text: str) -> None:
    """What the grammar takes has one spelling, and nothing but `.r:` opens a container to nobody in particular."""
    from virga.ground.errors import Invalid

    try:
        clean = acl.clean("X-Container-Read", text)
    except Invalid:
        return
    assert acl.clean("X-Container-Read", clean) == clean
    referrers, groups = acl.parse(clean)
    if acl.referrer_allowed(None, referrers):
        assert any(e.strip().replace(" ", "").startswith((".r:*", ".ref", ".r:")) for e in text.split(","))
    assert not acl.listed(None, groups)


@settings(max_examples=300, deadline=None)
@given(st.text("ab*?", max_size=12), st.text("ab", max_size=12))
def test_wildcards_of_policies(pattern: str, text: str) -> None:
    import fnmatch

    assert policies.glob(pattern, text) == fnmatch.fnmatchcase(text, pattern)


def test_wildcards_end_quickly() -> None:
    began = time.perf_counter()
    assert not policies.glob("*a" * 200 + "b", "a" * 5000)
    assert time.perf_counter() - began < 2


# -- clients that go away ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SimCloud, int]]:
    """A cloud on files behind a real socket."""
    with pytest.MonkeyPatch.context() as m:
        m.setenv("VIRGA_ADMIN_PASSWORD", "admin")
        cloud = make(state=tmp_path_factory.mktemp("served") / "state", **{"objects.idle_seconds": 1})
    cloud.start()
    sim = SimCloud(cloud)
    stop = serve_in_thread(cloud)
    yield sim, cloud.api_app.main_port
    stop()
    cloud.stop()


def test_slow_and_vanishing_clients_hold_nothing(served: tuple[SimCloud, int]) -> None:
    """Uploads that stop are given up, downloads that nobody reads are not buffered."""
    sim, port = served
    a = Account(sim.admin)
    a("PUT", "/slow", code=(201, 202))
    there = bodies.files(sim)
    head = f"PUT {a.base}/slow/o HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {a.who.token}\r\nContent-Length: 50000000\r\n\r\n".encode()
    gone = []
    for _ in range(20):
        s = socket.create_connection(("127.0.0.1", port))
        s.sendall(head + b"x" * 300_000)
        gone.append(s)
    for s in gone[:10]:
        s.close()
    for s in gone[10:]:
        s.settimeout(15)
        assert b" 408 " in s.recv(4096).split(b"\r\n")[0]
        s.close()
    a("GET", "/slow/o", code=404)
    assert bodies.files(sim) == there
    a("PUT", "/slow/big", os.urandom(40 << 20), 201)
    before = rss()
    readers = []
    for _ in range(10):
        s = socket.create_connection(("127.0.0.1", port))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.sendall(f"GET {a.base}/slow/big HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {a.who.token}\r\n\r\n".encode())
        s.recv(100)
        readers.append(s)
    threading.Event().wait(1.0)
    grown = rss() - before
    for s in readers:
        s.close()
    assert grown < 100, f"ten readers of 40 MiB that read nothing cost {grown:.0f} MiB"
    assert hashlib.md5(a("GET", "/slow/big").content).hexdigest() == a("HEAD", "/slow/big").headers["etag"]


def rss() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / (1 << 20)


def test_unknown_words_never_break(shared: SimCloud) -> None:
    """Nonsense in paths, headers and queries is a 4xx."""
    a = Account(shared.tenant("nonsense"))
    a("PUT", "/c", code=201)
    for path in (
        "/%ff",
        "/c/%ff",
        "/c/%00",
        "/c/" + "%2f" * 50,
        "/c//",
        "/c/./..",
        "//",
        "/c?format=xml&limit=-1",
        "/c?marker=%ff",
        "/c?delimiter=",
        "/c?limit=1e9",
    ):
        for method in ("GET", "PUT", "POST", "DELETE", "HEAD", "COPY", "OPTIONS"):
            got = a(method, path, b"" if method == "PUT" else None)
            assert got.status_code < 500, (method, path, got.status_code, got.text[:300])
    key = S3Key(shared)
    key("PUT", "/nonsense", code=(200, 409))
    for query in (
        "uploads",
        "uploadId=x&partNumber=0",
        "uploadId=x&partNumber=1",
        "versionId=%27",
        "list-type=3",
        "max-keys=x",
        "delete",
        "policy",
        "acl",
        "tagging",
        "lifecycle",
        "cors",
    ):
        for method in ("GET", "PUT", "POST", "DELETE"):
            for path in ("/nonsense", "/nonsense/k"):
                got = key(method, f"{path}?{query}", b"<x/>" if method in {"PUT", "POST"} else None)
                assert got.status_code < 500 or got.status_code == 501, (
                    method,
                    path,
                    query,
                    got.status_code,
                    got.text[:300],
                )


def test_manifests_of_nonsense(shared: SimCloud) -> None:
    a = Account(shared.tenant("manifests"))
    a("PUT", "/c", code=201)
    for raw in (
        b"",
        b"{}",
        b"[]",
        b"[1]",
        b'[{"path": 5}]',
        b'[{"path": "x"}]',
        b'[{"path": "/c/o", "size_bytes": "x"}]',
        b'[{"path": "/c/o", "range": 5}]',
        b'[{"data": 5}]',
        b'[{"data": "?"}]',
        b'[{"path": "/c/o", "evil": 1}]',
        b"[" * 100000,
        b'[{"data": "' + base64.b64encode(b"x") + b'"}]',
        b'[{"path": "/c/none"}]',
        b'[{"path":"/c/\\u0000"}]',
    ):
        assert a("PUT", "/c/m?multipart-manifest=put", raw).status_code in {400, 413}, raw[:50]
