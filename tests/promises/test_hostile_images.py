# SPDX-License-Identifier: Apache-2.0
"""Images made by an enemy. Nothing of the host is read, nothing hangs, what is on the disk returns to what it was. The names of the
tests are the attacks: a1 … a14, b1, b2."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import ipaddress
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

import disks
from sim_cloud import SimCloud, Tenant, make
from virga.client import wait
from virga.ground.errors import Invalid
from virga.services.images.cache import ImageCache
from virga.services.images.driver import Stores
from virga.services.images.fetch import Guard, public
from virga.services.images.settings import Images
from web_server import WebServer, web

OCTETS = {"Content-Type": "application/octet-stream"}
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
CANARY = b"canary-of-this-host-" * 400


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def trusted(state: Path) -> Path:
    (state / "trusted").mkdir()
    return state / "trusted"


@pytest.fixture(scope="module")
def server() -> Iterator[WebServer]:
    with web() as made:
        yield made


@pytest.fixture(scope="module")
def sim(state: Path, trusted: Path, server: WebServer) -> Iterator[SimCloud]:
    """A cloud on files that converts and unpacks what it imports."""
    (state / "cloud").mkdir()
    (state / "cloud/admin-password").write_text("admin")
    cloud = make(
        state=state / "cloud",
        **{
            "images.import_allow": [f"127.0.0.1:{server.port}"],
            "images.convert_to": "raw",
            "images.decompress": True,
            "images.trusted_certificates": str(trusted),
            "images.max_bytes": 64 << 20,
        },
    )
    cloud.start()
    yield SimCloud(cloud)
    cloud.stop()


@pytest.fixture(scope="module")
def anna(sim: SimCloud) -> Tenant:
    return sim.tenant("anna")


@pytest.fixture(scope="module")
def canary(state: Path) -> Path:
    path = state / "canary"
    path.write_bytes(CANARY)
    path.chmod(0o644)
    return path


def stored_bytes(sim: SimCloud) -> int:
    """Bytes in the stores and in staging once the sweeper was there."""
    sim.cloud.loops.once("images.sweep")
    return sum(p.stat().st_size for p in (sim.cloud.state / "images").rglob("*") if p.is_file())


def create(who: Tenant, disk: str = "raw", container: str = "bare", **more: Any) -> str:
    return str(
        who.post("/image/v2/images", {"name": "bad", "disk_format": disk, "container_format": container} | more)["id"]
    )


def upload(who: Tenant, id: str, data: bytes) -> Any:
    return who.ask("PUT", f"/image/v2/images/{id}/file", raw=data, headers=OCTETS)


def download(who: Tenant, id: str) -> Any:
    return who.http.get(f"/image/v2/images/{id}/file", headers={"X-Auth-Token": who.token})


def imported(who: Tenant, id: str, method: dict[str, Any]) -> Any:
    """The image when its import is over."""
    who.post(f"/image/v2/images/{id}/import", {"method": method}, 202)

    def over() -> Any:
        image = who.get(f"/image/v2/images/{id}")
        return image if "os_glance_import_task" not in image else None

    image = wait(over, 60, every=0.05)
    assert image, who.get(f"/image/v2/images/{id}/tasks")
    return image


def staged(who: Tenant, id: str, data: bytes) -> Any:
    assert who.ask("PUT", f"/image/v2/images/{id}/stage", raw=data, headers=OCTETS).code == 204
    return imported(who, id, {"name": "glance-direct"})


def corpus(path: str) -> dict[str, tuple[str, bytes]]:
    return {
        "a1-data-file-flag": ("qcow2", disks.qcow2(data_file=True)),
        "a1-data-file-name": ("qcow2", disks.qcow2(data_file=path)),
        "a2-data-file-as-raw": ("raw", disks.qcow2(data_file=path)),
        "a2-qcow2-as-raw": ("raw", disks.qcow2()),
        "a2-qcow2-as-iso": ("iso", disks.qcow2(backing=path)),
        "a3-flat": ("vmdk", disks.sparse_vmdk(path)),
        "a3-flat-text": ("vmdk", disks.vmdk(path)),
        "a3-two-gb": ("vmdk", disks.sparse_vmdk(path, "twoGbMaxExtentFlat")),
        "a3-vmfs": ("vmdk", disks.sparse_vmdk(path, "vmfs")),
        "a3-full-device": ("vmdk", disks.sparse_vmdk(path, "fullDevice")),
        "a3-cowd": ("vmdk", disks.cowd(path)),
        "a3-sesparse": ("vmdk", disks.sesparse()),
        "a4-backing": ("qcow2", disks.qcow2(backing=path)),
        "a4-backing-json": ("qcow2", disks.qcow2(backing='json:{"driver":"file","filename":"' + path + '"}')),
        "a4-backing-nbd": ("qcow2", disks.qcow2(backing="nbd://127.0.0.1:1/x")),
        "a4-backing-v2": ("qcow2", disks.qcow2(backing=path, version=2)),
        "a4-vhd-parent": ("vhd", disks.vhd(parent=path)),
        "a6-eight-exabytes": ("qcow2", disks.qcow2(size=1 << 62)),
        "a6-vhd-huge": ("vhd", disks.vhd(size=1 << 62)),
        "a6-vdi-huge": ("vdi", disks.vdi(size=1 << 62)),
        "a8-polyglot-as-iso": ("iso", disks.polyglot(path)),
        "a8-polyglot-as-qcow2": ("qcow2", disks.polyglot(path)),
        "a8-polyglot-as-raw": ("raw", disks.polyglot(path)),
    }


@pytest.mark.parametrize("name", corpus("/x"))
def test_a1_a2_a3_a4_a6_a8_corpus(sim: SimCloud, anna: Tenant, canary: Path, name: str) -> None:
    """By upload and by import with conversion: refused, or harmless to the last byte; never the canary; nothing kept."""
    declared, data = corpus(str(canary))[name]
    before = stored_bytes(sim)
    for way in (upload, staged) if name.startswith(("a1", "a4")) else (staged,):
        id = create(anna, declared)
        got = way(anna, id, data)
        image = anna.get(f"/image/v2/images/{id}")
        if image["status"] == "active":
            assert CANARY[:20] not in download(anna, id).content
            assert name in {"a3-sesparse", "a3-cowd"}, f"{name} went through"
        else:
            assert image["status"] == "queued" and image["size"] is None
            assert "os_glance_reason" in image, image
            assert way is staged or 400 <= got.code < 500, got.text
        anna.delete(f"/image/v2/images/{id}", 204)
    assert stored_bytes(sim) == before


def test_a7_fuzzed_headers(sim: SimCloud, anna: Tenant) -> None:
    """Nearly right headers: an answer in time, never a 5xx, nothing kept."""
    before = stored_bytes(sim)
    for declared, data in disks.fuzzed(7, 24):
        id = create(anna, declared)
        began = time.monotonic()
        got = upload(anna, id, data)
        assert got.code == 204 or 400 <= got.code < 500, f"{declared}: {got.code} {got.text}"
        assert time.monotonic() - began < 30
        anna.delete(f"/image/v2/images/{id}", 204)
    assert stored_bytes(sim) == before


def test_a6_bombs_do_not_go_off(sim: SimCloud, anna: Tenant) -> None:
    """A small file that unpacks to more than an image may have: ended at the limit, nothing kept."""
    before = stored_bytes(sim)
    for data in (disks.gzip_bomb(256 << 20), disks.xz_bomb(256 << 20), disks.zipped("x", bytes(128 << 20))):
        assert len(data) < 1 << 20
        id = create(anna, "raw", "compressed")
        image = staged(anna, id, data)
        assert image["status"] == "queued" and "longer than" in image["os_glance_reason"], image
        anna.delete(f"/image/v2/images/{id}", 204)
    assert stored_bytes(sim) == before


def test_a8_archives(sim: SimCloud, anna: Tenant, state: Path) -> None:
    """Names in a zip are never paths of ours; several files are refused; what is inside is looked at as if it came plain."""
    good = os.urandom(70_000)
    id = create(anna, "raw", "compressed")
    image = staged(anna, id, disks.zipped("../../../../tmp/virga-zip-slip", good))
    assert image["status"] == "active" and image["container_format"] == "bare", image
    assert download(anna, id).content == good and not Path("/tmp/virga-zip-slip").exists()
    id = create(anna, "raw", "compressed")
    assert "one file" in staged(anna, id, disks.zipped("a", good, more=True))["os_glance_reason"]
    id = create(anna, "qcow2", "compressed")
    import gzip

    assert "refused" in staged(anna, id, gzip.compress(disks.qcow2(backing="/etc/passwd")))["os_glance_reason"]


def test_conversion_in_the_sandbox(sim: SimCloud, anna: Tenant) -> None:
    """A real qcow2 becomes the same disk in raw; the tool had no file of the host but its own."""
    import subprocess

    file = sim.cloud.state / "real.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(file), "8M"], check=True)
    subprocess.run(["qemu-io", "-c", "write -P 65 0 64k", str(file)], check=True, stdout=subprocess.DEVNULL)
    id = create(anna, "qcow2")
    image = staged(anna, id, file.read_bytes())
    assert (image["status"], image["disk_format"], image["size"]) == ("active", "raw", 8 << 20), image
    got = download(anna, id).content
    assert got[:65536] == b"A" * 65536 and not any(got[65536:])
    assert image["os_hash_value"] == hashlib.sha512(got).hexdigest()


def test_the_sandbox_has_nothing_of_the_host(canary: Path, tmp_path: Path) -> None:
    """QEMU's tool is asked to read a file of the host by name, from inside of the walls: there is no such file."""
    from virga.ground.sandbox import SandboxFailed, converted

    overlay = tmp_path / "overlay"
    overlay.write_bytes(disks.qcow2(backing=str(canary)))
    with open(overlay, "rb") as source, open(tmp_path / "out", "w+b") as out:
        with pytest.raises(SandboxFailed, match=r"[Nn]o such file|Could not open"):
            converted(source.fileno(), out.fileno(), "qcow2", "raw", lambda _: None, seconds=30)
        assert CANARY[:20] not in (tmp_path / "out").read_bytes()


