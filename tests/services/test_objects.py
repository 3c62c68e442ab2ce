# SPDX-License-Identifier: Apache-2.0
"""Objects' stories in Swift's dialect."""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import hmac
import io
import json
import tarfile

import pytest

from accounts import Account
from sim_cloud import SimCloud, Tenant

NOBODY = ""


def anonymous(a: Account) -> Account:
    return Account(Tenant(a.who.http, NOBODY), a.who.project)


def test_an_object_from_birth_to_death(sim: SimCloud) -> None:
    a = Account(sim.tenant("anna"))
    a("PUT", "/c", code=201, X_Container_Meta_Colour="blue")
    a("PUT", "/c", code=202)
    for size in (0, 5, 8192, 8193, 700_001):
        data = bytes(n % 251 for n in range(size))
        put = a.put("/c/o", data, Content_Type="text/x", X_Object_Meta_Who="anna k")
        assert put.headers["etag"] == hashlib.md5(data).hexdigest()
        got = a("GET", "/c/o", code=200)
        assert got.content == data and got.headers["content-type"] == "text/x"
        assert got.headers["x-object-meta-who"].encode("latin-1").decode() == "anna k"
        head = a("HEAD", "/c/o", code=200)
        assert head.headers["content-length"] == str(size) and head.content == b""
        c = a("HEAD", "/c", code=204)
        assert (c.headers["x-container-object-count"], c.headers["x-container-bytes-used"]) == ("1", str(size))
        assert c.headers["x-container-meta-colour"] == "blue"
    a("DELETE", "/c", code=409)
    a("POST", "/c/o", code=202, X_Object_Meta_New="1")
    head = a("HEAD", "/c/o", code=200)
    assert "x-object-meta-who" not in head.headers and head.headers["x-object-meta-new"] == "1"
    a("DELETE", "/c/o", code=204)
    a("DELETE", "/c/o", code=404)
    a("GET", "/c/o", code=404)
    total = a("HEAD", "", code=204)
    assert total.headers["x-account-bytes-used"] == "0" and total.headers["x-account-container-count"] == "1"
    a("DELETE", "/c", code=204)


def test_bad_puts_leave_nothing(sim: SimCloud) -> None:
    a = Account(sim.tenant("anna"))
    a("PUT", "/c", code=201)
    a("PUT", "/c/o", b"x", code=422, Etag="0" * 32)
    a("PUT", "/nowhere/o", b"x", code=404)
    a("PUT", "/c/" + "n" * 1025, b"x", code=400)
    a("PUT", "/" + "c" * 257, code=400)
    a("PUT", "/c/o", b"x", code=400, X_Delete_At="1")
    a("PUT", "/c/o", b"x", code=400, X_Delete_After="soon")
    a("PUT", "/c/o", b"x", code=400, **{"X-Object-Meta-" + "k" * 129: "v"})
    a("PUT", "/c/o", b"x", code=400, **{"X-Object-Meta-k": "v" * 257})
    a("PUT", "/c/o", b"x", code=400, **{f"X-Object-Meta-k{n}": "v" for n in range(91)})
    a("PUT", "/c/o", b"x", code=400, If_None_Match="abc")
    assert a.names("/c") == []
    a.put("/c/o", b"1", If_None_Match="*")
    a("PUT", "/c/o", b"2", code=412, If_None_Match="*")
    assert a("GET", "/c/o").content == b"1"


