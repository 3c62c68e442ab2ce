# SPDX-License-Identifier: Apache-2.0
"""Advisories of Swift that no other test holds, each as an attack on us. docs/security/advisories.md is the whole list."""

from __future__ import annotations

import hmac
import json
import os
import socket
import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.parse import quote

import pytest

from accounts import Account, nobody
from sim_cloud import SimCloud, Tenant, make, served
from virga.client import wait
from virga.services.objects.swift import tempurl


def test_2013_016_listings_are_xml_whatever_the_names(shared: SimCloud) -> None:
    a = Account(shared.tenant("o13016"))
    names = ['x"><evil a="', "<![CDATA[", "&lt;&amp;", "]]>", "a'b", "<container><name>y", "é☃"]
    for name in names:
        a("PUT", f"/{quote(name, safe='')}", code=201)
    a("PUT", "/c", code=201)
    for name in names:
        a("PUT", f"/c/{quote(name, safe='')}", b"", 201, Content_Type='text/"<x>&')
    for path, noun in (("", "container"), ("/c", "object")):
        tree = ET.fromstring(a("GET", f"{path}?format=xml", code=200).content)
        seen = {e.findtext("name") for e in tree.findall(noun)}
        assert set(names) <= seen and {e.tag for e in tree} == {noun}
    account = 'AUTH_"><evil a="'
    got = shared.http.get(f"/object-store/v1/{quote(account)}?format=xml", headers={"X-Auth-Token": a.who.token})
    assert got.status_code in {401, 403, 404, 412} and "<evil" not in got.text


def test_2014_020_a_realm_is_one_word(shared: SimCloud) -> None:
    """What stands in the address of a request comes back in a header as characters, never as a header or a tag of its own."""
    for account in ('AUTH_x"><script>alert(1)</script>', "AUTH_x\r\nX-Evil: 1", 'x", evil="1', "AUTH_%0d%0aX-Evil:1"):
        for path in (quote(account, safe=""), f"{quote(account, safe='')}/c/o"):
            got = shared.http.get(f"/object-store/v1/{path}")
            assert got.status_code in {401, 404, 412}, got.status_code
            realm = got.headers.get("www-authenticate", "")
            assert "x-evil" not in got.headers and "<" not in realm and realm.count('"') in {0, 2}, realm
            assert "<script>" not in got.text


def test_2014_034_metadata_adds_up(shared: SimCloud) -> None:
    """The most that an account, a container and an object may have, brought a few at a time."""
    a = Account(shared.tenant("o14034"))
    a("PUT", "/c", code=201)
    a("PUT", "/c/o", b"", 201)
    for path, kind in (("", "Account"), ("/c", "Container")):
        codes = [a("POST", path, **{f"X-{kind}-Meta-K{n}-{m}": "v" for m in range(10)}).status_code for n in range(12)]
        assert codes[:8] == [204] * 8 and 400 in codes, codes
        have = [k for k in a("HEAD", path).headers if f"x-{kind.lower()}-meta-k" in k]
        assert len(have) <= 90
        size = [a("POST", path, **{f"X-{kind}-Meta-K0-{n}": "v" * 250}).status_code for n in range(10)]
        assert set(size) <= {204, 400}
    a("POST", "/c/o", code=400, **{f"X-Object-Meta-K{n}": "v" for n in range(91)})


def test_2015_006_versions_by_who_may_only_list_them(shared: SimCloud) -> None:
    """Who may list where the versions lie, and no more, deletes neither the object nor a version."""
    a, b = Account(shared.tenant("o15006")), shared.tenant("o15006b")
    for header, old, new in (("X-Versions-Location", "old1", "c1"), ("X-History-Location", "old2", "c2")):
        a("PUT", f"/{old}", code=201, X_Container_Read=f"{b.project}:{b.user}")
        a("PUT", f"/{new}", code=201, **{header: old})
        a("PUT", f"/{new}/o", b"1", 201)
        a("PUT", f"/{new}/o", b"2", 201)
        for who in (Account(b, a.who.project), nobody(a), Account(Tenant(b.http, ""), a.who.project)):
            name = a("GET", f"/{old}?format=json").json()[0]["name"]
            for path in (f"/{new}/o", f"/{old}/{quote(name)}"):
                for method in ("DELETE", "PUT", "POST"):
                    assert who(method, path, b"x").status_code in {401, 403}, f"{method} {path}"
        assert a("GET", f"/{new}/o").content == b"2" and len(a.names(f"/{old}")) == 1


def test_2014_002_signatures_are_compared_in_constant_time(shared: SimCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each signature of a temporary address, and of a form, is compared whole by what takes the same time for all."""
    a = Account(shared.tenant("o14002"))
    a("PUT", "/c", code=201)
    a("PUT", "/c/o", b"x", 201)
    a("POST", "", code=204, X_Account_Meta_Temp_Url_Key="key")
    compared: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def watched(made: bytes, given: bytes) -> bool:
        compared.append((made, given))
        return real(made, given)

    monkeypatch.setattr(tempurl.hmac, "compare_digest", watched)
    for digest in (64, 40, 128):
        for guess in ("0" * digest, "f" * digest):
            compared.clear()
            nobody(a)("GET", f"/c/o?temp_url_sig={guess}&temp_url_expires=4000000000", code=401)
            if digest == 64:
                assert compared and all(len(m) == len(g) for m, g in compared)


def test_2016_004_broken_off_large_objects_hold_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Manifests of both kinds, asked for and left, again and again: files and connections are let go."""
    monkeypatch.setenv("VIRGA_ADMIN_PASSWORD", "admin")
    cloud = make(state=tmp_path / "state")
    with served(cloud) as url:
        sim = SimCloud(cloud)
        a = Account(sim.admin)
        a("PUT", "/seg", code=201)
        a("PUT", "/c", code=201)
        parts = []
        for n in range(4):
            a("PUT", f"/seg/big/{n}", os.urandom(4 << 20), 201)
            parts.append({"path": f"/seg/big/{n}"})
        a("PUT", "/c/slo?multipart-manifest=put", json.dumps(parts).encode(), 201)
        a("PUT", "/c/dlo", b"", 201, X_Object_Manifest="seg/big/")
        host, port = url.removeprefix("http://").split(":")

        def leave(name: str) -> None:
            with socket.create_connection((host, int(port)), timeout=10) as s:
                head = f"GET {a.base}/c/{name} HTTP/1.1\r\nHost: {host}\r\nX-Auth-Token: {a.who.token}\r\n\r\n"
                s.sendall(head.encode())
                assert b" 200 " in s.recv(2000).split(b"\r\n")[0]

        def open_files() -> int:
            return len(list(Path("/proc/self/fd").iterdir()))

        for name in ("slo", "dlo"):
            leave(name)
        before = open_files()
        for _ in range(40):
            for name in ("slo", "dlo"):
                leave(name)
        assert wait(lambda: open_files() <= before + 4, 20, every=0.2), f"{open_files()} after {before}"
        assert len(a("GET", "/c/slo", code=200).content) == 16 << 20
