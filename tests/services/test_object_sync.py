# SPDX-License-Identifier: Apache-2.0
"""Containers of two clouds that are kept in step, over real sockets: realms, the old form, hostile addresses and signatures."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts import Account
from sim_cloud import BASE, SimCloud, Tenant, make, served
from virga.ground.errors import Invalid
from virga.services.objects import api
from virga.services.objects.context import ObjectContext
from virga.services.objects.realms import Realms, signature

REALM = "[us]\nkey = realm-secret\nkey2 = the-old-one\ncluster_east = {a}/object-store/v1/\ncluster_west = {b}/object-store/v1\n"


class Pair:
    """Two clouds that answer on ports of their own, in one realm; `go` lets both tell what they have to."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "container-sync-realms.conf"
        over = {
            "server.listen": "127.0.0.1:0",
            "objects.sync_realms": str(self.file),
            "objects.sync_current": "//us/east",
        }
        self.clouds = [make(**over), make(**over)]
        self.west = ""
        self.sims = [SimCloud(cloud) for cloud in self.clouds]

    def go(self) -> None:
        for _ in range(2):
            for cloud in self.clouds:
                with cloud.db.write() as tx:
                    tx.conn.exec_driver_sql("update obj_sync set due = 0")
                assert cloud.loops.once("objects.sync")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    made = Pair(tmp_path_factory.mktemp("realms"))
    with served(made.clouds[0]) as a, served(made.clouds[1]) as b:
        made.file.write_text(REALM.format(a=a, b=b))
        made.west = b
        yield made


def listing(a: Account, container: str) -> Any:
    """The lines of a listing; a link's path names its own account."""
    return [
        {k: v for k, v in e.items() if k != "symlink_path"}
        for e in a("GET", f"/{container}?format=json", code=200).json()
    ]


def test_two_containers_come_to_rest_alike(pair: Pair) -> None:
    a, b = (Account(h.tenant("step")) for h in pair.sims)
    a("PUT", "/seg", code=201)
    a("PUT", "/box", code=201)
    b("PUT", "/box", code=201)
    b("PUT", "/seg", code=201)
    a("PUT", "/box/before it began", b"old", 201, X_Object_Meta_Colour="blau \N{LATIN SMALL LETTER U WITH DIAERESIS}")
    for mine, other, cluster, there in ((a, b, "west", pair.sims[1]), (b, a, "east", pair.sims[0])):
        assert there
        for c in ("box", "seg"):
            to = f"//us/{cluster}/AUTH_{other.who.project}/{c}"
            got = mine("POST", f"/{c}", code=204, X_Container_Sync_To=to, X_Container_Sync_Key="user-secret")
            got = mine("HEAD", f"/{c}", code=204)
            assert (got.headers["x-container-sync-to"], got.headers["x-container-sync-key"]) == (to, "user-secret")
    big = os.urandom(700_000)
    a("PUT", "/box/big", big, 201, Content_Type="image/png", Content_Disposition="inline")
    a("PUT", "/seg/1", b"1" * 10, 201)
    manifest = json.dumps([{"path": "/seg/1", "range": "2-4"}, {"data": "aGVsbG8="}]).encode()
    a("PUT", "/box/slo?multipart-manifest=put", manifest, 201)
    a("PUT", "/box/dlo", b"", 201, X_Object_Manifest="seg/1")
    a("PUT", "/box/link", b"", 201, X_Symlink_Target="box/big")
    b("PUT", "/box/theirs", b"from the west", 201)
    pair.go()
    assert listing(a, "box") == listing(b, "box") and len(listing(a, "box")) == 6
    got = b("GET", "/box/big", code=200)
    assert (
        got.content == big
        and got.headers["content-disposition"] == "inline"
        and got.headers["x-timestamp"] == a("HEAD", "/box/big").headers["x-timestamp"]
    )
    ask = urllib.request.Request(
        f"{pair.west}{b.base}/box/before%20it%20began", headers={"X-Auth-Token": b.who.token}, method="HEAD"
    )
    with urllib.request.urlopen(ask) as seen:  # the tests' own client reads ASCII only
        assert (
            seen.headers["X-Object-Meta-Colour"].encode("latin-1").decode()
            == "blau \N{LATIN SMALL LETTER U WITH DIAERESIS}"
        )
    assert b("GET", "/box/slo", code=200).content == b"111hello" and b("GET", "/box/dlo", code=200).content == b"1" * 10
    assert b("GET", "/box/link", code=200).content == big
    b("POST", "/box/big", code=202, X_Object_Meta_Shape="round")
    a("DELETE", "/box/slo", code=204)
    b("PUT", "/box/theirs", b"newer", 201)
    pair.go()
    assert a("HEAD", "/box/big").headers["x-object-meta-shape"] == "round"
    b("GET", "/box/slo", code=404)
    assert a("GET", "/box/theirs").content == b"newer" and listing(a, "box") == listing(b, "box")
    contexts = [c.registry.use(ObjectContext) for c in pair.clouds]
    assert all(api.status(d)["sync"] == {"waiting": 0, "failed": []} for d in contexts), [
        api.status(d)["sync"] for d in contexts
    ]
    told = contexts[0].usage.synced
    pair.go()
    assert contexts[0].usage.synced == told, "they are at rest"
    # switched off: nothing is told any more
    a("POST", "/box", code=204, X_Remove_Container_Sync_To="x")
    a("PUT", "/box/alone", b"x", 201)
    pair.go()
    b("GET", "/box/alone", code=404)
    info = pair.sims[0].http.get("/info").json()["container_sync"]
    assert info == {"realms": {"US": {"clusters": {"EAST": {"current": True}, "WEST": {}}}}}


