# SPDX-License-Identifier: Apache-2.0
"""The front, by raw sockets: heads that do not come, bodies that stand still, two Hosts, too many connections, bodies of nobody, proxies,
and who reads the metrics. Real clients' keep-alive, pipelining, 100-continue and slow uploads go on."""

from __future__ import annotations

import contextlib
import http.client
import json
import resource
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sim_cloud import SimCloud, make, served
from virga.client import wait
from virga.ground.http import api_app, protocol
from virga.ground.http import connections as bounds
from virga.ground.http.connections import Connections
from virga.services.objects.swift import app as swift
from virga.settings import SettingsError, load

MIB = 1 << 20


@contextlib.contextmanager
def front(state: Path | None = None, **over: Any) -> Iterator[tuple[SimCloud, int]]:
    with pytest.MonkeyPatch.context() as m:
        m.setenv("VIRGA_ADMIN_PASSWORD", "admin")
        cloud = make(state=state, **({"server.listen": "127.0.0.1:0"} | over))
    sim = SimCloud(cloud)
    with served(cloud) as address:
        yield sim, int(address.rpartition(":")[2])
    cloud.stop()


@pytest.fixture(scope="module")
def open_front() -> Iterator[tuple[SimCloud, int]]:
    with front() as both:
        yield both


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience of a second."""
    monkeypatch.setattr(bounds, "HEAD_SECONDS", 1.0)
    monkeypatch.setattr(bounds, "BODY_SECONDS", 1.5)
    monkeypatch.setattr(bounds, "ANSWER_SECONDS", 1.0)
    monkeypatch.setattr(bounds, "LINGER_SECONDS", 1.0)
    monkeypatch.setattr(bounds, "LOOK_SECONDS", 0.1)


def connect(port: int, source: str = "127.0.0.1") -> socket.socket:
    s = socket.create_connection(("127.0.0.1", port), 10, source_address=(source, 0))
    s.settimeout(10)
    return s


def all_of(s: socket.socket) -> bytes:
    """What comes until the other side ends the connection."""
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := s.recv(65536):
            got += piece
    return got


def answer(s: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """One answer with a length."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = s.recv(1)
        assert piece, head
        head += piece
    first, *lines = head.decode().split("\r\n")
    headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines if line)}
    body = b""
    length = int(headers.get("content-length", "0"))
    while len(body) < length:
        body += s.recv(length - len(body))
    return int(first.split()[1]), headers, body


def ask(port: int, raw: bytes, source: str = "127.0.0.1") -> tuple[int, dict[str, str], bytes]:
    with connect(port, source) as s:
        s.sendall(raw)
        return answer(s)


# -- heads ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "beginning", [b"", b"GET / HTTP/1.1\r\nX-A: ", b"\r\n", b"GET /", b"POST / HTTP/1.1\r\nHost: x\r\n"]
)
def test_h8_a_head_that_does_not_come_ends_the_connection(
    open_front: tuple[SimCloud, int], hasty: None, beginning: bytes
) -> None:
    """Also where a byte comes now and then."""
    _, port = open_front
    began = time.monotonic()
    with connect(port) as s:
        s.sendall(beginning)
        s.settimeout(0.2)
        got = None
        while got is None and time.monotonic() < began + 8:
            try:
                got = s.recv(4096)
            except TimeoutError:
                if beginning and not beginning.startswith(b"\r\n"):
                    with contextlib.suppress(OSError):
                        s.sendall(b"a")
        assert got is not None and got.startswith(b"HTTP/1.1 408 "), got
        assert 0.8 < time.monotonic() - began < 4


def test_h8_a_later_head_ends_the_connection_too(open_front: tuple[SimCloud, int], hasty: None) -> None:
    _, port = open_front
    with connect(port) as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer(s)
        threading.Event().wait(1.5)  # between requests nobody is hurried
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /")
        answer(s)
        began = time.monotonic()
        assert all_of(s).startswith(b"HTTP/1.1 408 ") and time.monotonic() - began < 4


