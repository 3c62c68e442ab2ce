# SPDX-License-Identifier: Apache-2.0
"""What the object store keeps: bodies by one contract, rotten bytes, full disks, objects that are replaced while they are read, housekeeping."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

import bodies
from accounts import Account, S3Key, round_of
from sim_cloud import SimCloud, make
from virga.client import wait
from virga.ground.db.engine import Tx
from virga.ground.errors import Conflict, Unavailable
from virga.ground.keyfile import KeyFile
from virga.services.objects import api as objects_api
from virga.services.objects import loops
from virga.services.objects.actions import objects as actions
from virga.services.objects.bodies import Extent
from virga.services.objects.context import ObjectContext
from virga.services.objects.driver import BlobStore
from virga.services.objects.drivers.files import FileStore, FileWriter
from virga.services.objects.drivers.memory import MemoryStore
from virga.services.objects.drivers.sealed import Seal, SealedStore
from virga.services.objects.s3.errors import S3Error
from virga.services.objects.store import containers

END = 4_000_000_000


# -- stores by one contract ----------------------------------------------------------------------------------------


@pytest.fixture(params=["memory", "files", "disks", "sealed"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BlobStore]:
    if request.param == "memory":
        yield MemoryStore()
    elif request.param == "sealed":
        yield SealedStore(FileStore([tmp_path / "s"]), Seal(KeyFile(None)))
    else:
        yield FileStore([tmp_path / f"d{n}" for n in range(1 if request.param == "files" else 3)])


@pytest.mark.parametrize("size", bodies.SIZES)
def test_a_blob_is_whole_or_absent(store: BlobStore, size: int) -> None:
    bodies.whole_or_absent(store, size)


@pytest.mark.parametrize("size", [5, 700_000])
def test_a_rotten_blob_is_told(store: BlobStore, tmp_path: Path, size: int) -> None:
    def damage(id: str) -> None:
        if isinstance(store, MemoryStore):
            data, crc, made = store.blobs[id]
            store.blobs[id] = (data[: size // 2] + bytes([data[size // 2] ^ 1]) + data[size // 2 + 1 :], crc, made)
            return
        (path,) = [p for p in tmp_path.rglob(id) if p.is_file()]
        raw = bytearray(path.read_bytes())
        raw[size // 2] ^= 1
        path.write_bytes(raw)

    bodies.rot_is_found(store, damage, size)


def test_sealed_bytes_do_not_show(tmp_path: Path) -> None:
    inner = FileStore([tmp_path / "s"])
    sealed = SealedStore(inner, Seal(KeyFile(None)))
    id = bodies.store_body(sealed, b"plain text " * 1000)
    assert b"plain" not in b"".join(inner.read(id)) and b"".join(sealed.read(id)) == b"plain text " * 1000
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and b"plain" in p.read_bytes()]


@pytest.fixture
def on_disk(known_password: None, tmp_path: Path) -> Iterator[SimCloud]:
    cloud = make(state=tmp_path / "state")
    cloud.start()
    yield SimCloud(cloud)
    cloud.stop()


@pytest.fixture(autouse=True)
def known_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRGA_ADMIN_PASSWORD", "admin")


def test_a_flipped_byte_is_found_by_reading(on_disk: SimCloud) -> None:
    a = Account(on_disk.admin)
    a("PUT", "/c", code=201)
    a("PUT", "/c/o", os.urandom(600_000), 201)
    (path,) = bodies.files(on_disk)
    raw = bytearray(path.read_bytes())
    raw[300_000] ^= 1
    path.write_bytes(raw)
    assert len(a("GET", "/c/o", code=206, Range="bytes=0-99").content) == 100, "blocks that are right are served"
    got = a("GET", "/c/o", code=503, Range="bytes=299990-300010")
    assert "checksum" in got.text
    assert bodies.files(on_disk) == [] and len(list((on_disk.cloud.state / "objects/quarantine").iterdir())) == 1
    from virga.services.objects import api

    assert api.status(on_disk.cloud.registry.use(ObjectContext))["quarantine"][0]["why"]
    a("PUT", "/c/o", b"again", 201)
    assert a("GET", "/c/o").content == b"again"


@pytest.mark.parametrize("place", ["file", "row"])
def test_a_flipped_byte_is_found_by_the_auditor(on_disk: SimCloud, place: str) -> None:
    a = Account(on_disk.admin)
    a("PUT", "/c", code=201)
    a("PUT", "/c/good", os.urandom(50_000), 201)
    a("PUT", "/c/small", b"good", 201)
    round = round_of(on_disk)
    assert loops.auditor(round) == 0
    if place == "file":
        (path,) = bodies.files(on_disk)
        raw = bytearray(path.read_bytes())
        raw[10] ^= 1
        path.write_bytes(raw)
    else:
        with on_disk.cloud.db.write() as tx:
            tx.conn.exec_driver_sql("update obj_small set data = x'00'")
    assert loops.auditor(round) == 1
    context = on_disk.cloud.registry.use(ObjectContext)
    assert context.usage.audited >= 4 and context.usage.rotten == 1


def test_the_replica_answers_for_a_rotten_body(tmp_path: Path) -> None:
    cloud = make(state=tmp_path / "state", **{"objects.replica": str(tmp_path / "second")})
    cloud.start()
    try:
        sim = SimCloud(cloud)
        a = Account(sim.admin)
        a("PUT", "/c", code=201)
        data = os.urandom(600_000)
        a("PUT", "/c/o", data, 201)
        context = sim.cloud.registry.use(ObjectContext)
        second = context.bodies.replica
        assert second is not None and wait(lambda: len(list(second.ids())) == 1, 10), (
            "the loop copies what is fresh at once"
        )
        (path,) = bodies.files(sim)
        raw = bytearray(path.read_bytes())
        raw[300_000] ^= 1
        path.write_bytes(raw)
        assert a("GET", "/c/o", code=200).content == data
        loops.replicator(round_of(sim))
        assert wait(lambda: len(bodies.files(sim)) == 1, 10), "the lost body is made again from its copy"
        assert context.usage.healed == 1 and a("GET", "/c/o").content == data
        assert objects_api.status(context)["quarantine"] == []
        (copy,) = [p for p in (tmp_path / "second/blobs").rglob("*") if p.is_file()]
        raw = bytearray(copy.read_bytes())
        raw[5] ^= 1
        copy.write_bytes(raw)
        loops.auditor(round_of(sim))
        assert context.usage.replica_rotten == 1 and b"".join(second.read(copy.name)) == data, (
            "a rotten copy is made again too"
        )
    finally:
        cloud.stop()


def test_a_full_disk_is_507_and_leaves_nothing(on_disk: SimCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    a = Account(on_disk.admin)
    a("PUT", "/c", code=201)
    real = FileWriter.write
    seen = {"n": 0}

    def full(self: FileWriter, data: bytes) -> None:
        seen["n"] += 1
        if seen["n"] > 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(self, data)

    with monkeypatch.context() as m:
        m.setattr(FileWriter, "write", full)
        a("PUT", "/c/o", b"x" * 2_000_000, 507)
    assert bodies.files(on_disk) == [] and a("GET", "/c").status_code == 204
    fds = len(list(Path("/proc/self/fd").iterdir()))
    a("PUT", "/c/o", b"x" * 2_000_000, 201)
    assert len(list(Path("/proc/self/fd").iterdir())) <= fds + 2


def replaced_by(sim: SimCloud, project: str, name: str, data: bytes) -> None:
    """Another client's PUT, and the bytes before it gone for good."""
    context = sim.cloud.registry.use(ObjectContext)
    got = context.bodies.store(data)

    def change(tx: Tx) -> None:
        c = containers.container_row(tx, f"AUTH_{project}", "c")
        assert c is not None
        actions.put(
            tx,
            c.id,
            actions.New(name, got.size, got.md5, "text/plain", got.body, got.data),
            context.now(),
            lambda: None,
        )

    context.commits.write_now(change)
    loops.trash(round_of(sim))


