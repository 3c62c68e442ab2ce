# SPDX-License-Identifier: Apache-2.0
"""Advisories of Swift that no other test holds, each as an attack on us. docs/security/advisories.md is the whole list."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from urllib.parse import quote

from accounts import Account, nobody
from houses import House, Tenant


def test_2013_016_listings_are_xml_whatever_the_names(shared: House) -> None:
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


def test_2014_020_a_realm_is_one_word(shared: House) -> None:
    """What stands in the address of a request comes back in a header as characters, never as a header or a tag of its own."""
    for account in ('AUTH_x"><script>alert(1)</script>', "AUTH_x\r\nX-Evil: 1", 'x", evil="1', "AUTH_%0d%0aX-Evil:1"):
        for path in (quote(account, safe=""), f"{quote(account, safe='')}/c/o"):
            got = shared.http.get(f"/object-store/v1/{path}")
            assert got.status_code in {401, 404, 412}, got.status_code
            realm = got.headers.get("www-authenticate", "")
            assert "x-evil" not in got.headers and "<" not in realm and realm.count('"') in {0, 2}, realm
            assert "<script>" not in got.text


def test_2014_034_metadata_adds_up(shared: House) -> None:
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


def test_2015_006_versions_by_who_may_only_list_them(shared: House) -> None:
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