def test_listings(sim: SimCloud) -> None:
    a = Account(sim.tenant("anna"))
    a("PUT", "/c", code=201)
    names = ["a", "a/b", "a/b/c", "a/d", "b--x", "b--y", "b-z", "\u00e4", "\U0001f600", "z/1", "z/2"]
    for n in names:
        a.put(f"/c/{n}", n.encode())
    order = sorted(names, key=str.encode)
    assert a.names("/c") == order
    assert a.names("/c?reverse=true") == order[::-1]
    assert a.names("/c?limit=3&marker=a/b") == order[2:5]
    assert a.names("/c?end_marker=b") == [n for n in order if n < "b"]
    assert a.names("/c?reverse=on&marker=b--y&end_marker=a/b") == ["b--x", "a/d", "a/b/c"]
    assert a.names("/c?delimiter=/") == ["a", "a/", "b--x", "b--y", "b-z", "z/", "\u00e4", "\U0001f600"]
    assert a.names("/c?delimiter=/&reverse=1") == ["a", "a/", "b--x", "b--y", "b-z", "z/", "\u00e4", "\U0001f600"][::-1]
    assert a.names("/c?delimiter=--") == [
        "a",
        "a/b",
        "a/b/c",
        "a/d",
        "b--",
        "b-z",
        "z/1",
        "z/2",
        "\u00e4",
        "\U0001f600",
    ]
    assert a.names("/c?prefix=a/&delimiter=/") == ["a/b", "a/b/", "a/d"]
    assert a.names("/c?path=a") == ["a/b", "a/d"]
    assert a.names("/c?delimiter=/&limit=2") == ["a", "a/"]
    assert a.names("/c?delimiter=/&limit=2&marker=a/") == ["b--x", "b--y"]
    assert a("GET", "/c?limit=2").text == "a\na/b\n"
    xml = a("GET", "/c?format=xml&prefix=z", code=200)
    assert xml.headers["content-type"].startswith("application/xml") and "<name>z/1</name>" in xml.text
    a("GET", "/c?limit=10001", code=412)
    a("GET", "/c", code=406, Accept="image/png")
    a("PUT", "/empty", code=201)
    assert a("GET", "/empty", code=204).text == "" and a("GET", "/empty?format=json", code=200).json() == []
    for n in range(5):
        a("PUT", f"/x{n}", code=201)
    assert a.names("?prefix=x&limit=2&marker=x1") == ["x2", "x3"]
    assert a.names("?prefix=x&reverse=yes") == ["x4", "x3", "x2", "x1", "x0"]


def test_long_listing_with_folders_is_whole(sim: SimCloud) -> None:
    a = Account(sim.tenant("anna"))
    a("PUT", "/c", code=201)
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as tar:
        for n in range(700):
            tar.addfile(tarfile.TarInfo(f"d{n // 100}/f{n:04d}"))
    got = a("PUT", "/c?extract-archive=tar", body.getvalue(), 200, Accept="application/json").json()
    assert got["Number Files Created"] == 700, got
    assert a.names("/c?delimiter=/") == [f"d{n}/" for n in range(7)]
    assert a.names("/c?delimiter=/&reverse=true") == [f"d{n}/" for n in range(6, -1, -1)]
    assert len(a.names("/c?prefix=d3/")) == 100


def test_ranges_and_conditions(shared: SimCloud) -> None:
    a = Account(shared.tenant("oranges"))
    a("PUT", "/c", code=201)
    data = bytes(range(256)) * 4000
    etag = a.put("/c/o", data).headers["etag"]
    for text, want in (
        ("bytes=0-9", data[:10]),
        ("bytes=-5", data[-5:]),
        ("bytes=1023990-", data[1023990:]),
        ("bytes=262140-262150", data[262140:262151]),
    ):
        got = a("GET", "/c/o", code=206, Range=text)
        assert got.content == want and got.headers["content-length"] == str(len(want))
    many = a("GET", "/c/o", code=206, Range="bytes=0-1,10-12")
    assert b"\x00\x01\r\n" in many.content and many.headers["content-type"].startswith("multipart/byteranges")
    assert len(many.content) == int(many.headers["content-length"])
    bad = a("GET", "/c/o", code=416, Range="bytes=99999999-")
    assert bad.headers["content-range"] == f"bytes */{len(data)}"
    a("GET", "/c/o", code=200, Range="bytes=5-1")
    a("GET", "/c/o", code=304, If_None_Match=etag)
    a("GET", "/c/o", code=412, If_Match="other")
    a("GET", "/c/o", code=200, If_Match=f'"{etag}"')
    last = a("HEAD", "/c/o").headers["last-modified"]
    a("GET", "/c/o", code=304, If_Modified_Since=last)
    a("GET", "/c/o", code=412, If_Unmodified_Since="Mon, 01 Jan 2001 00:00:00 GMT")
    assert a("GET", "/c/o", code=200, Range="bytes=0-1", If_Range='"else"').content == data