def test_h8_unfinished_heads_do_not_keep_others_out() -> None:
    """More of them than an address may have, from one address: the oldest give way, whoever asks is answered."""
    with front(**{"server.connections_per_address": 64}) as (_, port):
        held = []
        for _ in range(200):
            s = connect(port)
            s.sendall(b"GET / HTTP/1.1\r\nX-A: ")
            held.append(s)
        for source in ("127.0.0.1", "127.0.0.2"):
            assert ask(port, b"GET /identity/v3 HTTP/1.1\r\nHost: x\r\n\r\n", source)[0] == 200
        gone = 0
        for s in held:
            s.settimeout(0.02)
            try:
                gone += s.recv(1) == b""
            except ConnectionResetError:
                gone += 1
            except TimeoutError:
                pass
            s.close()
        assert gone >= 136, "no connection gave way"


def test_h8_the_address_with_most_gives_way_when_all_are_taken() -> None:
    class One:
        def __init__(self) -> None:
            self.gone = False

        def late(self, now: float) -> bool:
            return False

        def give_up(self) -> None:
            self.gone = True

        give_way = give_up

    import asyncio

    async def run() -> None:
        connections = Connections(most=10, each=100)
        many = [One() for _ in range(9)]
        for one in many:
            assert connections.come(one, "192.0.2.1") is not None
        few, late = One(), One()
        connections.come(few, "192.0.2.2")
        connections.come(late, "192.0.2.3")
        assert many[0].gone and not few.gone and not any(o.gone for o in many[1:])
        busy = Connections(most=2, each=2)
        for one in (few, late):
            place = busy.come(one, "192.0.2.1")
            assert place is not None
            place.fresh.pop(one)  # it sent its head
        assert busy.come(One(), "192.0.2.1") is None and busy.come(One(), "192.0.2.9") is None
        busy.go(few, "192.0.2.1")
        assert busy.come(One(), "192.0.2.9") is not None
        connections.close()
        busy.close()

    asyncio.run(run())


def test_h8_networks_of_ipv6_are_one_address() -> None:
    assert bounds.place_of("2001:db8::1") == bounds.place_of("2001:db8::ffff:1") != bounds.place_of("2001:db8:0:1::1")
    assert bounds.place_of("::ffff:192.0.2.1") == "192.0.2.1"


def test_h8_the_soft_limit_of_files_is_raised() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, hard), hard))
        assert bounds.raise_files() == resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(hard, bounds.MOST_FILES)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_heads_have_a_length(open_front: tuple[SimCloud, int]) -> None:
    _, port = open_front
    for head in (
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 600 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 70000 + b"\r\n\r\n",
        b"GET /" + b"a" * 70000,
        b"GET / HTTP/1.1\r\nX-A: " + b"a" * 70000,
    ):
        assert ask(port, head)[0] == 431
    with connect(port) as s:
        s.sendall(
            b"POST /identity/v3/auth/tokens HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\nX: "
        )
        with contextlib.suppress(OSError):
            for _ in range(20):
                s.sendall(b"a" * 8192)
        assert b"HTTP/1.1 4" in all_of(s)


# -- Host ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "hosts", "code"),
    [
        ("1.1", [], 400),
        ("1.1", ["x", "y"], 400),
        ("1.1", ["x", "x"], 400),
        ("1.1", ["x y"], 400),
        ("1.1", ["x/y"], 400),
        ("1.1", ["x"], 200),
        ("1.1", ["[::1]:8700"], 200),
        ("1.0", [], 200),
        ("1.0", ["x", "y"], 400),
    ],
)
@pytest.mark.parametrize("path", ["/identity/v3", "/object-store/info"])
def test_l4_a_request_has_one_host(
    open_front: tuple[SimCloud, int], version: str, hosts: list[str], code: int, path: str
) -> None:
    """RFC 9112, 3.2."""
    _, port = open_front
    raw = f"GET {path} HTTP/{version}\r\n" + "".join(f"Host: {h}\r\n" for h in hosts) + "\r\n"
    with connect(port) as s:
        s.sendall(raw.encode())
        got, _, body = answer(s)
        assert got == code, body
        if code == 400:
            assert b"Host" in body and s.recv(1) == b""


