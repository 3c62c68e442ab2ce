# SPDX-License-Identifier: Apache-2.0
"""What settings switch on: hosts that are names of buckets and containers, web sites, rate limits, read-only, encryption at rest; what
is refused by name; browsers."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from accounts import Account, S3Key, nobody, round_of
from sim_cloud import SimCloud, make
from virga.cli.main import main
from virga.ground.errors import Broken
from virga.services.objects import loops
from virga.services.objects.context import ObjectContext

NAMES = {
    "objects.s3_domain": "s3.example.com",
    "objects.domain": "objects.example.com",
    "server.hosts": ["s3.example.com", "objects.example.com"],
}
NASTY = "<script>alert('x')</script>\"&.txt"


@pytest.fixture(scope="module")
def named() -> Iterator[SimCloud]:
    """A cloud where hosts name buckets and containers."""
    cloud = make(**NAMES)
    cloud.start()
    yield SimCloud(cloud)
    cloud.stop()


# -- hosts ---------------------------------------------------------------------------------------------------------


def at_host(key: S3Key, host: str, method: str, path: str, body: bytes = b"", code: int = 200) -> Any:
    sent = key.signed(method, f"/s3{path}", body, host=host)
    got = key.sim.http.request(method, f"/s3{path}", content=body, headers=sent, follow_redirects=False)
    assert got.status_code == code, f"{host} {method} {path}: {got.status_code} {got.text[:300]}"
    return got


def test_buckets_by_host(named: SimCloud) -> None:
    key, host = S3Key(named, named.tenant("vhost")), "my.photos.s3.example.com"
    at_host(key, host, "PUT", "/")
    at_host(key, host, "PUT", "/2026/a%20b.txt", b"sea")
    assert key("GET", "/my.photos/2026/a%20b.txt", code=200).content == b"sea", "the same by path"
    assert at_host(key, host, "GET", "/2026/a%20b.txt").content == b"sea"
    assert at_host(key, f"{host}:8701", "GET", "/2026/a%20b.txt").content == b"sea", "a port is no part of the name"
    assert at_host(key, host.upper(), "GET", "/2026/a%20b.txt").content == b"sea"
    listed = ET.fromstring(at_host(key, host, "GET", "/").content)
    assert [e.text for e in listed.iter() if e.tag.endswith("}Key")] == ["2026/a b.txt"]
    at_host(key, "none.s3.example.com", "GET", "/x", code=404)
    # a signature is for its host: moved to another bucket's name it opens nothing
    at_host(key, "other.s3.example.com", "PUT", "/")
    sent = key.signed("GET", "/s3/2026/a%20b.txt", host="other.s3.example.com") | {"host": host}
    assert named.http.get("/s3/2026/a%20b.txt", headers=sent).status_code == 403


def test_a_web_site_of_s3(named: SimCloud) -> None:
    key, site = S3Key(named, named.tenant("vsite")), "pages.website.s3.example.com"
    key("PUT", "/pages", code=200)
    web = b'<WebsiteConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IndexDocument><Suffix>index.html</Suffix></IndexDocument><ErrorDocument><Key>lost.html</Key></ErrorDocument></WebsiteConfiguration>'
    see = lambda path, _: named.http.get(f"/s3{path}", headers={"host": site}, follow_redirects=False)  # noqa: E731
    key("PUT", "/pages/index.html", b"<h1>home", 200)
    key("PUT", "/pages/sub/index.html", b"<h1>sub", 200)
    key("PUT", "/pages/lost.html", b"<h1>lost", 200)
    assert see("/", 404).status_code in {403, 404}, "no site before it is set"
    key("PUT", "/pages?website", web, 200)
    assert see("/", 403).status_code == 403, "a site is as private as its bucket"
    everybody = {"Effect": "Allow", "Principal": "*"}
    policy = {
        "Version": "2012-10-17",
        "Statement": [everybody | {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::pages/*"}],
    }
    key("PUT", "/pages?policy", json.dumps(policy).encode(), (200, 204))
    assert (see("/", 200).status_code, see("/", 200).text) == (200, "<h1>home")
    assert see("/sub/", 200).text == "<h1>sub"
    assert (see("/nowhere", 403).status_code, see("/nowhere", 403).text) == (403, "<h1>lost"), (
        "who may not list does not learn what is not there"
    )
    policy["Statement"].append(everybody | {"Action": "s3:ListBucket", "Resource": "arn:aws:s3:::pages"})  # type: ignore[attr-defined]
    key("PUT", "/pages?policy", json.dumps(policy).encode(), (200, 204))
    lost = see("/nowhere", 404)
    assert (lost.status_code, lost.text) == (404, "<h1>lost")
    assert named.http.put("/s3/x", content=b"x", headers={"host": site}).status_code in {403, 404, 405}


def test_containers_by_host(named: SimCloud) -> None:
    a = Account(named.tenant("remap"))
    a("PUT", "/box", code=201, X_Container_Read=".r:*,.rlistings")
    a("PUT", "/box/deep/o", b"found", 201)
    ask = lambda host, path="/": named.http.get(f"/object-store{path}", headers={"host": host}, follow_redirects=False)  # noqa: E731
    account = f"AUTH-{a.who.project}"
    assert ask(f"box.{account}.objects.example.com", "/deep/o").content == b"found"
    assert ask(f"box.{account}.objects.example.com:8080", "/deep/o").content == b"found"
    assert ask(f"box.{account}.objects.example.com").text == "deep/o\n"
    assert ask(f"{account}.objects.example.com", "/box/deep/o").content == b"found"
    assert ask(f"a.box.{account}.objects.example.com", "/deep/o").status_code == 400
    assert ask(f"box.{account}.objects.example.com", "/none").status_code in {401, 404}
    token = {"X-Auth-Token": a.who.token, "host": f"{account}.objects.example.com"}
    assert named.http.get("/object-store/", headers=token).text == "box\n"
    assert "domain_remap" in named.http.get("/info").json()


DNS = """
import socket, struct, sys, threading
sys.path[:0] = {path!r}
NAMES = {{"www.shop.test": "box.{account}.objects.example.com", "evil.test": "elsewhere.example.org"}}
def text(name): return b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + bytes(1)
def serve(sock):
    while True:
        ask, who = sock.recvfrom(512)
        labels, at = [], 12
        while ask[at]:
            labels.append(ask[at + 1 : at + 1 + ask[at]].decode()); at += 1 + ask[at]
        kind = struct.unpack(">H", ask[at + 1 : at + 3])[0]
        name, out = ".".join(labels).lower(), []
        target = NAMES.get(name, name)
        if target != name:
            out.append(text(name) + struct.pack(">HHIH", 5, 1, 60, len(text(target))) + text(target))
        if kind == 1 and target.endswith(("example.com", "example.org")):
            out.append(text(target) + struct.pack(">HHIH", 1, 1, 60, 4) + bytes((127, 0, 0, 1)))
        head = ask[:2] + struct.pack(">HHHHH", 0x8180 if out else 0x8183, 1, len(out), 0, 0)
        sock.sendto(head + ask[12 : at + 5] + b"".join(out), who)
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); sock.bind(("127.0.0.1", 53))
threading.Thread(target=serve, args=(sock,), daemon=True).start()
"""


def test_foreign_names_by_cname(tmp_path: Path) -> None:
    """A real answer of a name server, which is this machine's in a namespace of the test's own."""
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\noptions attempts:1 timeout:3\n")
    (tmp_path / "hosts").write_text("127.0.0.1 localhost\n")
    (tmp_path / "nsswitch.conf").write_text("hosts: files dns\n")
    story = (
        DNS.replace("{path!r}", repr(sys.path))
        .replace("{account}", "auth-PROJECT")
        .replace("{{", "{")
        .replace("}}", "}")
        + """