@pytest.mark.parametrize("kind", ["beside its row", "a blob", "parts"])
def test_what_is_replaced_while_it_is_asked_for_is_read_as_it_is_now(
    on_disk: SimCloud, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Between the look at the row and the first byte somebody else's PUT takes the bytes away: the answer is the new object's, whole."""
    a, key = Account(on_disk.admin), S3Key(on_disk)
    context = on_disk.cloud.registry.use(ObjectContext)
    monkeypatch.setattr(context, "settings", msgspec.structs.replace(context.settings, trash_seconds=0))
    a("PUT", "/c", code=201)
    if kind == "parts":
        up = key("POST", "/c/o?uploads", b"", 200).text.partition("<UploadId>")[2].partition("<")[0]
        tag = key("PUT", f"/c/o?partNumber=1&uploadId={up}", b"x" * 300_000, 200).headers["etag"]
        parts = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{tag}</ETag></Part></CompleteMultipartUpload>"
        key("POST", f"/c/o?uploadId={up}", parts.encode(), 200)
    else:
        a("PUT", "/c/o", b"x" * (100 if kind == "beside its row" else 300_000), 201)
    real, left = context.bodies.open, [1]

    async def late(extents: Sequence[Extent]) -> AsyncIterator[bytes]:
        if left:
            left.pop()
            replaced_by(on_disk, a.who.project, "o", b"y" * 50)
        return await real(extents)

    monkeypatch.setattr(context.bodies, "open", late)
    got = a("GET", "/c/o", code=206, Range="bytes=10-29") if kind == "beside its row" else a("GET", "/c/o", code=200)
    assert not left and got.content == b"y" * (20 if kind == "beside its row" else 50)
    assert got.headers["etag"] == hashlib.md5(b"y" * 50).hexdigest()
    left.append(1)
    if kind == "a blob":
        a("PUT", "/c/o", b"z" * 300_000, 201)
        assert key("GET", "/c/o", code=200).content == b"y" * 50, "by the other API, too"
    assert context.bodies.rotten_found == 0 and not context.bodies.reading


@pytest.mark.parametrize(
    ("end", "stays"),
    [
        (asyncio.CancelledError(), True),
        (Unavailable("silent"), True),
        (Conflict("no"), False),
        (S3Error("NoSuchUpload"), False),
    ],
)
def test_a_body_goes_only_when_its_row_is_refused_for_sure(on_disk: SimCloud, end: BaseException, stays: bool) -> None:
    """Where nobody knows whether there is a row, the sweeper decides: a row must never be without its body."""
    context = on_disk.cloud.registry.use(ObjectContext)

    async def bytes_() -> AsyncIterator[bytes]:
        yield b"x" * 50_000

    async def go() -> None:
        got = await context.bodies.receive(bytes_(), expected=50_000)
        async with context.bodies.offered(got):
            raise end

    with pytest.raises(type(end)):
        asyncio.run(go())
    assert len(bodies.files(on_disk)) == int(stays)


def test_what_is_being_read_is_not_removed(on_disk: SimCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of a large object stay until the last of its bytes is out, though it was replaced long since."""
    a, key = Account(on_disk.admin), S3Key(on_disk)
    context = on_disk.cloud.registry.use(ObjectContext)
    a("PUT", "/c", code=201)
    up, data, tags = key("POST", "/c/o?uploads", b"", 200).text.partition("<UploadId>")[2].partition("<")[0], [], []
    for n in (1, 2):
        data.append(os.urandom(5 << 20))
        tags.append(key("PUT", f"/c/o?partNumber={n}&uploadId={up}", data[-1], 200).headers["etag"])
    parts = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{t}</ETag></Part>" for n, t in enumerate(tags, 1))
    key("POST", f"/c/o?uploadId={up}", f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode(), 200)
    with on_disk.cloud.db.read() as tx:
        o = containers.look_up(tx, f"AUTH_{a.who.project}", "c", "o").object
    assert o is not None and o.body is not None

    async def slowly(body: str) -> bytes:
        reading = await context.bodies.open([Extent(body, 0, 10 << 20)])
        got = [await anext(reading)]
        replaced_by(on_disk, a.who.project, "o", b"new")
        assert len(bodies.files(on_disk)) == 2, "the time to wait is not over"
        monkeypatch.setattr(context, "settings", msgspec.structs.replace(context.settings, trash_seconds=0))
        loops.trash(round_of(on_disk))
        assert len(bodies.files(on_disk)) == 2, "somebody reads"
        return b"".join(got + [chunk async for chunk in reading])

    assert asyncio.run(slowly(o.body)) == b"".join(data) and not context.bodies.reading
    loops.trash(round_of(on_disk))
    assert bodies.files(on_disk) == [] and a("GET", "/c/o", code=200).content == b"new"


def test_housekeeping(on_disk: SimCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is replaced, deleted, expired, orphaned or abandoned goes away, and only that."""
    context = on_disk.cloud.registry.use(ObjectContext)
    monkeypatch.setattr(context, "settings", msgspec.structs.replace(context.settings, trash_seconds=0))
    a = Account(on_disk.admin)
    round = round_of(on_disk)
    a("PUT", "/c", code=201)
    for n in range(3):
        a("PUT", "/c/o", bytes([n]) * 50_000, 201)
    loops.trash(round)
    assert len(bodies.files(on_disk)) == 1
    orphan = context.blobs.create("b" + "1" * 32)
    orphan.write(b"x")
    orphan.commit()
    assert loops.orphans(round) == 0, "young ones may be on their way to a row"
    old = next(p for p in bodies.files(on_disk) if p.name == "b" + "1" * 32)
    os.utime(old, (1, 1))
    assert loops.orphans(round) == 1 and len(bodies.files(on_disk)) == 1
    with on_disk.cloud.db.write() as tx:
        tx.conn.exec_driver_sql("update obj_containers set objects = 77, bytes = 1")
    assert loops.updater(round) == 1 and a("HEAD", "/c").headers["x-container-object-count"] == "1"
    boss = Account(on_disk.tenant("reaper", "ResellerAdmin"), a.who.project)
    boss("DELETE", "", code=204)
    a("GET", "", code=410)
    assert loops.reaper(round) >= 1
    loops.trash(round)
    assert bodies.files(on_disk) == []
    with on_disk.cloud.db.read() as tx:
        for table in ("obj_accounts", "obj_containers", "obj_objects", "obj_small", "obj_pieces", "obj_trash"):
            assert tx.conn.exec_driver_sql(f"select count(*) from {table} where 1=1").scalar() == 0, table


def test_expiry() -> None:
    cloud = make(**{"sim.clock": True})
    cloud.start()
    try:
        sim = SimCloud(cloud)
        a = Account(sim.admin)
        a("PUT", "/c", code=201)
        a("PUT", "/c/o", b"x", 201, X_Delete_After="100")
        a("PUT", "/c/stays", b"x", 201)
        assert "x-delete-at" in a("HEAD", "/c/o").headers
        sim.http.post("/sim/clock", json={"advance": 101})
        a("GET", "/c/o", code=404)
        assert [e["name"] for e in a("GET", "/c?format=json").json()] == ["stays"]
        a("PUT", "/only", code=201)
        a("PUT", "/only/o", b"x", 201, X_Delete_After="10")
        sim.http.post("/sim/clock", json={"advance": 11})
        a("DELETE", "/only", code=204)
        loops.expirer(round_of(sim))
        assert a("HEAD", "/c").headers["x-container-object-count"] == "1"
    finally:
        cloud.stop()