def test_l4_what_was_asked_before_is_answered_first(open_front: tuple[SimCloud, int]) -> None:
    _, port = open_front
    with connect(port) as s:
        s.sendall(b"GET /identity/v3 HTTP/1.1\r\nHost: x\r\n\r\nGET /identity/v3 HTTP/1.1\r\n\r\n")
        assert [answer(s)[0] for _ in range(2)] == [200, 400]


# -- bodies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/identity/v3/auth/tokens", "/image/v2/images/00000000-0000-4000-8000-000000000000/file"]
)
def test_a_body_that_stands_still_ends(open_front: tuple[SimCloud, int], hasty: None, path: str) -> None:
    sim, port = open_front
    verb = "PUT" if "image" in path else "POST"
    kind = "application/octet-stream" if "image" in path else "application/json"
    with connect(port) as s:
        s.sendall(
            f"{verb} {path} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {sim.admin.token}\r\nContent-Type: {kind}\r\n"
            "Content-Length: 1000\r\n\r\n{".encode()
        )
        began = time.monotonic()
        got = all_of(s)
        assert time.monotonic() - began < 6, "held for longer than a body may stand still"
        assert b"HTTP/1.1 4" in got


def test_a_slow_body_that_moves_lives(open_front: tuple[SimCloud, int], hasty: None) -> None:
    """Longer than a body may stand still, and than a head may take."""
    sim, port = open_front
    body = json.dumps({"name": "slow"}).encode()
    with connect(port) as s:
        s.sendall(
            f"POST /image/v2/images HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {sim.admin.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        )
        for at in range(len(body)):
            s.sendall(body[at : at + 1])
            threading.Event().wait(0.2)
        assert answer(s)[0] == 201


def test_who_takes_no_answer_is_cut_off(hasty: None, tmp_path: Path) -> None:
    """Also when all of it is sent but for what the client's kernel does not take."""
    with front(tmp_path / "state") as (sim, port):
        image = sim.image(data=b"x" * (24 * MIB))
        cloud = sim.cloud
        with connect(port) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.sendall(
                f"GET /image/v2/images/{image['id']}/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {sim.admin.token}\r\n\r\n".encode()
            )
            assert wait(lambda: bool(live(cloud)), 5)
            assert wait(lambda: not live(cloud), 10), "an answer that nobody takes is held for ever"


def live(cloud: Any) -> int:
    """The server's connections."""
    return len(cloud.connections.held)


def test_m11_bodies_of_nobody_are_small(open_front: tuple[SimCloud, int]) -> None:
    sim, port = open_front
    for token, code in (("", 413), ("X-Auth-Token: none\r\n", 413), (f"X-Auth-Token: {sim.admin.token}\r\n", 401)):
        body = json.dumps(
            {"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": "x", "password": "y"}}}}}
        ).encode()
        body += b" " * (200_000 - len(body))
        head = f"POST /identity/v3/auth/tokens HTTP/1.1\r\nHost: x\r\n{token}Content-Type: application/json\r\n"
        with connect(port) as s:
            s.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            got, _, output = answer(s)
            assert got == code, output
            if code == 413:
                assert str(api_app.MAX_NOBODYS).encode() in output
        with connect(port) as s:  # nobody said how long it will be
            with contextlib.suppress(OSError):
                s.sendall(
                    f"{head}Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
                )
            assert answer(s)[0] == code


# -- what real clients do ------------------------------------------------------------------------------------------