def test_a9_deleted_bytes_are_gone(sim: SimCloud, anna: Tenant) -> None:
    """Neither in the stores, nor behind its id, which no other image gets."""
    id = create(anna)
    assert upload(anna, id, CANARY).code == 204
    anna.delete(f"/image/v2/images/{id}", 204)
    assert anna.ask("POST", "/image/v2/images", {"id": id}).code == 409
    assert download(anna, id).status_code == 404
    stored_bytes(sim)
    assert CANARY[:20] not in b"".join(p.read_bytes() for p in (sim.cloud.state / "images").rglob("*") if p.is_file())


@pytest.mark.parametrize(
    "name",
    [
        "status",
        "checksum",
        "os_hash_value",
        "size",
        "virtual_size",
        "id",
        "locations",
        "location",
        "deleted",
        "stores",
        "os_glance_x",
    ],
)
def test_a11_not_yours_to_set(sim: SimCloud, anna: Tenant, name: str) -> None:
    id = create(anna)
    for verb in ("replace", "add"):
        path = f"/{name}/-" if (name, verb) == ("locations", "add") else f"/{name}"
        for value in (
            "active",
            [{"url": "file:///etc/passwd", "metadata": {}}],
            {"url": "swift+config://x", "metadata": {}},
        ):
            got = anna.ask(
                "PATCH", f"/image/v2/images/{id}", [{"op": verb, "path": path, "value": value}], headers=PATCH
            )
            assert got.code == 403, f"{verb} {name}: {got.code} {got.text}"
    assert anna.ask("POST", "/image/v2/images", {"name": "x", name: "x"}).code in {400, 403}


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "swift+config://x/y",
        "rbd://a/b/c/d",
        "cinder://x",
        "http://127.0.0.1/x",
        "/etc/passwd",
        "s3://k:s@h/b/o",
    ],
)
def test_a11_locations(sim: SimCloud, anna: Tenant, url: str) -> None:
    id = create(anna)
    assert anna.ask("POST", f"/image/v2/images/{id}/locations", {"url": url}).code in {400, 403}
    assert anna.ask("GET", f"/image/v2/images/{id}/locations").code == 403
    assert anna.get(f"/image/v2/images/{id}")["status"] == "queued"