def test_what_cannot_be_told_waits_with_its_reason(pair: Pair) -> None:
    a, b = (Account(h.tenant("wait")) for h in pair.sims)
    a("PUT", "/c", code=201, X_Container_Sync_To=f"//us/west/AUTH_{b.who.project}/c", X_Container_Sync_Key="k")
    a("PUT", "/c/o", b"x", 201)
    pair.go()
    context = pair.clouds[0].registry.use(ObjectContext)
    (row,) = api.status(context)["sync"]["failed"]
    assert row["name"] == "o" and "401" in row["why"] and row["due"] > context.now(), row
    b("PUT", "/c", code=201, X_Container_Sync_Key="another")
    pair.go()
    assert "401" in api.status(context)["sync"]["failed"][0]["why"]
    b("POST", "/c", code=204, X_Container_Sync_Key="k")
    pair.go()
    assert b("GET", "/c/o", code=200).content == b"x" and api.status(context)["sync"]["waiting"] == 0
    text = pair.file.read_text()
    pair.file.write_text(text.replace("cluster_west = http", "cluster_west = http://127.0.0.1:1/x#"))
    os.utime(pair.file, (1, 1))
    a("PUT", "/c/p", b"y", 201)
    try:
        pair.go()
        assert "refused" in api.status(context)["sync"]["failed"][0]["why"]
    finally:
        pair.file.write_text(text)
        os.utime(pair.file, (2, 2))
    pair.go()
    b("GET", "/c/p", code=200)
    a("DELETE", "/c/o", code=204)
    a("DELETE", "/c/p", code=204)
    a("DELETE", "/c", code=204)
    assert api.status(context)["sync"]["waiting"] == 0


def test_signatures_open_one_request(pair: Pair) -> None:
    b = Account(pair.sims[1].tenant("signed"))
    nobody = Account(Tenant(b.who.http, ""), b.who.project)
    b("PUT", "/c", code=201, X_Container_Sync_Key="user-secret")
    b("PUT", "/c/kept", b"theirs", 201)
    now = f"{time.time():.5f}"

    def auth(
        method: str = "PUT",
        path: str = "/c/o",
        stamp: str = now,
        realm: str = "realm-secret",
        user: str = "user-secret",
    ) -> str:
        return f"us nonce {signature(method, f'{b.base}{path}', stamp, 'nonce', realm, user)}"

    nobody("PUT", "/c/o", b"x", 201, X_Timestamp=now, X_Container_Sync_Auth=auth())
    assert b("HEAD", "/c/o").headers["x-timestamp"] == now
    nobody(
        "PUT",
        "/c/o",
        b"older",
        202,
        X_Timestamp=f"{float(now) - 5:.5f}",
        X_Container_Sync_Auth=auth(stamp=f"{float(now) - 5:.5f}", realm="the-old-one"),
    )
    assert b("GET", "/c/o").content == b"x"
    nobody("DELETE", "/c/o", code=409, X_Timestamp="5.0", X_Container_Sync_Auth=auth("DELETE", stamp="5.0"))
    for wrong in (
        auth("DELETE"),
        auth(path="/c/kept"),
        auth(stamp="1.0"),
        auth(realm="no"),
        auth(user="no"),
        "us nonce",
        "xx nonce abc",
        "us nonce \N{SNOWMAN}",
        "",
    ):
        nobody("PUT", "/c/o", b"y", 401, X_Timestamp=now, X_Container_Sync_Auth=wrong)
    far = f"{time.time() + 10**6:.5f}"
    nobody("PUT", "/c/o", b"y", 400, X_Timestamp=far, X_Container_Sync_Auth=auth(stamp=far))
    nobody("PUT", "/c/o", b"y", 400, X_Timestamp="nan", X_Container_Sync_Auth=auth(stamp="nan"))
    nobody("POST", "/c/o", code=401, X_Timestamp=now, X_Container_Sync_Auth=auth("POST"))
    nobody("POST", "/c", code=401, X_Timestamp=now, X_Container_Sync_Auth=auth("POST", "/c"))
    nobody(
        "PUT", "/c/o", b"y", 401, X_Timestamp=now, X_Container_Sync_Key="user-secret"
    )  # the old form is off: no host is listed
    b("PUT", "/c/o", b"mine", 201, X_Container_Sync_Key="user-secret")  # who has a token needs none of it
    nobody("PUT", "/none/o", b"x", 401, X_Timestamp=now, X_Container_Sync_Auth=auth(path="/none/o"))
    # what a signed request copies must lie in the same container
    b("PUT", "/secret", code=201)
    b("PUT", "/secret/s", b"hidden", 201)
    stamp = f"{time.time() + 1:.5f}"
    nobody(
        "PUT",
        "/c/stolen",
        b"",
        401,
        X_Timestamp=stamp,
        X_Copy_From="secret/s",
        X_Container_Sync_Auth=auth(path="/c/stolen", stamp=stamp),
    )