def test_copy(shared: SimCloud) -> None:
    a, b = Account(shared.tenant("ocopya")), Account(shared.tenant("ocopyb"))
    for who in (a, b):
        who("PUT", "/c", code=201)
    a.put("/c/o", b"x" * 20000, X_Object_Meta_A="1", Content_Type="text/a")
    a("COPY", "/c/o", code=201, Destination="c/p", X_Object_Meta_B="2")
    head = a("HEAD", "/c/p", code=200).headers
    assert (head["x-object-meta-a"], head["x-object-meta-b"], head["content-type"]) == ("1", "2", "text/a")
    a("PUT", "/c/q", b"", 201, X_Copy_From="c/o", X_Fresh_Metadata="true")
    assert "x-object-meta-a" not in a("HEAD", "/c/q").headers and a("GET", "/c/q").content == b"x" * 20000
    a("COPY", "/c/o", code=403, Destination="c/o", Destination_Account=f"AUTH_{b.who.project}")
    b("POST", "/c", code=204, X_Container_Write=f"{a.who.project}:{a.who.user}")
    a("COPY", "/c/o", code=201, Destination="c/o", Destination_Account=f"AUTH_{b.who.project}")
    assert b("GET", "/c/o", code=200).content == b"x" * 20000
    a("PUT", "/c/z", b"", 403, X_Copy_From="c/o", X_Copy_From_Account=f"AUTH_{b.who.project}")
    a("COPY", "/c/none", code=404, Destination="c/x")
    a("COPY", "/c/o", code=412)


def test_access_lists(shared: SimCloud) -> None:
    a, b = Account(shared.tenant("oacla")), shared.tenant("oaclb")
    reader = shared.tenant("oaclr", "reader")
    other, nobody = Account(b, a.who.project), anonymous(a)
    a("PUT", "/c", code=201)
    a.put("/c/o", b"hi")
    other("GET", "/c/o", code=403)
    nobody("GET", "/c/o", code=401)
    Account(reader)("PUT", "/mine", code=403)
    Account(reader)("GET", "", code=204)
    for acl in (f"{b.project}:{b.user}", "oaclb-project:oaclb", f"*:{b.user}", f"{b.project}:*"):
        a("POST", "/c", code=204, X_Container_Read=acl)
        other("GET", "/c/o", code=200)
        other("GET", "/c", code=200)
        other("PUT", "/c/o", b"x", 403)
        nobody("GET", "/c/o", code=401)
    a("POST", "/c", code=204, X_Container_Read=".r:*")
    nobody("GET", "/c/o", code=200)
    nobody("GET", "/c", code=401)
    a("POST", "/c", code=204, X_Container_Read=".r:*,.rlistings")
    nobody("GET", "/c", code=200)
    a("POST", "/c", code=204, X_Container_Read=".r:.example.com,.r:-bad.example.com")
    nobody("GET", "/c/o", code=200, Referer="http://www.example.com/x")
    nobody("GET", "/c/o", code=401, Referer="http://bad.example.com/x")
    nobody("GET", "/c/o", code=401, Referer="http://example.com.evil.org/x")
    a("POST", "/c", code=400, X_Container_Read=".r:")
    a("POST", "/c", code=400, X_Container_Write=".r:*")
    a("POST", "/c", code=204, X_Remove_Container_Read="x")
    assert "x-container-read" not in a("HEAD", "/c").headers
    a("POST", "", code=204, X_Account_Access_Control=json.dumps({"read-only": [f"{b.project}:{b.user}"]}))
    other("GET", "", code=200)
    other("PUT", "/c/new", b"", 403)
    a("POST", "", code=400, X_Account_Access_Control='{"everything": []}')


def test_quotas(shared: SimCloud) -> None:
    a = Account(shared.tenant("oquota"))
    a("PUT", "/c", code=201, X_Container_Meta_Quota_Bytes="10", X_Container_Meta_Quota_Count="2")
    a.put("/c/1", b"x" * 6)
    a("PUT", "/c/2", b"x" * 6, 413)
    a.put("/c/1", b"x" * 10)
    a.put("/c/2", b"")
    a("PUT", "/c/3", b"", 413)
    a("POST", "/c", code=400, X_Container_Meta_Quota_Bytes="much")
    a("POST", "", code=403, X_Account_Meta_Quota_Bytes="1")
    reseller = shared.tenant("oreseller", "ResellerAdmin")
    boss = Account(reseller, a.who.project)
    boss("POST", "", code=204, X_Account_Meta_Quota_Bytes="15")
    a("PUT", "/d", code=201)
    a.put("/d/1", b"12345")
    a("PUT", "/d/2", b"1", 413)
    boss("POST", "", code=204, X_Account_Meta_Quota_Bytes="")
    a.put("/d/2", b"1")


