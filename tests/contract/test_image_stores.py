# SPDX-License-Identifier: Apache-2.0
"""Images in S3 and in Swift, against our own two APIs, live on a port: the contract of stores, an image's way through them, and what
happens when the store is full, breaks off, is away, or is the same cloud."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from disks import qcow2
from sim_cloud import SimCloud, Tenant, blob_contract, make
from virga.client import Client, Refused, wait
from virga.services.images.drivers import s3, swift

OCTETS = {"Content-Type": "application/octet-stream"}
KINDS = ("swift", "s3")
ONE, TWO = "11111111-0000-4000-8000-000000000001-0000000a", "22222222-0000-4000-8000-000000000002-0000000b"


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Lab:
    """A cloud in a process of its own, whose objects keep images; with a service user of its own project, and that user's access key."""

    def __init__(self, state: Path, env: dict[str, str] | None = None) -> None:
        self.state, self.port = state, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = os.environ | {"VIRGA_ADMIN_PASSWORD": "secret", "VIRGA_SERVER_LOG_LEVEL": "warning"}
        self.env |= {"VIRGA_SIM_STOCK": "false"} | (env or {})
        state.mkdir(exist_ok=True)
        self.start()
        a = self.admin
        self.project = a.get("/identity/v3/projects?name=service")["projects"][0]["id"]
        user = a.post("/identity/v3/users", {"user": {"name": "glance", "password": "stores"}})["user"]["id"]
        member = a.get("/identity/v3/roles?name=member")["roles"][0]["id"]
        a.raw("PUT", f"/identity/v3/projects/{self.project}/users/{user}/roles/{member}")
        me, project = (a.get(f"/identity/v3/{kind}?name=admin")[kind][0]["id"] for kind in ("users", "projects"))
        reseller = a.get("/identity/v3/roles?name=ResellerAdmin")["roles"][0]["id"]
        a.raw("PUT", f"/identity/v3/projects/{project}/users/{me}/roles/{reseller}")
        a.login()
        self.key = a.post(f"/identity/v3/users/{user}/credentials/OS-EC2", {"tenant_id": self.project})["credential"]
        self.glance = Client(self.url, "stores", user="glance", project="service")
        self.glance.login()

    def start(self) -> None:
        words = [
            sys.executable,
            "-m",
            "virga",
            "--state",
            str(self.state),
            "up",
            "--sim",
            "--listen",
            f"127.0.0.1:{self.port}",
        ]
        self.process = subprocess.Popen(
            words, env=self.env, stdout=subprocess.DEVNULL, stderr=open(self.state / "out", "ab")
        )
        self.admin = Client(self.url, "secret", ca=self.state / "tls.crt")

        def ready() -> bool:
            try:
                self.admin.login()
            except (OSError, Refused):
                return False
            return True

        assert wait(ready, 30, every=0.05), (self.state / "out").read_text()[-2000:]

    def word(self, kind: str, place: str, **more: Any) -> str:
        """A store by setting, of our own APIs."""
        if kind == "swift":
            words = {"auth_address": f"{self.url}/identity/v3", "user": "service:glance", "key": "stores"} | more
        else:
            words = {
                "host": f"{self.url}/s3",
                "access_key": self.key["access"],
                "secret_key": self.key["secret"],
            } | more
        return f"{kind}={kind}:{place}?" + "&".join(f"{k}={quote(str(v), safe='')}" for k, v in words.items())

    def blobs(self, kind: str, place: str, **more: Any) -> Any:
        if kind == "swift":
            return swift.SwiftStore(swift.Options(place, f"{self.url}/identity/v3", "service:glance", "stores", **more))
        return s3.S3Store(s3.Options(place, f"{self.url}/s3", self.key["access"], self.key["secret"], **more))

    def bytes(self) -> int:
        """What the account of the stores holds."""
        return int(self.glance.raw("HEAD", f"/object-store/v1/AUTH_{self.project}")[1]["x-account-bytes-used"])

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = Lab(tmp_path_factory.mktemp("stores") / "state")
    yield made
    made.stop()


@contextlib.contextmanager
def sim(lab: Lab, kind: str, place: str, **more: Any) -> Iterator[SimCloud]:
    """A cloud in memory whose images lie in the lab's objects."""
    cloud = make(**{"images.stores": [lab.word(kind, place, **more), "files=memory:"]})
    cloud.start()
    try:
        yield SimCloud(cloud)
    finally:
        cloud.stop()