def test_pipelined_requests_are_answered_in_order(open_front: tuple[SimCloud, int]) -> None:
    _, port = open_front
    paths = ["/identity/v3", "/nowhere", "/image/v2", "/network/v2.0/networks", "/compute/"] * 10
    with connect(port) as s:
        s.sendall(b"".join(f"GET {p} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for p in paths))
        assert [answer(s)[0] for _ in paths] == [200, 404, 200, 401, 200] * 10


def test_many_pipelined_requests_are_parsed_as_they_are_answered(
    open_front: tuple[SimCloud, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five thousand in one breath, between them bodies longer than a piece: all answered, in order, and never many of them parsed."""
    sim, port = open_front
    most = 0
    begin = protocol.Protocol.on_headers_complete

    def counted(self: Any) -> None:
        nonlocal most
        begin(self)
        most = max(most, len(self.pipeline))

    monkeypatch.setattr(protocol.Protocol, "on_headers_complete", counted)
    get = b"GET /identity/v3 HTTP/1.1\r\nHost: x\r\n\r\n"
    body = json.dumps({"name": "long"}).encode() + b" " * 100_000
    token = f"Host: x\r\nX-Auth-Token: {sim.admin.token}\r\nContent-Type: application/json\r\n".encode()
    post = b"POST /image/v2/images HTTP/1.1\r\n" + token + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
    chunked = (
        b"POST /image/v2/images HTTP/1.1\r\n"
        + token
        + f"Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n".encode()
        + body
        + b"\r\n0\r\n\r\n"
    )
    sent = (get * 300 + post + get * 300 + chunked) * 2 + get * 3800
    with connect(port) as s:
        s.settimeout(60)
        writer = threading.Thread(target=s.sendall, args=(sent,))
        writer.start()
        with s.makefile("rb") as answers:
            codes = []
            for _ in range(5004):
                head = answers.readline()
                length = 0
                while (line := answers.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split()[1])
                answers.read(length)
                codes.append(int(head[9:12]))
        writer.join()
    assert codes == ([200] * 300 + [201] + [200] * 300 + [201]) * 2 + [200] * 3800
    assert most < 450, f"{most} requests of one connection were parsed ahead"  # a piece of a chunked body holds so many


def test_bodies_that_wait_to_be_asked_for(open_front: tuple[SimCloud, int]) -> None:
    sim, port = open_front
    body = json.dumps({"name": "asked"}).encode()
    with connect(port) as s:
        s.sendall(
            f"POST /image/v2/images HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {sim.admin.token}\r\nExpect: 100-continue\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        )
        assert answer(s)[0] == 100
        s.sendall(body)
        assert answer(s)[0] == 201


def test_an_upload_of_many_bytes(tmp_path: Path) -> None:
    with front(tmp_path / "state") as (sim, port):
        conn = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        token = {"X-Auth-Token": sim.admin.token}
        path = f"/object-store/v1/AUTH_{sim.admin.project}/c"
        conn.request("PUT", path, headers=token)
        conn.getresponse().read()
        piece = b"x" * MIB
        conn.request("PUT", f"{path}/big", (piece for _ in range(96)), token, encode_chunked=True)
        done = conn.getresponse()
        done.read()
        assert done.status == 201
        conn.request("HEAD", f"{path}/big", headers=token)
        head = conn.getresponse()
        head.read()
        assert head.headers["Content-Length"] == str(96 * MIB)


# -- proxies -------------------------------------------------------------------------------------------------------


FORWARDED = "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n"


@pytest.mark.parametrize(
    ("trusted", "client", "scheme"), [([], "127.0.0.1", "http"), (["127.0.0.0/8"], "203.0.113.9", "https")]
)
def test_m2_only_listed_proxies_are_believed(
    monkeypatch: pytest.MonkeyPatch, trusted: list[str], client: str, scheme: str
) -> None:
    """The API and the object store, which decides by the address and the scheme, hear the same."""
    heard: list[tuple[str, str]] = []
    read_ask, base = swift.read_request, api_app.ApiApp._base

    def reading(scope: Any, *args: Any) -> Any:
        made = read_ask(scope, *args)
        heard.append((made.client, made.scheme))
        return made

    def based(self: Any, scope: Any, headers: Any = None) -> str:
        heard.append((scope["client"][0], scope["scheme"]))
        return base(self, scope, headers)

    monkeypatch.setattr(swift, "read_request", reading)
    monkeypatch.setattr(api_app.ApiApp, "_base", based)
    with front(**{"server.trusted_proxies": trusted}) as (_, port):
        heard.clear()
        for path in ("/object-store/info", "/identity/v3"):
            assert ask(port, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{FORWARDED}\r\n".encode())[0] == 200
    assert len(heard) == 3 and set(heard) == {(client, scheme)}


@pytest.mark.parametrize(
    ("peer", "headers", "client", "scheme"),
    [
        ("192.0.2.7", [(b"x-forwarded-for", b"1.1.1.1"), (b"x-forwarded-proto", b"https")], "192.0.2.7", "http"),
        ("10.0.0.1", [], "10.0.0.1", "http"),
        ("10.0.0.1", [(b"x-forwarded-for", b"6.6.6.6, 203.0.113.9")], "203.0.113.9", "http"),
        ("10.0.0.1", [(b"x-forwarded-for", b"6.6.6.6"), (b"x-forwarded-for", b"203.0.113.9, 10.0.0.2")], "203.0.113.9", "http"),
        ("10.0.0.1", [(b"x-forwarded-for", b"10.0.0.3, 10.0.0.2")], "10.0.0.3", "http"),
        ("10.0.0.1", [(b"x-forwarded-for", b"6.6.6.6, junk, 10.0.0.2")], "10.0.0.2", "http"),
        ("10.0.0.1", [(b"x-forwarded-for", b"203.0.113.9:4711")], "203.0.113.9", "http"),
        ("10.0.0.1", [(b"x-forwarded-for", b'"[2001:db8::9]:4711"')], "2001:db8::9", "http"),
        ("10.0.0.1", [(b"x-forwarded-proto", b"http, https")], "10.0.0.1", "https"),
        ("10.0.0.1", [(b"x-forwarded-proto", b"gopher")], "10.0.0.1", "http"),
        ("::ffff:10.0.0.1", [(b"x-forwarded-for", b"203.0.113.9")], "203.0.113.9", "http"),
    ],
)  # fmt: skip
def test_m2_what_a_client_says_of_itself_is_not_believed(
    peer: str, headers: list[tuple[bytes, bytes]], client: str, scheme: str
) -> None:
    assert Connections(proxies=["10.0.0.0/8"]).whence(peer, "http", headers) == (client, scheme)


def test_m2_a_proxy_that_is_no_network_is_told_at_the_start() -> None:
    with pytest.raises(SettingsError, match="trusted_proxies"):
        load(env={}, state="/nonexistent", **{"server.trusted_proxies": ["proxy.example"]})


# -- metrics -------------------------------------------------------------------------------------------------------


def test_metrics_of_a_real_cloud_are_not_for_the_world(sim: SimCloud) -> None:
    front = sim.cloud.api_app
    assert sim.http.get("/metrics").status_code == 200
    front.metrics_open = False
    answer = sim.http.get("/metrics")
    assert answer.status_code == 403 and "server.metrics_token" in answer.text and "virga_requests" not in answer.text
    front.metrics_token = "secret"
    for sent, code in (("", 401), ("Bearer other", 401), ("secret", 401), ("Bearer secret", 200)):
        got = sim.http.get("/metrics", headers={"Authorization": sent})
        assert got.status_code == code and ("virga_requests" in got.text) == (code == 200)
    assert sim.admin.ask("GET", "/metrics").code == 401, "a token of the cloud is none of the metrics"


def test_metrics_open_by_themselves_only_where_all_is_simulated(tmp_path: Path) -> None:
    from virga.app import Cloud
    from virga.roles.all import ALL

    for simulated in (True, False):
        cloud = Cloud(load(env={}, state=str(tmp_path / str(simulated)), simulated=simulated), ALL)
        assert cloud.api_app.metrics_open is simulated
        cloud.db.close()


def test_metrics_have_an_address_of_their_own() -> None:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        own = s.getsockname()[1]
    with front(**{"server.metrics_listen": f"127.0.0.1:{own}"}) as (sim, port):
        sim.cloud.api_app.metrics_open = False
        code, _, body = ask(own, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert code == 200 and b"virga_requests" in body
        for path in ("/", "/identity/v3", "/object-store/info", "/info"):
            assert ask(own, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())[0] == 404
        assert ask(port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")[0] == 403