from accounts import Account
from sim_cloud import SimCloud, make
cloud = make(**{"objects.domain": "objects.example.com", "objects.cname_lookup": True, "server.hosts": ["www.shop.test", "evil.test", "unknown.test"]})
cloud.start()
sim = SimCloud(cloud)
a = Account(sim.admin)
NAMES["www.shop.test"] = f"box.auth-{a.who.project}.objects.example.com"
a("PUT", "/box", code=201, X_Container_Read=".r:*")
a("PUT", "/box/o", b"by a foreign name", 201)
see = lambda host: sim.http.get("/object-store/o", headers={"host": host})
got = see("www.shop.test")
assert (got.status_code, got.content) == (200, b"by a foreign name"), (got.status_code, got.text)
assert see("evil.test").status_code in (400, 502), see("evil.test").text
assert see("unknown.test").status_code in (400, 502)
assert sim.http.get("/info").json()["cname_lookup"] == {"lookup_depth": 1}
cloud.stop()
print("ok")
"""
    )
    (tmp_path / "story.py").write_text(story)
    binds = " && ".join(f"mount --bind {tmp_path}/{f} /etc/{f}" for f in ("resolv.conf", "hosts", "nsswitch.conf"))
    inner = f"set -e; ip link set lo up; [ -e /etc/nsswitch.conf ]; {binds}; exec {sys.executable} -W ignore {tmp_path}/story.py"
    unshare = ["unshare", *(["--map-root-user"] if os.geteuid() else []), "--mount", "--net", "bash", "-c", inner]
    done = subprocess.run(unshare, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip().endswith("ok"), done.stdout + done.stderr


# -- limits and refusals -------------------------------------------------------------------------------------------


def test_rate_limit() -> None:
    """Writes to one container: the rate's worth goes through, the rest reads when to come again; reads are free, others' containers too."""
    cloud = make(**{"objects.ratelimit": 5})
    cloud.start()
    try:
        sim = SimCloud(cloud)
        a = Account(sim.admin)
        a("PUT", "/c", code=201)
        a("PUT", "/d", code=201)
        codes = [a("PUT", f"/c/{n}", b"x").status_code for n in range(30)]
        assert codes[:4] == [201] * 4 and set(codes) == {201, 498}, codes
        late = next(r for r in (a("PUT", "/c/x", b"x") for _ in range(30)) if r.status_code == 498)
        assert late.headers["retry-after"] == "1" and "Slow down" in late.text
        assert a("GET", "/c/0").status_code == 200 and a("GET", "/c").status_code == 200
        a("PUT", "/d/x", b"x", 201)
        assert sim.http.get("/info").json()["ratelimit"]["container_ratelimits"] == [[0, 5]]
        end = time.monotonic() + 5
        while a("PUT", "/c/later", b"x").status_code != 201:
            assert time.monotonic() < end
            time.sleep(0.05)  # noqa: TID251
    finally:
        cloud.stop()


def test_names_that_are_refused(shared: SimCloud) -> None:
    a = Account(shared.tenant("names"))
    a("PUT", "/c", code=201)
    for path, code in (
        ("/" + "n" * 257, 400),
        ("/a%2Fb", 400),
        ("/a%00b", 412),
        ("/c/a%00b", 412),
        ("/c/%ff", 412),
        ("/%ff", 412),
        ("/c/" + "n" * 1025, 400),
        ("/c/" + "%C3%A4" * 513, 400),
        ("/c//", 201),
        ("/c/%C3%A4" * 100, 201),
        ("/c/a%0Ab", 201),
    ):
        got = a.who.http.request("PUT", a.base + path, content=b"", headers={"X-Auth-Token": a.who.token})
        want = code if isinstance(code, tuple) else (code,)
        assert got.status_code in want, f"{path[:40]}: {got.status_code} {got.text[:200]}"
    plain = a("GET", "/c?format=plain").text
    assert "a\nb" in plain
    assert "a&#10;b" in a("GET", "/c?format=xml").text or "a\nb" in a("GET", "/c?format=xml").text


def test_read_only() -> None:
    cloud = make()
    cloud.start()
    try:
        sim = SimCloud(cloud)
        a, key = Account(sim.admin), S3Key(sim)
        key("PUT", "/kept", code=200)
        a("PUT", "/kept/o", b"stays", 201)
        import msgspec

        context = cloud.registry.use(ObjectContext)
        context.settings = msgspec.structs.replace(context.settings, read_only=True)
        for method, path in (
            ("PUT", "/kept/p"),
            ("POST", "/kept/o"),
            ("DELETE", "/kept/o"),
            ("PUT", "/new"),
            ("DELETE", "/kept"),
            ("POST", ""),
            ("COPY", "/kept/o"),
            ("PUT", "?extract-archive=tar"),
            ("POST", "?bulk-delete"),
        ):
            got = a(method, path, b"kept/o", 405, Destination="kept/q")
            assert "disabled" in got.text
        for method, path in (
            ("PUT", "/kept/p"),
            ("DELETE", "/kept/o"),
            ("PUT", "/second"),
            ("POST", "/kept/o?uploads"),
            ("PUT", "/kept?acl"),
            ("DELETE", "/kept"),
        ):
            key(method, path, b"", 403)
        assert a("GET", "/kept/o", code=200).content == b"stays" and key("GET", "/kept/o", code=200).content == b"stays"
        assert key("GET", "/", code=200) and "read_only" in sim.http.get("/object-store/info").json()
    finally:
        cloud.stop()


# -- browsers ------------------------------------------------------------------------------------------------------


def test_listings_for_browsers_show_names_and_run_nothing(shared: SimCloud) -> None:
    a = Account(shared.tenant("browse"))
    a(
        "PUT",
        "/web",
        code=201,
        X_Container_Read=".r:*,.rlistings",
        X_Container_Meta_Web_Listings="true",
        X_Container_Meta_Web_Listings_Css='style.css?"><script>x()</script>',
    )
    from urllib.parse import quote

    for name in (NASTY, "dir/" + NASTY, NASTY + "/inside", "javascript:alert(1)", "a%3Cb"):
        a("PUT", f"/web/{quote(name)}", b"x", 201)
    for path in ("/web/", "/web/dir/"):
        page = nobody(a)("GET", path, code=200)
        assert page.headers["content-type"].startswith("text/html")
        assert "<script>" not in page.text and 'javascript:alert(1)"' not in page.text.replace("/javascript", ""), (
            page.text
        )
        hrefs = [p.split('"')[0] for p in page.text.split('href="')[1:]]
        assert hrefs and all(not h.lower().startswith("javascript:") for h in hrefs), hrefs
    assert "a%253Cb" in nobody(a)("GET", "/web/", code=200).text
    got = nobody(a)("GET", f"/web/{quote('dir/' + NASTY)}", code=200)
    assert got.content == b"x"


def test_crossdomain_and_health(shared: SimCloud) -> None:
    for path in ("/crossdomain.xml", "/object-store/crossdomain.xml"):
        got = shared.http.get(path)
        assert got.status_code == 200 and got.headers["content-type"].startswith("application/xml")
        policy = ET.fromstring(got.text.partition("?>")[2].partition('dtd" >')[2])
        assert policy.tag == "cross-domain-policy" and not list(policy.iter("allow-access-from")), (
            "no domain is let in unless told"
        )
    assert shared.http.get("/object-store/healthcheck").text == "OK"
    assert shared.http.post("/object-store/healthcheck").status_code == 405


def test_preflight_of_both_dialects(shared: SimCloud) -> None:
    who = shared.tenant("flight")
    key, a = S3Key(shared, who), Account(who)
    key("PUT", "/flight-box", code=200)
    cors = (
        b"<CORSConfiguration><CORSRule><AllowedOrigin>https://*.good.example</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod>"
        b"<AllowedHeader>x-amz-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>77</MaxAgeSeconds></CORSRule></CORSConfiguration>"
    )
    key("PUT", "/flight-box?cors", cors, 200)
    key("PUT", "/flight-box/o", b"x", 200)

    def ask(origin: str, method: str, headers: str = "") -> Any:
        sent = {"Origin": origin, "Access-Control-Request-Method": method} | (
            {"Access-Control-Request-Headers": headers} if headers else {}
        )
        return shared.http.options("/s3/flight-box/o", headers=sent)

    ok = ask("https://a.good.example", "PUT", "X-Amz-Date, x-amz-content-sha256")
    assert (
        ok.status_code == 200
        and ok.headers["access-control-allow-origin"] == "https://a.good.example"
        and ok.headers["access-control-max-age"] == "77"
    )
    assert "x-amz-date" in ok.headers["access-control-allow-headers"].lower()
    for wrong in (
        ("https://good.example.evil", "PUT"),
        ("https://a.good.example", "DELETE"),
        ("https://a.good.example", "PUT", "x-other"),
        ("null", "GET"),
        ("http://a.good.example", "GET"),
    ):
        assert ask(*wrong).status_code == 403, wrong
    seen = key("GET", "/flight-box/o", extra={"origin": "https://a.good.example"})
    assert seen.headers["access-control-expose-headers"] == "ETag"
    assert (
        "access-control-allow-origin"
        not in key("GET", "/flight-box/o", extra={"origin": "https://evil.example"}).headers
    )
    a(
        "POST",
        "/flight-box",
        code=204,
        X_Container_Meta_Access_Control_Allow_Origin="https://one.example https://two.example",
        X_Container_Meta_Access_Control_Max_Age="5",
        X_Container_Meta_Access_Control_Expose_Headers="X-Object-Meta-A",
    )
    free = nobody(a)
    got = free(
        "OPTIONS",
        "/flight-box/o",
        code=200,
        Origin="https://two.example",
        Access_Control_Request_Method="PUT",
        Access_Control_Request_Headers="x-auth-token, evil\theader",
    )
    assert (
        got.headers["access-control-allow-origin"] == "https://two.example"
        and got.headers["access-control-max-age"] == "5"
    )
    assert (
        "x-auth-token" in got.headers["access-control-allow-headers"]
        and "\t" not in got.headers["access-control-allow-headers"]
    )
    free("OPTIONS", "/flight-box/o", code=401, Origin="https://one.example.evil", Access_Control_Request_Method="PUT")
    free("OPTIONS", "/flight-box/o", code=401, Origin="https://one.example", Access_Control_Request_Method="TRACE")


# -- encryption at rest --------------------------------------------------------------------------------------------


def test_bodies_at_rest_say_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large and small bodies, parts and versions are sealed on the disk and in the database; ranges are read from the middle."""
    monkeypatch.setenv("VIRGA_ADMIN_PASSWORD", "admin")
    state = tmp_path / "state"
    cloud = make(state=state, **{"objects.encrypt": True})
    cloud.start()
    mark = b"the secret words "
    big, small = mark * 60_000, mark * 20
    try:
        sim = SimCloud(cloud)
        a, key = Account(sim.admin), S3Key(sim)
        key("PUT", "/sealed", code=200)
        a("PUT", "/sealed/big", big, 201)
        a("PUT", "/sealed/small", small, 201)
        up = ET.fromstring(key("POST", "/sealed/parts?uploads", b"", 200).content)
        id = next(e.text for e in up.iter() if e.tag.endswith("UploadId"))
        tag = key("PUT", f"/sealed/parts?partNumber=1&uploadId={id}", big, 200).headers["etag"]
        key(
            "POST",
            f"/sealed/parts?uploadId={id}",
            f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{tag}</ETag></Part></CompleteMultipartUpload>".encode(),
            200,
        )
        assert a("GET", "/sealed/big", code=200).content == big and key("GET", "/sealed/parts", code=200).content == big
        for low, high in ((0, 0), (15, 17), (262_139, 262_150), (1_000_001, 1_019_999)):
            assert a("GET", "/sealed/big", code=206, Range=f"bytes={low}-{high}").content == big[low : high + 1]
            assert (
                key("GET", "/sealed/parts", code=206, extra={"range": f"bytes={low}-{high}"}).content
                == big[low : high + 1]
            )
        assert a("GET", "/sealed/small", code=206, Range="bytes=5-40").content == small[5:41]
        assert "encryption" in sim.http.get("/info").json()
        assert loops.auditor(round_of(sim)) == 0, "the auditor reads what is sealed"
    finally:
        cloud.stop()
    found = [p for p in state.rglob("*") if p.is_file()]
    assert any(p.stat().st_size > 1_000_000 for p in found) and not [p for p in found if mark in p.read_bytes()]
    assert stat.S_IMODE((state / "objects.keys").stat().st_mode) == 0o600
    file = state / "objects.keys"
    stored = file.read_text()

    def story(encrypt: bool, tell: Callable[[SimCloud, Account], None]) -> None:
        """The same cloud again, with the setting on or off."""
        again = make(state=state, **{"objects.encrypt": encrypt})
        again.start()
        try:
            sim = SimCloud(again)
            tell(sim, Account(sim.admin))
        finally:
            again.stop()

    def switched_off(sim: SimCloud, a: Account) -> None:
        assert a("GET", "/sealed/big", code=200).content == big and a("GET", "/sealed/small", code=200).content == small
        a("PUT", "/sealed/plain", big, 201)

    def rotated(sim: SimCloud, a: Account) -> None:
        seal = sim.cloud.registry.use(ObjectContext).bodies.seal
        assert seal is not None
        before = seal.mark()
        answer = CliRunner().invoke(main, ["--state", str(state), "keys", "objects"])
        assert answer.exit_code == 0 and "2 keys" in answer.output, answer.output
        assert seal.mark() != before, "without a restart"
        a("PUT", "/sealed/after", big, 201)
        for name in ("big", "plain", "after"):
            assert a("GET", f"/sealed/{name}", code=200).content == big

    def lost(sim: SimCloud, a: Account) -> None:
        for name in ("big", "small"):
            assert "not among the keys of this store" in a("GET", f"/sealed/{name}", code=503).text
        assert a("GET", "/sealed/after", code=200).content == big
        assert loops.auditor(round_of(sim)) == 0 and not list((state / "objects/quarantine").iterdir()), (
            "no rot: the key is missing"
        )

    story(False, switched_off)
    assert [p for p in state.rglob("*") if p.is_file() and mark in p.read_bytes()], "what came meanwhile is plain"
    story(True, rotated)
    both = file.read_text()
    assert both.split()[1:] == stored.split() and stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text(both.split()[0] + "\n")
    story(True, lost)
    file.write_text("no key\n")
    with pytest.raises(Broken, match="no key file"):
        story(True, switched_off)
    file.write_text(both)
    story(True, switched_off)