def upload(who: Tenant, data: bytes, disk: str = "raw", store: str = "") -> tuple[str, Any]:
    id = who.post("/image/v2/images", {"name": "c", "disk_format": disk, "container_format": "bare"})["id"]
    return id, who.ask(
        "PUT",
        f"/image/v2/images/{id}/file",
        raw=data,
        headers=OCTETS | ({"X-Image-Meta-Store": store} if store else {}),
    )


SMALL_PARTS = {
    "swift": {"large_object_size": 4, "large_object_chunk_size": 2},
    "s3": {"large_object_size": 5, "large_object_chunk_size": 5},
}


@pytest.mark.parametrize("kind", KINDS)
def test_contract(lab: Lab, kind: str) -> None:
    blob_contract(lab.blobs(kind, f"contract-{kind}", **SMALL_PARTS[kind]))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_ours_stays(lab: Lab, kind: str) -> None:
    """Objects of others in the same place, upstream's images and their segments too, are neither listed nor swept."""
    store = lab.blobs(kind, f"theirs-{kind}")
    store.ready("theirs-swift") if kind == "swift" else store.bucket.ready()
    theirs = ["backup-1", ONE.rpartition("-")[0], ONE.rpartition("-")[0] + "-00001", "segments/mine/00001", "x/" + ONE]
    where = f"/object-store/v1/AUTH_{lab.project}/theirs-{kind}"
    for name in theirs:
        lab.glance.raw("PUT", f"{where}/{name}", data=b"theirs", headers=OCTETS)
    assert store.ids() == set() and store.unfinished() == set()
    with sim(lab, kind, f"theirs-{kind}") as h:
        assert h.cloud.loops.once("images.sweep") is not None
    assert {r["name"] for r in lab.glance.get(f"{where}?format=json")} == {".virga", *theirs}


@pytest.mark.parametrize("kind", KINDS)
def test_a_place_of_another_cloud(lab: Lab, kind: str) -> None:
    """Set up with a place that is another cloud's: nothing is written there, and nothing of the other's is swept."""
    with sim(lab, kind, f"whose-{kind}") as first:
        id, got = upload(first.admin, b"x" * 5000)
        assert got.code == 204
        with sim(lab, kind, f"whose-{kind}") as second:
            _, got = upload(second.admin, b"y" * 5000)
            assert got.code == 503 and "belongs to another cloud" in got.text, (got.code, got.text)
            assert second.cloud.loops.once("images.sweep") is not None
        with sim(lab, kind, f"whose-{kind}") as third:  # one that only sweeps
            assert third.cloud.loops.once("images.sweep") is not None
        assert first.admin.ask("GET", f"/image/v2/images/{id}/file").code == 200, "still there"
        first.admin.delete(f"/image/v2/images/{id}", 204)
        first.cloud.loops.once("images.sweep")


def test_contract_of_dynamic_manifests(lab: Lab) -> None:
    """As with a server that knows no static ones."""
    store = lab.blobs("swift", "dynamic", **SMALL_PARTS["swift"])
    store.account._most_segments = 0
    blob_contract(store)


def test_a_container_for_each_image(lab: Lab) -> None:
    store = lab.blobs("swift", "each", multiple_containers_seed=8)
    blob_contract(store)
    for key in (ONE, TWO):
        writer = store.create(key, 3)
        writer.write(b"abc")
        writer.commit()
    assert store.ids() == {ONE, TWO}
    assert {c["name"] for c in store.account.names("", prefix="each_")} >= {"each_11111111", "each_22222222"}