def test_static_large_object(shared: SimCloud) -> None:
    a = Account(shared.tenant("oslo"))
    a("PUT", "/c", code=201)
    one, two = b"a" * 70000, b"b" * 50
    tags = [a.put(f"/c/s{n}", d).headers["etag"] for n, d in enumerate((one, two))]
    manifest = [
        {"path": "/c/s0", "etag": tags[0], "size_bytes": len(one)},
        {"data": base64.b64encode(b"mid").decode()},
        {"path": "/c/s1", "range": "10-19"},
    ]
    put = a("PUT", "/c/big?multipart-manifest=put", json.dumps(manifest).encode(), 201)
    want = one + b"mid" + two[10:20]
    got = a("GET", "/c/big", code=200)
    assert (
        got.content == want
        and got.headers["x-static-large-object"] == "True"
        and got.headers["etag"] == put.headers["etag"]
    )
    assert a("GET", "/c/big", code=206, Range="bytes=69998-70004").content == want[69998:70005]
    line = next(e for e in a("GET", "/c?format=json").json() if e["name"] == "big")
    assert line["bytes"] == len(want) and line["slo_etag"] == put.headers["etag"]
    raw = a("GET", "/c/big?multipart-manifest=get&format=raw", code=200).json()
    a("PUT", "/c/again?multipart-manifest=put", json.dumps(raw).encode(), 201)
    a("PUT", "/c/nested?multipart-manifest=put", json.dumps([{"path": "/c/big"}, {"path": "/c/s1"}]).encode(), 201)
    assert a("GET", "/c/nested").content == want + two
    bad = a(
        "PUT",
        "/c/bad?multipart-manifest=put",
        json.dumps([{"path": "/c/s0", "etag": "0" * 32}, {"path": "/c/none"}]).encode(),
        400,
    )
    assert "Etag Mismatch" in bad.text and "404" in bad.text
    a("COPY", "/c/big", code=201, Destination="c/flat")
    assert "x-static-large-object" not in a("HEAD", "/c/flat").headers and a("GET", "/c/flat").content == want
    a.put("/c/s1", b"changed")
    a("GET", "/c/again?multipart-manifest=get", code=200)
    gone = a("DELETE", "/c/again?multipart-manifest=delete", code=200, Accept="application/json").json()
    assert gone["Number Deleted"] == 3, gone
    a("GET", "/c/big", code=409)


def test_dynamic_large_object(shared: SimCloud) -> None:
    a = Account(shared.tenant("odlo"))
    a("PUT", "/c", code=201)
    for n in range(3):
        a.put(f"/c/seg/{n}", str(n).encode() * 10)
    a.put("/c/big", b"", X_Object_Manifest="c/seg/")
    assert a("GET", "/c/big").content == b"0" * 10 + b"1" * 10 + b"2" * 10
    assert a("GET", "/c/big", code=206, Range="bytes=8-11").content == b"0011"
    a.put("/c/seg/3", b"3")
    assert a("HEAD", "/c/big").headers["content-length"] == "31"
    assert a("GET", "/c/big?multipart-manifest=get").content == b""
    a("PUT", "/c/bad", b"", 400, X_Object_Manifest="nothing")