def test_the_old_form() -> None:
    cloud = make(**{"server.listen": "127.0.0.1:0", "objects.sync_hosts": ["127.0.0.1"]})
    with served(cloud) as address:
        host = address.removeprefix("http://")
        cloud.registry.use(ObjectContext).realms.hosts.append(host)
        sim = SimCloud(cloud)
        a, b = Account(sim.tenant("one")), Account(sim.tenant("two"))
        b("PUT", "/c", code=201, X_Container_Sync_Key="shared")
        a("PUT", "/c", code=201, X_Container_Sync_To=f"{address}{b.base}/c", X_Container_Sync_Key="shared")
        a("PUT", "/c/o", b"over", 201)
        assert cloud.loops.once("objects.sync")
        assert b("GET", "/c/o", code=200).content == b"over"
        nobody = Account(Tenant(sim.http, ""), b.who.project)
        now = f"{time.time():.5f}"
        nobody("PUT", "/c/o", b"x", 401, X_Timestamp=now, X_Container_Sync_Key="guess")
        nobody("PUT", "/c/o", b"x", 401, X_Container_Sync_Key="shared")  # a time is part of it
        a("PUT", "/c", code=400, X_Container_Sync_To=f"http://127.0.0.1:6379/v1/{a.base}/c")
        a("PUT", "/v", code=201, X_Versions_Enabled="true")
        a("POST", "/v", code=400, X_Container_Sync_To=f"{address}{b.base}/c")
        a("POST", "/c", code=400, X_Versions_Enabled="true")
        reader = Account(sim.tenant("peek", "reader"))
        reader("PUT", "/c", code=403, X_Container_Sync_To=f"{address}{b.base}/c")


@pytest.mark.parametrize(
    "value",
    [
        "http://169.254.169.254/v1/a/c",
        "http://10.0.0.1:8080/v1/a/c",
        "http://sync.example.com@169.254.169.254/v1/a/c",
        "http://user:pw@sync.example.com/v1/a/c",
        "http://sync.example.com:22/v1/a/c",
        "http://sync.example.com.evil/v1/a/c",
        "http://sync.example.com\\@evil/v1/a/c",
        "ftp://sync.example.com/v1/a/c",
        "file:///etc/passwd",
        "gopher://sync.example.com/v1/a/c",
        "http://sync.example.com/v1/a/c?x=y",
        "http://sync.example.com/v1/a/c#f",
        "http://sync.example.com/v1/a/c?",
        "http://sync.example.com/v1",
        "http://sync.example.com/",
        "http://sync.example.com/v1/../admin",
        "http://sync.example.com/v1/a/c\r\nX: y",
        "http://sync.example.com:x/v1/a/c",
        "//us/west",
        "//us/west/a",
        "//us/west/a/c/d",
        "//us/nowhere/a/c",
        "//nowhere/west/a/c",
        "//us/west/../c",
        "//us/west/%2e%2e/c",
        "//us//a/c",
        "//empty/west/a/c",
        "///",
        "http://[::1/v1/a/c",
        "http:///v1/a/c",
        "http://[::ffff:169.254.169.254]/v1/a/c",
    ],
)
def test_hostile_targets(value: str, tmp_path: Path) -> None:
    file = tmp_path / "realms"
    file.write_text(
        "[us]\nkey=k\ncluster_west=http://west.example.com/v1/\n[empty]\ncluster_west=http://west.example.com/v1/\n"
    )
    realms = Realms(str(file), ["sync.example.com", "[::1]:8080"])
    with pytest.raises(Invalid):
        realms.target(value)


def test_good_targets(tmp_path: Path) -> None:
    file = tmp_path / "realms"
    file.write_text("[us]\nkey=k%1\ncluster_west=https://west.example.com:8443/v1/\n")
    realms = Realms(str(file), ["sync.example.com", "[::1]:8080"])
    assert (
        realms.target("//US/West/AUTH_a/a b".replace(" ", "%20")).url == "https://west.example.com:8443/v1/AUTH_a/a%20b"
    )
    assert realms.target("//us/west/a/c").key == "k%1"
    assert realms.target("https://sync.example.com/v1/a/c/").url == "https://sync.example.com:443/v1/a/c"
    assert realms.target("http://[::1]:8080/v1/a/c").url == "http://[::1]:8080/v1/a/c"
    file.write_text("not a file of realms")
    os.utime(file, (1, 1))
    assert realms.target("//us/west/a/c").key == "k%1", "a broken file changes nothing"


def test_without_realms_nothing_is_offered(shared: SimCloud) -> None:
    a = Account(shared.tenant("nosync"))
    assert "container_sync" not in shared.http.get("/info").json()
    assert "no realm" in a("PUT", "/c", code=400, X_Container_Sync_To="//us/west/a/c").text
    assert BASE