def test_segments_are_a_static_large_object(lab: Lab) -> None:
    store = lab.blobs("swift", "slo", **SMALL_PARTS["swift"])
    data = os.urandom((5 << 20) + 3)
    writer = store.create(ONE, len(data))
    writer.write(data)
    writer.commit()
    assert "x-static-large-object" in lab.glance.raw("HEAD", f"/object-store/v1/AUTH_{lab.project}/slo/{ONE}")[1]
    assert [r["bytes"] for r in store.account.names("slo", prefix=f"segments/{ONE}/")] == [
        2 << 20,
        2 << 20,
        (1 << 20) + 3,
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_in_the_store(lab: Lab, kind: str) -> None:
    """Up, down, a range, hostile bytes, a copy from and to another store, gone; the bytes return."""
    before = lab.bytes()
    with sim(lab, kind, f"way-{kind}", **SMALL_PARTS[kind]) as h:
        a, data = h.admin, os.urandom((11 << 20) + 5)
        id, got = upload(a, data)
        assert got.code == 204, got.text
        image = a.get(f"/image/v2/images/{id}")
        assert (image["status"], image["stores"], image["os_hash_value"]) == (
            "active",
            kind,
            hashlib.sha512(data).hexdigest(),
        )
        headers = {"X-Auth-Token": a.token}
        assert h.http.get(f"/image/v2/images/{id}/file", headers=headers).content == data
        part = h.http.get(f"/image/v2/images/{id}/file", headers=headers | {"Range": "bytes=2097140-5242899"})
        assert part.status_code == 206 and part.content == data[2097140:5242900]
        (location,) = a.get(f"/image/v2/images/{id}/locations")
        assert (
            location["url"].startswith("swift+config://" if kind == "swift" else "s3+http://")
            and "stores" not in location["url"]
        )
        assert lab.key["secret"] not in location["url"]
        bad, got = upload(a, qcow2(backing="/etc/passwd"), "qcow2")
        assert got.code == 415, got.text
        a.post(f"/image/v2/images/{id}/import", {"method": {"name": "copy-image"}, "stores": ["files"]})
        assert wait(
            lambda: a.get(f"/image/v2/images/{id}")["stores"] == f"{'files,' + kind if kind > 'files' else kind}", 20
        ), a.get(f"/image/v2/images/{id}")
        assert a.ask("DELETE", f"/image/v2/stores/{kind}/{id}").code == 204
        assert wait(lambda: h.cloud.loops.once("images.sweep") is not None and lab.bytes() == before, 30)
        assert h.http.get(f"/image/v2/images/{id}/file", headers=headers).content == data
        other, got = upload(a, b"", store=kind)
        assert got.code == 204 and h.http.get(f"/image/v2/images/{other}/file", headers=headers).content == b""
        for each in (id, bad, other):
            a.delete(f"/image/v2/images/{each}", 204)
        h.cloud.loops.once("images.sweep")
    assert lab.bytes() == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_account(lab: Lab, kind: str) -> None:
    """Quota of the store: the image is queued, says why, and nothing of it is left."""
    account = f"/object-store/v1/AUTH_{lab.project}"
    before = lab.bytes()
    with sim(lab, kind, f"full-{kind}", **SMALL_PARTS[kind]) as h:
        a = h.admin
        lab.admin.raw("POST", account, headers={"X-Account-Meta-Quota-Bytes": str(before + (6 << 20))})
        try:
            id, got = upload(a, os.urandom(12 << 20))
            assert got.code == 507, (got.code, got.text)
            other = a.post("/image/v2/images", {"name": "i", "disk_format": "raw", "container_format": "bare"})["id"]
            assert a.ask("PUT", f"/image/v2/images/{other}/stage", raw=os.urandom(12 << 20), headers=OCTETS).code == 204
            a.post(f"/image/v2/images/{other}/import", {"method": {"name": "glance-direct"}}, 202)
            done = wait(
                lambda: None if "os_glance_import_task" in (i := a.get(f"/image/v2/images/{other}")) else i,
                30,
                every=0.1,
            )
            assert done and done["status"] == "queued" and kind in done["os_glance_reason"], done
        finally:
            lab.admin.raw("POST", account, headers={"X-Account-Meta-Quota-Bytes": ""})
        image = a.get(f"/image/v2/images/{id}")
        assert image["status"] == "queued" and image["os_glance_reason"], image
        h.cloud.loops.once("images.sweep")
        assert lab.bytes() == before
        got = a.ask("PUT", f"/image/v2/images/{id}/file", raw=b"x" * 5000, headers=OCTETS)
        assert got.code == 204, "the image can be filled when there is room"
        a.delete(f"/image/v2/images/{id}", 204)
        h.cloud.loops.once("images.sweep")


@pytest.mark.parametrize("kind", KINDS)
def test_a_writer_that_dies_leaves_nothing(lab: Lab, kind: str) -> None:
    """Parts of a write whose process was killed are found and taken away."""
    store, before = lab.blobs(kind, f"dead-{kind}", **SMALL_PARTS[kind]), lab.bytes()
    script = (
        "import sys,os,threading\nfrom virga.services.images.drivers import s3, swift\n"
        "kind, *words = sys.argv[2:]\nmore = dict(large_object_size=5, large_object_chunk_size=5)\n"
        "store = swift.SwiftStore(swift.Options(*words, **more)) if kind == 'swift' else s3.S3Store(s3.Options(*words, **more))\n"
        "w = store.create(sys.argv[1])\nw.write(os.urandom(12 << 20))\nprint('written', flush=True)\nthreading.Event().wait(60)\n"
    )
    o = store.options
    words = (
        [o.container, o.auth_address, o.user, o.key]
        if isinstance(o, swift.Options)
        else [o.bucket, o.host, o.access_key, o.secret_key]
    )
    child = subprocess.Popen([sys.executable, "-c", script, ONE, kind, *words], stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline() == b"written\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert store.ids() == set() and store.unfinished() == {ONE}
    with sim(lab, kind, f"dead-{kind}") as h:
        h.cloud.loops.once("images.sweep")
    assert store.unfinished() == set() and lab.bytes() == before


@pytest.mark.parametrize("kind", KINDS)
def test_constant_memory(lab: Lab, kind: str) -> None:
    """160 MiB in and out again, of a length that nobody knows beforehand: the process grows by a few parts, not by the image."""
    store = lab.blobs(kind, f"long-{kind}", large_object_chunk_size=16)
    script = (
        "import sys, resource\nfrom virga.services.images.drivers import s3, swift\n"
        "key, kind, *words = sys.argv[1:]\nmore = dict(large_object_chunk_size=16)\n"
        "store = swift.SwiftStore(swift.Options(*words, **more)) if kind == 'swift' else s3.S3Store(s3.Options(*words, **more))\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
        "def through(n):\n    w, piece = store.create(key), bytes(range(256)) * 8192\n    [w.write(piece) for _ in range(n)]\n    w.commit()\n"
        "    assert sum(len(c) for c in store.read(key)) == n << 21\n    store.remove(key)\n"
        "through(20)\nfirst = peak()\nthrough(80)\nprint(peak() - first)\n"
    )
    o = store.options
    words = (
        [o.container, o.auth_address, o.user, o.key]
        if isinstance(o, swift.Options)
        else [o.bucket, o.host, o.access_key, o.secret_key]
    )
    done = subprocess.run(
        [sys.executable, "-c", script, ONE, kind, *words], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 40, f"{done.stdout} MiB more for four times the length"


class Middle:
    """A way to the lab that can be cut: every connection is broken after `most` bytes from the server, while `cuts` lasts."""

    def __init__(self, port: int) -> None:
        self.most, self.cuts = 1 << 62, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.target = self.listener.getsockname()[1], port
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
                threading.Thread(target=self._pump, args=(near, far, False), daemon=True).start()
                threading.Thread(target=self._pump, args=(far, near, True), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        seen = 0
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                seen += len(data)
                if counted and seen > self.most and self.cuts > 0:
                    self.cuts -= 1
                    break
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def close(self) -> None:
        self.listener.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_reading_goes_on_where_it_stood(lab: Lab, kind: str) -> None:
    data = os.urandom(12 << 20)
    plain = lab.blobs(kind, f"cut-{kind}")
    writer = plain.create(ONE, len(data))
    writer.write(data)
    writer.commit()
    middle = Middle(lab.port)
    try:
        if kind == "swift":
            o = swift.Options(
                "cut-swift",
                f"{lab.url}/identity/v3",
                "service:glance",
                "stores",
                endpoint=f"http://127.0.0.1:{middle.port}/object-store/v1/AUTH_{lab.project}",
            )
            store: Any = swift.SwiftStore(o)
        else:
            store = s3.S3Store(
                s3.Options("cut-s3", f"http://127.0.0.1:{middle.port}/s3", lab.key["access"], lab.key["secret"])
            )
        store.ids()
        middle.most, middle.cuts = 3 << 20, 3
        assert b"".join(store.read(ONE)) == data
        assert middle.cuts == 0, "it was cut indeed"
        middle.most, middle.cuts = 1 << 10, 1000
        with pytest.raises(OSError):
            b"".join(store.read(ONE))
        assert middle.cuts > 900, "the tries are bounded"
    finally:
        middle.close()
    plain.remove(ONE)


def test_a_store_that_goes_away(tmp_path: Path) -> None:
    """Killed in the middle of an upload: a clear no, queued with the reason; when it is back, the next sweep finds what was left."""
    lab = Lab(tmp_path / "state")
    try:
        for kind in KINDS:
            with sim(lab, kind, f"away-{kind}", **SMALL_PARTS[kind]) as h:
                a = h.admin
                id, got = upload(a, os.urandom(1 << 20))
                assert got.code == 204, got.text
                held = threading.Event()
                store = h.cloud.registry.use(_stores()).get(kind).blobs
                made = store.create

                def create(key: str, size: int | None = None, made: Any = made, held: threading.Event = held) -> Any:
                    writer = made(key, size)
                    plain, seen = writer.write, [0]

                    def write(data: bytes) -> None:
                        plain(data)
                        seen[0] += len(data)
                        if seen[0] >= 8 << 20 and not held.is_set():
                            held.set()
                            lab.process.kill()
                            lab.process.wait()

                    writer.write = write
                    return writer

                store.create = create
                bad, got = upload(a, os.urandom(24 << 20))
                assert held.is_set() and got.code == 503, (got.code, got.text)
                image = a.get(f"/image/v2/images/{bad}")
                assert image["status"] == "queued" and image["os_glance_reason"], image
                assert a.ask("GET", f"/image/v2/images/{id}/file").code == 503
                assert h.cloud.loops.once("images.sweep") is not None, "the sweep does not fall over"
                store.create = made
                lab.start()
                h.cloud.loops.once("images.sweep")
                assert store.unfinished() == set() and len(store.ids()) == 1
                got = a.ask("PUT", f"/image/v2/images/{bad}/file", raw=b"y" * (6 << 20), headers=OCTETS)
                assert got.code == 204, got.text
    finally:
        lab.stop()


def _stores() -> Any:
    from virga.services.images.driver import Stores

    return Stores


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_cloud(tmp_path: Path, kind: str) -> None:
    """A cloud whose images lie in its own objects: more uploads at once than it has threads, and none waits for another for ever."""
    lab = Lab(tmp_path / "state")
    try:
        lab.stop()
        lab.env["VIRGA_IMAGES_STORES"] = lab.word(kind, "images", **SMALL_PARTS[kind])
        lab.start()
        c, data = lab.admin, os.urandom(6 << 20)

        def whole(n: int) -> str:
            id = c.post("/image/v2/images", {"name": f"i{n}", "disk_format": "raw", "container_format": "bare"})["id"]
            c.raw("PUT", f"/image/v2/images/{id}/file", data=data, headers=OCTETS, timeout=100)
            return str(id)

        with ThreadPoolExecutor(24) as pool:
            ids = list(pool.map(whole, range(24)))
        image = c.get(f"/image/v2/images/{ids[-1]}")
        assert image["status"] == "active" and image["os_hash_value"] == hashlib.sha512(data).hexdigest()
        assert 24 * len(data) <= lab.bytes() < 24 * len(data) + (1 << 16), "manifests count a little"
        for id in ids:
            c.delete(f"/image/v2/images/{id}")
        assert wait(lambda: lab.bytes() == 0, 90, every=1.0), "the sweep takes the bytes"
    finally:
        lab.stop()


@pytest.mark.parametrize(
    "word",
    [
        "s=swift:c?user=a:b&key=c",
        "s=swift:c?auth_address=x&user=a:b&key=c&colour=red",
        "s=s3:b?host=http://h&access_key=a",
        "s=s3:b?host=http://h&access_key=a&secret_key_file=/nonexistent",
    ],
)
def test_settings_that_are_none(word: str) -> None:
    with pytest.raises(ValueError, match=r"images\.stores"):
        make(**{"images.stores": [word]})


def test_a_secret_in_a_file(tmp_path: Path) -> None:
    from virga.services.images.drivers.stores import image_stores
    from virga.services.images.settings import Images

    (tmp_path / "key").write_text("s3cr3t+/=\n")
    made = image_stores(
        Images(
            stores=[
                f"s=swift:c?auth_address=http://h/v3&user=a:b&key_file={tmp_path / 'key'}&large_object_size=7&weight=3"
            ]
        ),
        tmp_path,
    )
    store = made.default
    assert isinstance(store.blobs, swift.SwiftStore) and store.blobs.options.key == "s3cr3t+/=" and store.weight == 3
    assert "s3cr3t" not in str(store.facts)


def test_the_doctor_tries_them(lab: Lab) -> None:
    from virga.doctor import check
    from virga.settings import load

    words = [lab.word("swift", "doctor"), lab.word("s3", "doctor", host=f"http://127.0.0.1:{free_port()}/s3")]
    settings = load(env={}, state="/nonexistent", simulated=True, **{"images.stores": words})
    found = {f.name: (f.level, f.text) for f in check(settings) if f.name.startswith("image store")}
    assert found["image store swift"] == ("ok", "answers")
    assert found["image store s3"][0] == "warn" and "does not answer" in found["image store s3"][1], found


def test_errors_speak(lab: Lab) -> None:
    store = swift.SwiftStore(swift.Options("c", f"{lab.url}/identity/v3", "service:glance", "wrong"))
    with pytest.raises(OSError, match="401 to the images' user service:glance"):
        store.ids()
    away = s3.S3Store(s3.Options("c", f"http://127.0.0.1:{free_port()}/s3", "a", "b"))
    with pytest.raises(OSError) as found:
        away.ids()
    assert found.value.errno == errno.EIO
