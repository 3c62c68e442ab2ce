# SPDX-License-Identifier: Apache-2.0
"""Swift's dialect where clients depend on the letter: versions' neighbours, links, manifests, sites, hosts, lists, wire."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import re
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from accounts import Account, nobody
from sim_cloud import SimCloud, make, served
from virga.ground.loops.loop import Round
from virga.ground.world import VirtualClock
from virga.services.objects import loops
from virga.services.objects.swift import large

END = 4_000_000_000


@contextlib.contextmanager
def cloud(**over: Any) -> Iterator[SimCloud]:
    made = make(**{f"objects.{k}": v for k, v in over.items()})
    made.start()
    try:
        yield SimCloud(made)
    finally:
        made.stop()


def signed(a: Account, path: str, key: str, *, prefix: str | None = None, method: str = "GET") -> str:
    text = f"{method}\n{END}\n" + (f"prefix:{a.base}{path}" if prefix is not None else a.base + path)
    text = text.replace("/object-store", "")
    mark = f"temp_url_sig={hmac.new(key.encode(), text.encode(), 'sha256').hexdigest()}&temp_url_expires={END}"
    return mark + (f"&temp_url_prefix={quote(prefix)}" if prefix is not None else "")


# -- who may -------------------------------------------------------------------------------------------------------


def test_accounts_of_services_need_both_tokens(shared: SimCloud) -> None:
    a, service = shared.tenant("svc-user"), shared.tenant("svc", "service")
    mine, theirs = Account(a), Account(service)
    mine.base = mine.base.replace("AUTH_", "SERVICE_")
    mine("PUT", "/c", code=403)
    mine("PUT", "/c", code=403, X_Service_Token=a.token)
    mine("PUT", "/c", code=401, X_Service_Token="nonsense")
    mine("PUT", "/c", code=201, X_Service_Token=service.token)
    mine("PUT", "/c/o", b"backup", 201, X_Service_Token=service.token)
    mine("GET", "/c/o", code=403)
    assert mine("GET", "/c/o", code=200, X_Service_Token=service.token).content == b"backup"
    # a service alone is nobody here, and another user's token opens nothing either
    theirs.base = mine.base
    theirs("GET", "/c/o", code=403)
    theirs("GET", "/c/o", code=403, X_Service_Token=service.token)
    nobody(Account(a))("GET", "/c/o", code=401)
    assert Account(a).names("") == []  # it is an account of its own


def test_lists_name_roles_at_home_and_names_in_the_default_domain(shared: SimCloud) -> None:
    a, b = Account(shared.tenant("list-a")), Account(shared.tenant("list-b"))
    a("PUT", "/c", code=201)
    a.put("/c/o", b"x")
    b.base = a.base
    for acl, code in (
        ("member", 403),
        ("*:member", 403),
        ("list-b-project:list-b", 200),
        ("list-b-project:other", 403),
        (f"{b.who.project}:*", 200),
    ):
        a("POST", "/c", code=204, X_Container_Read=acl)
        b("GET", "/c/o", code=code)
    # an account of a project outside the default domain takes ids alone
    domain = shared.admin.post("/identity/v3/domains", {"domain": {"name": "elsewhere"}})["domain"]["id"]
    project = shared.admin.post("/identity/v3/projects", {"project": {"name": "far", "domain_id": domain}})["project"][
        "id"
    ]
    user, role = a.who.user, shared.admin.get("/identity/v3/roles?name=member")["roles"][0]["id"]
    shared.admin.put(f"/identity/v3/projects/{project}/users/{user}/roles/{role}")
    who = {
        "identity": {"methods": ["password"], "password": {"user": {"id": user, "password": "pw"}}},
        "scope": {"project": {"id": project}},
    }
    token = shared.http.post("/identity/v3/auth/tokens", json={"auth": who}).headers["x-subject-token"]
    far = Account(type(a.who)(shared.http, token, project, user))
    far("PUT", "/c", code=201)
    assert far("HEAD", "", code=204).headers["x-account-project-domain-id"] == domain
    far.put("/c/o", b"x")
    b.base = far.base
    for acl, code in (("list-b-project:list-b", 403), (f"{b.who.project}:{b.who.user}", 200)):
        far("POST", "/c", code=204, X_Container_Read=acl)
        b("GET", "/c/o", code=code)


def test_only_owners_open_an_account_to_others(shared: SimCloud) -> None:
    a, b = Account(shared.tenant("own-a")), Account(shared.tenant("own-b"))
    a("PUT", "/c", code=201, X_Container_Meta_Temp_Url_Key="k", X_Container_Read="x:y")
    a("POST", "", code=204, X_Account_Meta_Temp_Url_Key="k")
    b.base = a.base
    secret = (
        "x-account-access-control",
        "x-account-meta-temp-url-key",
        "x-container-meta-temp-url-key",
        "x-container-read",
    )
    for level, reads, writes, owner in (
        ("read-only", 204, 403, False),
        ("read-write", 204, 204, False),
        ("admin", 204, 204, True),
    ):
        access = json.dumps({level: [f"{b.who.project}:{b.who.user}"]})
        a("POST", "", code=204, X_Account_Access_Control=access)
        heads = dict(b("HEAD", "", code=reads).headers) | dict(b("HEAD", "/c", code=reads).headers)
        assert all((h in heads) is owner for h in secret), level
        # who may write sets metadata; what opens doors does not count unless an owner says it
        opening = {"X_Container_Read": ".r:*", "X_Container_Meta_Temp_Url_Key": "mine", "X_Container_Meta_Seen": level}
        b("POST", "/c", code=writes, **opening)
        now = a("HEAD", "/c").headers
        assert (now["x-container-read"], now["x-container-meta-temp-url-key"]) == (
            (".r:*", "mine") if owner else ("x:y", "k")
        )
        assert now.get("x-container-meta-seen") == (level if writes == 204 else None)
        b("POST", "", code=204 if owner else 403, X_Account_Access_Control="{}")
        b("PUT", "", code=403)
        b("DELETE", "", code=403)
    b("HEAD", "", code=403)


# -- large objects -------------------------------------------------------------------------------------------------


def test_parts_of_a_manifest(shared: SimCloud) -> None:
    a = Account(shared.tenant("slo-parts"))
    a("PUT", "/c", code=201)
    for n in "ab":
        a.put(f"/c/{n}", n.encode() * 10)
    a(
        "PUT",
        "/c/m?multipart-manifest=put",
        json.dumps([{"path": "/c/a"}, {"data": "Yg=="}, {"path": "/c/b", "range": "0-3"}]).encode(),
        201,
    )
    etag = a("HEAD", "/c/m").headers["etag"]
    for n, (body, span) in enumerate(((b"a" * 10, "0-9"), (b"b", "10-10"), (b"bbbb", "11-14")), 1):
        got = a("GET", f"/c/m?part-number={n}", code=206)
        assert got.content == body and got.headers["content-range"] == f"bytes {span}/15"
        head = a("HEAD", f"/c/m?part-number={n}", code=206)
        assert (
            head.headers["content-length"] == str(len(body))
            and head.headers["x-parts-count"] == "3"
            and head.headers["etag"] == etag
        )
    beyond = a("GET", "/c/m?part-number=4", code=416)
    assert (
        beyond.content == b"The requested part number is not satisfiable"
        and beyond.headers["content-range"] == "bytes */15"
    )
    assert a("HEAD", "/c/m?part-number=4", code=416).headers["content-length"] == "0"
    a("GET", "/c/m?part-number=0", code=400)
    a("GET", "/c/m?part-number=1", code=400, Range="bytes=0-1")
    assert a("GET", "/c/a?part-number=7", code=200).content == b"a" * 10
    # one part, or one range, is copied as well as the whole
    a("COPY", "/c/m?part-number=3", code=201, Destination="c/part")
    a("COPY", "/c/m", code=201, Destination="c/range", Range="bytes=9-11")
    assert a("GET", "/c/part").content == b"bbbb" and a("GET", "/c/range").content == b"abb"
    a("COPY", "/c/m", code=416, Destination="c/never", Range="bytes=99-")
    # what is kept is what the client sent, and can be put again
    lines = a("GET", "/c/m?multipart-manifest=get").json()
    assert lines[1] == {"data": "Yg=="} and lines[2]["range"] == "0-3"
    raw = a("GET", "/c/m?multipart-manifest=get&format=raw")
    assert (
        raw.headers["content-type"] == "application/octet-stream"
        and raw.headers["etag"] == hashlib.md5(raw.content).hexdigest()
    )
    assert a("PUT", "/c/again?multipart-manifest=put", raw.content, 201).headers["etag"] == etag


def test_a_manifest_tells_while_it_works(shared: SimCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "YIELD_SECONDS", 0.001)
    a = Account(shared.tenant("slo-beat"))
    a("PUT", "/c", code=201)
    a.put("/c/a", b"a")
    good, bad = b'[{"path": "/c/a"}]', b'[{"path": "/c/a"}, {"path": "/c/no"}]'
    url = "/c/m?multipart-manifest=put&heartbeat=on"
    text = a("PUT", url, good, 202).text
    assert (
        text[0] == " "
        and "\r\n\r\n" in text
        and "Response Status: 201 Created\n" in text
        and a("GET", "/c/m").content == b"a"
    )
    told = a("PUT", url, bad, 202, Accept="application/json").json()
    assert told["Response Status"] == "400 Bad Request" and told["Errors"] == [["/c/no", "404 Not Found"]]
    assert "<response_status>422" in a("PUT", url, good, 202, Accept="application/xml", Etag="0" * 32).text
    # one answer at the end, without
    assert a("PUT", "/c/m?multipart-manifest=put", bad, 400).text == "Errors:\n/c/no, 404 Not Found\n"
    a("PUT", "/c/m?multipart-manifest=put", good, 412, If_None_Match="*")
    a("PUT", "/c/m?multipart-manifest=put", good, 400, If_None_Match="x")


def test_segments_are_read_with_the_readers_rights(shared: SimCloud) -> None:
    a, b = Account(shared.tenant("slo-a")), Account(shared.tenant("slo-b"))
    for c in ("/man", "/seg"):
        a("PUT", c, code=201)
    a.put("/seg/1", b"secret")
    a("PUT", "/man/m?multipart-manifest=put", b'[{"path": "/seg/1"}]', 201)
    a("POST", "/man", code=204, X_Container_Read=".r:*.example.com")
    n = nobody(a)
    n("GET", "/man/m", code=401)
    got = n("GET", "/man/m", code=409, Referer="http://www.example.com/")
    assert got.text == "<html><h1>Conflict</h1><p>There was a conflict when trying to complete your request.</p></html>"
    assert "/seg/1" in "/" + got.headers["x-conflict-reason"].partition("segment ")[2]
    a("POST", "/seg", code=204, X_Container_Read=".r:*.example.com")
    assert n("GET", "/man/m", code=200, Referer="http://www.example.com/").content == b"secret"
    # a manifest copied to another account names that account's segments, and must find them
    b("PUT", "/man", code=201, X_Container_Write=f"{a.who.project}:*")
    where = {"Destination": "man/m", "Destination_Account": f"AUTH_{b.who.project}"}
    assert b"403 Forbidden" in a("COPY", "/man/m?multipart-manifest=get", code=400, **where).content
    b("PUT", "/seg", code=201, X_Container_Read=f"{a.who.project}:*")
    assert b"404 Not Found" in a("COPY", "/man/m?multipart-manifest=get", code=400, **where).content
    b.put("/seg/1", b"secret")
    a("COPY", "/man/m?multipart-manifest=get", code=201, **where)
    # the source's errors come before the target's
    a("COPY", "/none/o", code=404, Destination="man/x", Destination_Account="AUTH_nobody")
    a("PUT", "/none/o", b"", 403, X_Copy_From="secret/o", X_Copy_From_Account=f"AUTH_{b.who.project}")


# -- links ---------------------------------------------------------------------------------------------------------


def test_links_by_the_letter(shared: SimCloud) -> None:
    a = Account(shared.tenant("link-a"))
    a("PUT", "/c", code=201)
    etag = a.put("/c/o", b"body", Content_Type="x/y").headers["etag"]
    path = f"/v1/AUTH_{a.who.project}/c/o"
    a.put("/c/l", b"", X_Symlink_Target="c/o")
    a.put("/c/s", b"", X_Symlink_Target="c/o", X_Symlink_Target_Etag=f'"{etag}"')
    listed = {e["name"]: e for e in a("GET", "/c?format=json").json()}
    assert listed["s"]["content_type"] == "x/y" and listed["l"]["content_type"] == "application/symlink"
    assert (
        listed["s"]["symlink_bytes"] == 4
        and listed["s"]["symlink_etag"] == etag
        and listed["l"]["symlink_path"] == path
    )
    # conditions are the target's; with ?symlink=get they are the link's own
    for q, tag in (("", etag), ("?symlink=get", hashlib.md5(b"").hexdigest())):
        refused = a("GET", f"/c/l{q}", code=412, If_Match="x")
        assert refused.headers["etag"] == tag and refused.headers["accept-ranges"] == "bytes"
        assert a("GET", f"/c/l{q}", code=304, If_None_Match=tag).headers["accept-ranges"] == "bytes"
        a("GET", f"/c/l{q}", code=412, If_Match=tag, If_Unmodified_Since="Mon, 01 Jan 2001 00:00:00 GMT")
        a("GET", f"/c/l{q}", code=200, If_Match=tag)
    # metadata lands on the link, and the answer says where the target is
    moved = a("POST", "/c/s", b"", 307, X_Object_Meta_A="1")
    assert moved.headers["location"].endswith(path) and moved.headers["x-symlink-target-etag"] == etag
    assert (
        a("HEAD", "/c/s?symlink=get").headers["x-object-meta-a"] == "1"
        and "x-object-meta-a" not in a("HEAD", "/c/s").headers
    )
    # what stands in the way says where
    a.put("/c/o", b"other")
    for code in (409, 404):
        assert a("GET", "/c/s", code=code).headers["content-location"] == path
        a("DELETE", "/c/o")
    for headers, code in (
        ({"X_Symlink_Target_Etag": etag}, 409),
        ({"X_Symlink_Target": "/c/o"}, 412),
        ({"X_Symlink_Target": "c"}, 412),
        ({"X_Symlink_Target": "c/x"}, 400),
        ({"X_Symlink_Target_Etag": 'a;b"'}, 400),
        ({"X_Symlink_Target": "%ff/o"}, 412),
    ):
        a("PUT", "/c/x", b"", code, **({"X_Symlink_Target": "c/o"} | headers))
    a.put("/c/o", b"body")
    for n, before in enumerate(("o", "1", "2"), 1):
        a.put(f"/c/{n}", b"", X_Symlink_Target=f"c/{before}")
    # a link that names no account means the one that it lies in, wherever it is copied to
    b = Account(shared.tenant("link-b"))
    b("PUT", "/c", code=201, X_Container_Write=f"{a.who.project}:*")
    there = {"Destination_Account": f"AUTH_{b.who.project}"}
    a("COPY", "/c/l?symlink=get", code=201, Destination="c/l", **there)
    assert b("GET", "/c/l", code=404).headers["content-location"] == f"/v1/AUTH_{b.who.project}/c/o"
    a(
        "COPY",
        "/c/l?symlink=get",
        code=201,
        Destination="c/l",
        X_Symlink_Target_Account=f"AUTH_{a.who.project}",
        **there,
    )
    assert b("GET", "/c/l", code=403).headers["content-location"] == path
    a("GET", "/c/2", code=200)
    assert a("GET", "/c/3", code=409).text == "Too many levels of symbolic links, maximum allowed is 2"


# -- sites and hosts -----------------------------------------------------------------------------------------------


def test_sites_by_the_letter(shared: SimCloud) -> None:
    a = Account(shared.tenant("site-a"))
    n = nobody(a)
    a(
        "PUT",
        "/c",
        code=201,
        X_Container_Read=".r:*,.rlistings",
        X_Container_Meta_Web_Listings="true",
        X_Container_Meta_Temp_URL_Key="k",
    )
    evil = 'a"<img src=x>&.html'
    a.put("/c/dir", b"", Content_Type="application/directory")
    a.put("/c/dir/" + quote(evil), b"x", Content_Type='x/"><script>')
    a.put("/c/dir/sub/o", b"x")
    for path in ("/c", "/c/dir"):
        assert n("GET", path, code=301).headers["location"] == f"http://127.0.0.1:8700{a.base}{path}/"
        assert a("GET", path, code=301, X_Web_Mode="true").headers["location"].endswith(f"{path}/")
    assert n("GET", "/c", code=301, Host="evil\\@x").headers["location"] == f"{a.base}/c/"  # no address of anybody's
    got = n("GET", "/c/dir/", code=200)
    assert f"<title>Listing of /v1/AUTH_{a.who.project}/c/dir/</title>" in got.text and 'href="../"' in got.text
    assert "<img" not in got.text and "<script" not in got.text and quote(evil).replace(".", "%2E") in got.text
    assert got.text.index('href="./sub/"') < got.text.index('colsize">1<'), "folders come first"
    a("POST", "/c", code=204, X_Container_Meta_Web_Listings_Css='a"b/x.css', X_Container_Meta_Web_Listings_Label="<b>")
    styled = n("GET", "/c/dir/", code=200).text
    assert 'href="../a%22b/x.css"' in styled and "Listing of &lt;b&gt;/dir/" in styled
    # with a temporary URL of a prefix, the pages below it open one another, and nothing above it does
    a("POST", "/c", code=204, X_Container_Read="")
    mark = signed(a, "/c/dir/", "k", prefix="dir/")
    for at, up in (("dir/", False), ("dir/sub/", True)):
        page = n("GET", f"/c/{at}?{mark}", code=200)
        assert (
            ('id="parent"' in page.text) is up
            and mark.split("&")[0] in page.text
            and page.headers["content-disposition"] == "inline"
        )
    link = re.search(r'href="\./(o\?[^"]+)"', n("GET", f"/c/dir/sub/?{mark}").text)
    assert link is not None and n("GET", "/c/dir/sub/" + link.group(1).replace("&amp;", "&"), code=200).content == b"x"
    n("GET", f"/c/?{mark}", code=401)
    n("GET", f"/c/?{signed(a, '/c/', 'k', prefix='')}", code=200)
    n("PUT", f"/c/?{signed(a, '/c/', 'k', prefix='', method='PUT')}", code=401)
    # nothing of the address counts but what is signed
    a.put("/c/two", b"12", X_Object_Manifest="c/dir/sub/")
    assert n("GET", f"/c/two?{signed(a, '/c/two', 'k')}&multipart-manifest=get", code=200).content == b"x"


def test_hosts_are_accounts_and_containers() -> None:
    with cloud(domain="swift.example.com") as sim:
        a = Account(sim.tenant("anna"))
        a("PUT", "/Box", code=201)
        a.put("/Box/v1/o", b"x")
        a.put("/Box//v1", b"y")
        for account in (f"AUTH_{a.who.project}", f"auth-{a.who.project}", a.who.project):
            a.base = "/object-store"
            host = f"{account}.swift.example.com"
            assert (
                a("GET", "/", code=200, Host=host).text == "Box\n"
                and a("GET", "/Box?prefix=v1", code=200, Host=host).text == "v1/o\n"
            )
            assert a("GET", "/v1/o", code=200, Host=f"Box.{host}:8080").content == b"x"
            assert a("GET", "//v1", code=200, Host=f"Box.{host}").content == b"y"
            a("PUT", "/new", b"z", 201, Host=f"Box.{host}")
            nobody(a)("GET", "/new", code=401, Host=f"Box.{host}")
        a("GET", "/", code=400, Host=f"a.b.{host}")
        a("GET", "/info", code=200)


# -- lists ---------------------------------------------------------------------------------------------------------


def test_listings_by_the_letter(sim: SimCloud) -> None:
    a = Account(sim.tenant("anna"))
    for c in ("c", "d%_", "e"):
        a("PUT", f"/{quote(c)}", code=201)
    for n in ("/f", "/d/", "/d/x", "d/", "d/x", "d/s/", "d/s/y", "g"):
        a.put(f"/c/{n}", b"")
    for path, names in (
        ("", ["d/", "g"]),
        ("/", ["/d/", "/f"]),
        ("d", ["d/s/", "d/x"]),
        ("d/", ["d/s/", "d/x"]),
        ("d/s", ["d/s/y"]),
        ("/d", ["/d/x"]),
        ("no", []),
    ):
        assert a.names(f"/c?path={path}") == names and a.names(f"/c?path={path}&reverse=1") == names[::-1]
    assert a.names("?marker=c%00") == ["d%_", "e"] and a.names("?reverse=1&marker=e%00") == ["e", "d%_", "c"]
    assert a.names("/c?reverse=1&marker=d/x%00&end_marker=d/s/") == ["d/x", "d/s/y"]
    assert a.names("/c?marker=d/&delimiter=/") == ["g"]
    for where in ("", "/c"):
        head = a("HEAD", where + "?format=xml", code=204)
        assert (
            head.headers["content-length"] == "0" and head.headers["content-type"] == "application/xml; charset=utf-8"
        )
        assert a("GET", where).headers["vary"] == "Accept" and "vary" not in a("GET", where + "?format=json").headers
    assert a("GET", "?format=json").json()[0]["storage_policy"] == "Policy-0"
    for n in range(6):
        a("PUT", f"/f-{n}", code=201)
    for q, names in (
        ("", ["c", "d%_", "e", "f-"]),
        ("&limit=4", ["c", "d%_", "e", "f-"]),
        ("&limit=1&marker=e", ["f-"]),
        ("&limit=2&marker=f-", []),
    ):
        assert a.names(f"?delimiter=-{q}") == names
    assert a.names("?delimiter=-&reverse=1&limit=3") == ["f-", "e", "d%_"]
    # names of segments are told apart by every letter of theirs
    a.put("/c/Seg1", b"A")
    a.put("/c/seg1", b"a")
    a.put("/c/man", b"", X_Object_Manifest="c/seg")
    assert a("GET", "/c/man").content == b"a" and a("GET", "/c/man", code=200, Range="bytes=0-0,0-0").content == b"a"
    # the longest of times, and a condition on it
    a.put("/c/late", b"", X_Delete_At="1" * 100)
    assert a("HEAD", "/c/late").headers["x-delete-at"] == "9999999999"
    a("DELETE", "/c/late", code=400, X_If_Delete_At="soon")
    a("DELETE", "/c/late", code=412, X_If_Delete_At="5")
    a("DELETE", "/c/late", code=204, X_If_Delete_At="9999999999")
    a("DELETE", "/c/late", code=404, X_If_Delete_At="9999999999")
    for path, code in (("/v1", 412), ("/v1//c/o", 404), ("/v1/AUTH_x//o", 404), ("/nothing", 412)):
        assert (
            sim.http.request("PUT", "/object-store" + path, headers={"X-Auth-Token": a.who.token}).status_code == code
        )


def test_versions_outlive_their_objects_time() -> None:
    clock = VirtualClock(1_700_000_000)
    made = make(clock=clock, **{"objects.open_expired": True, "objects.etag_quoter": True})
    made.start()
    try:
        sim = SimCloud(made)
        a = Account(sim.tenant("anna"))
        a("PUT", "/c", code=201, X_Versions_Enabled="true")
        a("PUT", "/d", code=201)
        id = a.put("/c/o", b"kept", X_Delete_After="5").headers["x-object-version-id"]
        a.put("/d/o", b"gone", X_Delete_After="5")
        clock.advance(6)
        for path in ("/c/o", "/d/o"):
            a("GET", path, code=404)
        assert a("GET", f"/c/o?version-id={id}", code=200).content == b"kept"
        assert a("GET", "/d/o", code=200, X_Open_Expired="true").content == b"gone"
        a("POST", "/d/o", code=202, X_Open_Expired="true", X_Delete_After="60")
        a("GET", "/d/o", code=200)
        assert [(v["version_id"], v["is_latest"]) for v in a("GET", "/c?versions").json()] == [(id, True)]
        a("DELETE", "/c", code=409)
        loops.expirer(Round(made.db, made.world, made.registry))
        assert [(v["version_id"], v["is_latest"]) for v in a("GET", "/c?versions").json()] == [(id, False)]
        a("DELETE", f"/c/o?version-id={id}", code=204)
        a("DELETE", "/c", code=204)
        # Etags in quotes: the container's word before the account's
        for where, answer, quoted in (
            ("/d", "t", True),
            ("", "t", True),
            ("/d", "f", False),
            ("/d", "", True),
            ("", "", False),
        ):
            a("POST", where, code=204, **{f"X-{'Container' if where else 'Account'}-Rfc-Compliant-Etags": answer})
            if (where, answer) == ("", "t"):
                a("POST", "/d", code=204, X_Container_Rfc_Compliant_Etags="")
            assert a("HEAD", "/d/o").headers["etag"].startswith('"') is quoted
    finally:
        made.stop()


# -- the wire ------------------------------------------------------------------------------------------------------


def talk(address: str, raw: bytes) -> bytes:
    """Bytes sent, and all that comes back until the server closes or says nothing more."""
    host, _, port = address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as s:
        s.sendall(raw)
        s.settimeout(3)
        out = b""
        with contextlib.suppress(TimeoutError):
            while more := s.recv(65536):
                out += more
        return out


def test_old_clients_are_understood() -> None:
    made = make()
    made.start()
    try:
        a = Account(SimCloud(made).tenant("anna"))
        with served(made) as address:
            token = f"X-Auth-Token: {a.who.token}\r\nHost: h\r\n".encode()
            base = a.base.encode()

            def ask(line: bytes, more: bytes = b"", body: bytes = b"", end: bytes = b"Connection: close\r\n") -> bytes:
                return talk(address, line + b" HTTP/1.1\r\n" + token + more + end + b"\r\n" + body)

            name = "k\u00f6rper".encode()
            assert ask(b"PUT " + base + b"/" + name).startswith(b"HTTP/1.1 201")
            assert b"\r\n\r\n" + name + b"\n" in ask(b"GET " + base)
            assert ask(b"PUT " + base + b"/" + name[::-1]).startswith(b"HTTP/1.1 412")
            assert ask(b"PUT " + base + b"/" + name + b"/o?" + name, b"Content-Length: 1\r\n", b"x").startswith(
                b"HTTP/1.1 201"
            )
            assert ask(b"LICK " + base).startswith(b"HTTP/1.1 405") and ask(b"GETorHEAD " + base).startswith(
                b"HTTP/1.1 405"
            )
            # a body that nobody announced spoils its own connection alone
            unsaid = ask(b"PUT " + base + b"/" + name + b"/p", b"", b"some bytes\r\nmore\r\n", end=b"")
            assert unsaid.startswith(b"HTTP/1.1 411") and unsaid.count(b"HTTP/1.1") == 1
            coded = ask(b"PUT " + base + b"/" + name + b"/p", b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n")
            assert coded.startswith(b"HTTP/1.1 501")
            head = ask(b"HEAD " + base + b"/" + name + b"/o")
            for spelt in (b"\r\nEtag: ", b"\r\nX-Timestamp: ", b"\r\nLast-Modified: ", b"\r\nX-Trans-Id: tx"):
                assert spelt in head
            assert b"\r\nconnection: keep-alive\r\n" in ask(b"GET " + base, end=b"Connection: keep-alive\r\n").lower()
            # bytes that are no text are metadata all the same
            assert ask(b"POST " + base + b"/" + name + b"/o", b"X-Object-Meta-Raw: \xff\xfe\r\n").startswith(
                b"HTTP/1.1 202"
            )
            assert b"\r\nX-Object-Meta-Raw: \xff\xfe\r\n" in ask(b"HEAD " + base + b"/" + name + b"/o")
            realm = talk(
                address, b"GET /object-store/v1/AUTH_x%22%0aX:%20y HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
            )
            assert b'realm="AUTH_x%22%0AX%3A%20y"' in realm
    finally:
        made.stop()