def test_a11_owner_and_visibility(sim: SimCloud, anna: Tenant) -> None:
    id = create(anna)
    for path, value in (("/owner", "somebody"), ("/visibility", "public")):
        got = anna.ask(
            "PATCH", f"/image/v2/images/{id}", [{"op": "replace", "path": path, "value": value}], headers=PATCH
        )
        assert got.code == 403 and ("set_image_owner" in got.text or "publicize_image" in got.text)


def test_a12_cached_bytes_obey_the_rules(sim: SimCloud, anna: Tenant) -> None:
    boris = sim.tenant("boris-cache")
    image = sim.image(anna, visibility="shared")
    anna.post(f"/image/v2/images/{image['id']}/members", {"member": boris.project})
    sim.cloud.registry.use(ImageCache).fetch(image["id"])
    assert download(boris, image["id"]).status_code == 200
    anna.delete(f"/image/v2/images/{image['id']}/members/{boris.project}", 204)
    assert download(boris, image["id"]).status_code == 404
    sim.admin.ask("POST", f"/image/v2/images/{image['id']}/actions/deactivate")
    assert download(anna, image["id"]).status_code == 403


def test_a13_deleted_while_uploading(sim: SimCloud, anna: Tenant) -> None:
    """Many uploads, each deleted while it runs: the bytes on the disk return to what they were."""
    before = stored_bytes(sim)
    codes: list[int] = []

    def one() -> None:
        id = create(anna)
        gone = threading.Timer(0.01, lambda: anna.ask("DELETE", f"/image/v2/images/{id}"))
        gone.start()
        codes.append(upload(anna, id, os.urandom(3 << 20)).code)
        gone.join()
        anna.ask("DELETE", f"/image/v2/images/{id}")

    threads = [threading.Thread(target=one) for _ in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert set(codes) <= {204, 404}
    assert stored_bytes(sim) == before


def certificate(trusted: Path, id: str, key: Any, days: int = 5) -> None:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "signer")])
    now = dt.datetime.now(dt.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    made = made.not_valid_before(now - dt.timedelta(days=10)).not_valid_after(now + dt.timedelta(days=days))
    (trusted / f"{id}.pem").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def test_a14_signatures(sim: SimCloud, anna: Tenant, trusted: Path) -> None:
    data = os.urandom(100_000)
    key = rsa.generate_private_key(65537, 2048)
    certificate(trusted, "one", key)
    certificate(trusted, "old", key, days=-1)
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.MAX_LENGTH)
    good = {
        "img_signature": base64.b64encode(key.sign(data, pss, hashes.SHA256())).decode(),
        "img_signature_hash_method": "SHA-256",
        "img_signature_key_type": "RSA-PSS",
        "img_signature_certificate_uuid": "one",
    }
    for way in ("upload", "import"):
        id = create(anna, **good)
        if way == "upload":
            assert upload(anna, id, data).code == 204
        else:
            assert staged(anna, id, data)["status"] == "active"
        assert anna.get(f"/image/v2/images/{id}")["status"] == "active"
    wrong = [
        (good, data[:-1]),
        (good | {"img_signature_hash_method": "MD5"}, data),
        (good | {"img_signature_hash_method": "SHA-512"}, data),
        (good | {"img_signature_certificate_uuid": "old"}, data),
        (good | {"img_signature_certificate_uuid": "none"}, data),
        (good | {"img_signature_certificate_uuid": "../one"}, data),
        (good | {"img_signature": "!"}, data),
        (good | {"img_signature_key_type": "DSA"}, data),
        ({k: v for k, v in good.items() if k != "img_signature"}, data),
        ({k: v for k, v in good.items() if k != "img_signature_certificate_uuid"}, data),
    ]
    before = stored_bytes(sim)
    for properties, body in wrong:
        id = create(anna, **properties)
        got = upload(anna, id, body)
        assert got.code == 400 and ("ignature" in got.text or "ertificate" in got.text), got.text
        assert anna.get(f"/image/v2/images/{id}")["status"] == "queued"
    curve = ec.generate_private_key(ec.SECP384R1())
    certificate(trusted, "curve", curve)
    signed = base64.b64encode(curve.sign(data, ec.ECDSA(hashes.SHA384()))).decode()
    more = {
        "img_signature": signed,
        "img_signature_hash_method": "SHA-384",
        "img_signature_key_type": "ECC_SECP384R1",
        "img_signature_certificate_uuid": "curve",
    }
    assert stored_bytes(sim) == before
    assert upload(anna, create(anna, **more), data).code == 204