def test_versions_in_place(sim: SimCloud) -> None:
    a = Account(sim.tenant("anna"))
    a("PUT", "/c", code=201)
    a.put("/c/o", b"0")
    a("POST", "/c", code=204, X_Versions_Enabled="true")
    assert a("GET", "/c/o").headers["x-object-version-id"] == "null"
    ids = [a.put("/c/o", str(n).encode() * n).headers["x-object-version-id"] for n in (1, 2)]
    got = a("GET", "/c/o")
    assert got.headers["x-object-version-id"] == ids[1] and got.headers["content-location"].endswith(
        f"/c/o?version-id={ids[1]}"
    )

    def listed(query: str = "") -> list[tuple[str, bool]]:
        return [(r["version_id"], r["is_latest"]) for r in a("GET", "/c?versions" + query, code=200).json()]

    # what was there before has an id once it is old
    zero = listed()[2][0]
    assert listed() == [(ids[1], True), (ids[0], False), (zero, False)] and listed("&reverse=1") == listed()[::-1]
    assert a("GET", f"/c/o?version-id={zero}").content == b"0" and a("GET", f"/c/o?version-id={ids[0]}").content == b"1"
    a("GET", "/c/o?version-id=null", code=404)
    a("GET", "/c/o?version-id=soon", code=400)
    a("POST", f"/c/o?version-id={zero}", code=400)
    a("GET", "/c?versions&format=xml", code=406)
    a("GET", "/c?versions&version_marker=1", code=400)
    assert listed("&limit=1") == [(ids[1], True)] and listed(f"&marker=o&version_marker={ids[1]}") == [
        (ids[0], False),
        (zero, False),
    ]
    # a marker, which is not read; again one, for there is nothing to delete
    marker = a("DELETE", "/c/o", code=204).headers["x-object-version-id"]
    again = a("DELETE", "/c/o", code=404).headers["x-object-version-id"]
    gone = a("GET", f"/c/o?version-id={marker}", code=404)
    assert gone.headers["x-object-version-id"] == marker and gone.headers["content-type"].startswith(
        "application/x-deleted"
    )
    a("GET", "/c/o", code=404)
    assert listed()[:2] == [(again, True), (marker, False)]
    for m in (again, marker):
        assert a("DELETE", f"/c/o?version-id={m}", code=204).headers["x-object-current-version-id"] == "null"
    a("GET", "/c/o", code=404)
    # an old one is made the newest again, under its own id
    a("PUT", f"/c/o?version-id={ids[0]}", b"x", 400)
    a("PUT", "/c/o?version-id=null", b"", 400)
    a("PUT", "/c/o?version-id=1234567890.12345", b"", 404)
    assert a("PUT", f"/c/o?version-id={ids[0]}", b"", 201).headers["x-object-version-id"] == ids[0]
    assert a("GET", "/c/o").content == b"1" and listed() == [(ids[1], False), (ids[0], True), (zero, False)]
    a("DELETE", f"/c/o?version-id={ids[0]}", code=204)
    a("GET", "/c/o", code=404)
    a("DELETE", "/c", code=409)
    # switched off: new ones have no id and no marker, the old ones stay
    a("POST", "/c", code=204, X_Versions_Enabled="false")
    assert "x-object-version-id" not in a.put("/c/o", b"plain").headers
    a.put("/c/o", b"plainer")
    assert listed() == [("null", True), (ids[1], False), (zero, False)]
    a("DELETE", "/c/o", code=204)
    a("DELETE", "/c/o", code=404)
    for v in (zero, ids[1]):
        a("DELETE", f"/c/o?version-id={v}", code=204)
    assert a("HEAD", "/c").headers["x-container-bytes-used"] == "0"
    a("DELETE", "/c", code=204)


@pytest.mark.parametrize("header", ["X-Versions-Location", "X-History-Location"])
def test_versions_elsewhere(shared: SimCloud, header: str) -> None:
    a = Account(shared.tenant("over" + header[2:5].lower()))
    a("PUT", "/old", code=201)
    a("PUT", "/c", code=201, **{header: "old"})
    for n in range(3):
        a.put("/c/o", str(n).encode())
    assert [n[:5] for n in a.names("/old")] == ["001o/"] * 2
    a("DELETE", "/c/o", code=204)
    if header.startswith("X-Versions"):
        assert a("GET", "/c/o").content == b"1"
        a("DELETE", "/c/o", code=204)
        a("DELETE", "/c/o", code=204)
        assert a.names("/old") == []
    assert a("GET", "/c/o").status_code == 404
    if header.startswith("X-History"):
        assert len(a.names("/old")) == 4
        a("DELETE", "/c/o", code=404)
        assert len(a.names("/old")) == 5
        # as a stack, the markers are states of their own
        a("POST", "/c", code=204, X_Versions_Location="old")
        for left in (4, 2):
            a("DELETE", "/c/o", code=204)
            assert len(a.names("/old")) == left
        assert a("GET", "/c/o").content == b"2"