def test_a14_hash_is_fail_closed(sim: SimCloud, anna: Tenant) -> None:
    """Bytes that rot in the store are not given to a machine; a copy of them is refused."""
    image = sim.image(anna, data=os.urandom(50_000))
    stores = sim.cloud.registry.use(Stores)
    path = next(p for p in (sim.cloud.state / "images").iterdir() if p.name.startswith(image["id"]))
    path.write_bytes(b"rotten" + path.read_bytes()[6:])
    from virga.services.images.cache import _copy

    with sim.cloud.db.read() as tx:
        from virga.services.images import store

        row = store.IMAGES.get(tx, image["id"])
    assert row is not None
    with pytest.raises(OSError, match="another sha512"):
        _copy(row, stores.default.blobs.read(path.name), sim.cloud.state / "cache" / ".new-x")
    assert not (sim.cloud.state / "cache" / ".new-x").exists()


INSIDE = [
    "127.0.0.1",
    "127.1",
    "127.0.0.1.",
    "0x7f000001",
    "2130706433",
    "0177.0.0.1",
    "017700000001",
    "0",
    "0.0.0.0",
    "localhost",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[fe80::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "224.0.0.1",
    "255.255.255.255",
    "198.18.0.1",
    "240.0.0.1",
    "192.0.2.1",
    "[ff02::1]",
    "[2001:0:7f00:1::]",
    "１２７.0.0.1",
]


@pytest.mark.parametrize("host", INSIDE)
def test_b1_web_download_to_the_inside(sim: SimCloud, anna: Tenant, host: str) -> None:
    id = create(anna)
    for url in (f"http://{host}/x", f"http://{host}:80/x", f"https://{host}/x"):
        got = anna.ask("POST", f"/image/v2/images/{id}/import", {"method": {"name": "web-download", "uri": url}})
        assert got.code == 400 and "URI" in got.text, f"{url}: {got.code} {got.text}"
    assert anna.get(f"/image/v2/images/{id}")["status"] == "queued"


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://a.example/x",
        "gopher://a.example/",
        "http://user@8.8.8.8/",
        "http://8.8.8.8:22/",
        "http://8.8.8.8:99999/",
        "http:///x",
        "//8.8.8.8/",
        "http://8.8.8.8\\@127.0.0.1/",
        "http://8.8.8.8/\r\nHost: x",
        "http://[::1",
        "http:8.8.8.8",
        "data:,x",
        "",
        "http://8.8.8.8 /",
    ],
)
def test_b1_urls_that_are_none(sim: SimCloud, anna: Tenant, url: str) -> None:
    id = create(anna)
    got = anna.ask("POST", f"/image/v2/images/{id}/import", {"method": {"name": "web-download", "uri": url}})
    assert got.code == 400, got.text