def test_links(shared: SimCloud) -> None:
    a = Account(shared.tenant("olink"))
    a("PUT", "/c", code=201)
    etag = a.put("/c/o", b"real", X_Object_Meta_A="1").headers["etag"]
    a.put("/c/l", b"", X_Symlink_Target="c/o")
    got = a("GET", "/c/l", code=200)
    assert got.content == b"real" and got.headers["content-location"].endswith("/c/o")
    assert a("HEAD", "/c/l?symlink=get").headers["x-symlink-target"] == "c/o"
    a.put("/c/static", b"", X_Symlink_Target="c/o", X_Symlink_Target_Etag=etag)
    a("PUT", "/c/wrong", b"", 409, X_Symlink_Target="c/o", X_Symlink_Target_Etag="0" * 32)
    a("POST", "/c/l", code=307)
    a.put("/c/o", b"other")
    a("GET", "/c/static", code=409)
    a("DELETE", "/c/o", code=204)
    a("GET", "/c/l", code=404)
    a("PUT", "/c/self", b"", 400, X_Symlink_Target="c/self")


def sign(key: str, method: str, expires: int, path: str, digest: str = "sha256") -> str:
    return hmac.new(key.encode(), f"{method}\n{expires}\n{path}".encode(), digest).hexdigest()


def test_temporary_urls(shared: SimCloud) -> None:
    a = Account(shared.tenant("otemp"))
    a("POST", "", code=204, X_Account_Meta_Temp_Url_Key="key")
    a("PUT", "/c", code=201)
    a.put("/c/o", b"hi")
    a.put("/c/p/1", b"one")
    nobody, end = anonymous(a), 4_000_000_000
    for path in (f"{a.base}/c/o", f"{a.base}/c/o".removeprefix("/object-store")):
        for digest in ("sha1", "sha256", "sha512"):
            q = f"?temp_url_sig={sign('key', 'GET', end, path, digest)}&temp_url_expires={end}"
            got = nobody("GET", f"/c/o{q}", code=200)
            assert got.content == b"hi" and got.headers["content-disposition"].startswith("attachment")
            nobody("HEAD", f"/c/o{q}", code=200)
            nobody("PUT", f"/c/o{q}", b"x", 401)
            nobody("GET", f"/c/p/1{q}", code=401)
    q = f"?temp_url_sig={sign('key', 'GET', end, 'prefix:' + a.base + '/c/p/')}&temp_url_expires={end}&temp_url_prefix=p/"
    nobody("GET", f"/c/p/1{q}", code=200)
    nobody("GET", f"/c/o{q}", code=401)
    put = f"?temp_url_sig={sign('key', 'PUT', end, a.base + '/c/new')}&temp_url_expires={end}"
    nobody("PUT", f"/c/new{put}", b"made", 201)
    nobody("PUT", f"/c/new{put}", b"", 400, X_Object_Manifest="c/p/")
    assert a("GET", "/c/new").content == b"made"
    past = f"?temp_url_sig={sign('key', 'GET', 5, a.base + '/c/o')}&temp_url_expires=5"
    nobody("GET", f"/c/o{past}", code=401)