def test_b1_redirects_are_checked(sim: SimCloud, anna: Tenant, server: WebServer) -> None:
    """A server that we may reach leads to one that we may not."""

    def away(where: str) -> Any:
        def answer(h: Any) -> None:
            h.send_response(302)
            h.send_header("Location", where)
            h.send_header("Content-Length", "0")
            h.end_headers()

        return answer

    for n, where in enumerate(
        (
            "http://169.254.169.254/latest",
            "http://localhost:1/",
            "file:///etc/passwd",
            f"http://[::1]:{server.port}/good",
            "/loop",
        )
    ):
        server.pages[f"/r{n}"] = away(where)
    server.pages["/loop"] = away("/loop")
    for n in range(5):
        image = imported(anna, create(anna), {"name": "web-download", "uri": f"{server.url}/r{n}"})
        assert image["status"] == "queued" and (
            "filtering" in image["os_glance_reason"] or "redirects" in image["os_glance_reason"]
        ), image


def test_b1_a_name_with_two_answers() -> None:
    """DNS rebinding: what was looked at is what is connected to, and each look is at all addresses."""
    answers = iter([["93.184.216.34"], ["127.0.0.1"], ["93.184.216.34", "10.0.0.1"]])
    guard = Guard(Images(), resolve=lambda host, port: next(answers))
    assert guard.look("http://rebind.example/").addresses == ("93.184.216.34",)
    for _ in range(2):
        with pytest.raises(Invalid, match="not a public address"):
            guard.look("http://rebind.example/")


def test_b1_public_means_public() -> None:
    for text in ("8.8.8.8", "2001:4860:4860::8888", "1.1.1.1"):
        assert public(ipaddress.ip_address(text)), text
    for text in ("::ffff:10.0.0.1", "2002:0a00:0001::", "64:ff9b::a00:1", "fe80::1%eth0"):
        assert not public(ipaddress.ip_address(text)), text


def test_b2_tasks_take_no_orders(sim: SimCloud, anna: Tenant) -> None:
    order = {
        "type": "import",
        "input": {"import_from": "http://127.0.0.1/", "import_from_format": "raw", "image_properties": {}},
    }
    assert anna.ask("POST", "/image/v2/tasks", order).code == 403
    assert sim.admin.ask("POST", "/image/v2/tasks", order).code == 400
    assert all(t["type"] != "import" for t in sim.admin.get("/image/v2/tasks")["tasks"])