def test_forms(shared: SimCloud) -> None:
    a = Account(shared.tenant("oform"))
    a("POST", "", code=204, X_Account_Meta_Temp_Url_Key="key")
    a("PUT", "/c", code=201)
    path, end = f"{a.base}/c/up_", 4_000_000_000
    fields = {"redirect": "", "max_file_size": "100", "max_file_count": "2", "expires": str(end)}
    fields["signature"] = hmac.new(b"key", f"{path}\n\n100\n2\n{end}".encode(), "sha256").hexdigest()
    post = lambda files, f=fields: a.who.http.post(path, data=f, files=files)  # noqa: E731
    got = post({"f1": ("one.txt", b"first", "text/plain"), "f2": ("two", b"x" * 100)})
    assert got.status_code == 201, got.text
    assert a("GET", "/c/up_one.txt").content == b"first" and a("GET", "/c/up_two").content == b"x" * 100
    assert post({"f": ("big", b"x" * 101)}).status_code == 413
    assert post({"f": ("x", b"x")}, fields | {"max_file_size": "1000"}).status_code == 401
    assert a("GET", "/c/up_big").status_code == 404


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.bz2"])
def test_archives(shared: SimCloud, kind: str) -> None:
    a = Account(shared.tenant("oarch" + kind[-3:].strip(".")))
    raw = io.BytesIO()
    big = bytes(n * 7 % 256 for n in range(900_000))
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, data in (
            ("one/a", b"a"),
            ("one/deep/" + "n" * 150, b"long"),
            ("two/big", big),
            ("toplevel", b"no container"),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    data = {"tar": lambda d: d, "tar.gz": gzip.compress, "tar.bz2": bz2.compress}[kind](raw.getvalue())
    got = a("PUT", f"?extract-archive={kind}", data, 200, Accept="application/json").json()
    assert got["Number Files Created"] == 3 and got["Response Status"].startswith("201"), got
    assert a("GET", "/two/big").content == big and a("GET", "/one/deep/" + "n" * 150).content == b"long"
    broken = a("PUT", f"?extract-archive={kind}", data[: len(data) // 2], 200, Accept="application/json").json()
    assert broken["Response Status"].startswith("400"), broken


def test_bulk_delete(shared: SimCloud) -> None:
    a = Account(shared.tenant("obulk"))
    a("PUT", "/c", code=201)
    for n in ("a", "b c", "\u00e4"):
        a.put(f"/c/{n}")
    got = a("POST", "?bulk-delete", b"c/a\n/c/b%20c\n/c/none\n/c/%C3%A4\n/c\n", 200, Accept="application/json").json()
    assert (got["Number Deleted"], got["Number Not Found"], got["Errors"]) == (4, 1, [])
    assert "c" not in a.names("")


def test_web_site(shared: SimCloud) -> None:
    a = Account(shared.tenant("oweb"))
    web = {
        "X_Container_Read": ".r:*,.rlistings",
        "X_Container_Meta_Web_Index": "index.html",
        "X_Container_Meta_Web_Error": "oops.html",
    }
    a("PUT", "/c", code=201, **web)
    a.put("/c/index.html", b"<p>home")
    a.put("/c/404oops.html", b"<p>lost")
    a.put("/c/sub/x<y", b"1")
    nobody = anonymous(a)
    nobody("GET", "/c", code=301)
    assert nobody("GET", "/c/", code=200).text == "<p>home"
    assert nobody("GET", "/c/none", code=404).text == "<p>lost"
    a("POST", "/c", code=204, X_Container_Meta_Web_Listings="true")
    nobody("GET", "/c/sub", code=301)
    page = nobody("GET", "/c/sub/", code=200).text
    assert "x&lt;y" in page and "x<y" not in page


def test_cors(shared: SimCloud) -> None:
    a = Account(shared.tenant("ocors"))
    a("PUT", "/c", code=201, X_Container_Meta_Access_Control_Allow_Origin="http://good.example")
    a.put("/c/o", b"x")
    nobody = anonymous(a)
    ok = nobody("OPTIONS", "/c/o", code=200, Origin="http://good.example", Access_Control_Request_Method="GET")
    assert ok.headers["access-control-allow-origin"] == "http://good.example"
    nobody("OPTIONS", "/c/o", code=401, Origin="http://bad.example", Access_Control_Request_Method="GET")
    assert (
        a("GET", "/c/o", Origin="http://good.example").headers["access-control-allow-origin"] == "http://good.example"
    )
    assert "access-control-allow-origin" not in a("GET", "/c/o", Origin="http://bad.example").headers


def test_info_tells_the_truth(shared: SimCloud) -> None:
    answer = shared.http.get("/info").json()
    assert answer == shared.http.get("/object-store/info").json()
    a = Account(shared.tenant("oinfo"))
    a("PUT", "/c", code=201)
    a("PUT", "/c/" + "n" * answer["swift"]["max_object_name_length"], b"", 201)
    a("PUT", "/c/" + "n" * (answer["swift"]["max_object_name_length"] + 1), b"", 400)
    assert "container_sync" not in answer and "encryption" not in answer