def test_the_sweeper_leaves_live_writes_alone(sim: SimCloud, anna: Tenant) -> None:
    """Uploads while the sweeper runs without a pause: not one of them is hurt."""
    stop = threading.Event()

    def sweep() -> None:
        while not stop.is_set():
            sim.cloud.loops.once("images.sweep")

    thread = threading.Thread(target=sweep)
    thread.start()
    try:
        for n in range(12):
            id = create(anna)
            assert upload(anna, id, b"x" * 10_000).code == 204, n
            assert download(anna, id).content == b"x" * 10_000
    finally:
        stop.set()
        thread.join()


def test_never_stuck_servers_that_break_off(sim: SimCloud, anna: Tenant, server: WebServer) -> None:
    """Broken off and taken up again; broken off for good; a promise of more than comes; nothing is kept of what failed."""
    data = os.urandom(900_000)
    server.pages["/breaks"] = lambda h: h.give(data, breaks=300_000)
    image = imported(anna, create(anna), {"name": "web-download", "uri": f"{server.url}/breaks"})
    assert image["status"] == "active" and image["os_hash_value"] == hashlib.sha512(data).hexdigest()
    before = stored_bytes(sim)

    def liar(h: Any) -> None:
        h.send_response(200)
        h.send_header("Content-Length", "1000000")
        h.end_headers()
        h.wfile.write(b"x" * 1000)
        h.close_connection = True

    server.pages["/liar"] = liar
    for path, says in (("/liar", "broke off"), ("/missing", "404")):
        image = imported(anna, create(anna), {"name": "web-download", "uri": f"{server.url}{path}"})
        assert image["status"] == "queued" and says in image["os_glance_reason"], image
    assert stored_bytes(sim) == before


def test_never_stuck_a_server_that_cannot_go_on(sim: SimCloud, anna: Tenant, server: WebServer) -> None:
    """It says that it knows ranges and begins anew, or with another file: what came is not taken for an image. The tries are bounded."""
    data, before = os.urandom(900_000), stored_bytes(sim)

    def anew(h: Any) -> None:
        del h.headers["Range"]
        h.give(data, breaks=300_000)

    def other(h: Any) -> None:  # If-Range holds no more: the whole of another file
        if "Range" in h.headers:
            assert h.headers["If-Range"] == '"one"'
            del h.headers["Range"]
            h.give(os.urandom(900_000))
        else:
            h.give(data, breaks=300_000)

    requested = len(server.requests)
    server.pages["/anew"], server.pages["/other"] = anew, other
    server.pages["/stubborn"] = lambda h: (
        h.give(data, breaks=300_000) if "Range" not in h.headers else h.send_error(503)
    )
    for path, says in (
        ("/anew", "changed while it was read"),
        ("/other", "changed while it was read"),
        ("/stubborn", "503"),
    ):
        image = imported(anna, create(anna), {"name": "web-download", "uri": f"{server.url}{path}"})
        assert image["status"] == "queued" and says in image["os_glance_reason"], image
    assert stored_bytes(sim) == before and len(server.requests) - requested < 20


def test_never_stuck_a_full_disk(sim: SimCloud, anna: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space: the image is queued with the reason, and what was written is gone."""
    import errno

    from virga.services.images.drivers.files import FileWriter

    before, write = stored_bytes(sim), FileWriter.write

    def full(self: FileWriter, data: bytes) -> None:
        write(self, data[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FileWriter, "write", full)
    id = create(anna)
    got = upload(anna, id, b"x" * 100_000)
    assert got.code == 507 and "full" in got.text
    image = anna.get(f"/image/v2/images/{id}")
    assert image["status"] == "queued" and "No space" in image["os_glance_reason"]
    monkeypatch.undo()
    id = create(anna)
    assert anna.ask("PUT", f"/image/v2/images/{id}/stage", raw=b"x" * 5000, headers=OCTETS).code == 204
    monkeypatch.setattr(FileWriter, "write", full)
    image = imported(anna, id, {"name": "glance-direct"})
    assert image["status"] == "queued" and "No space" in image["os_glance_reason"]
    monkeypatch.undo()
    assert stored_bytes(sim) == before
