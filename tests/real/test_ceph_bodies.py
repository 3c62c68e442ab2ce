# SPDX-License-Identifier: Apache-2.0
"""Objects in a real Ceph: bodies in a pool by the contract of all stores, an object's way through them, a full and a silent cluster;
and the second way, Ceph's own gateway in our place, with our identity behind it."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import bodies
from accounts import Account, round_of
from ceph import Ceph
from cloud_process import CLIENTS, CloudProcess, free_port
from sim_cloud import SimCloud, make
from virga.ground.keyfile import KeyFile
from virga.services.objects import api, loops
from virga.services.objects.context import ObjectContext
from virga.services.objects.drivers.rados import ASIDE, STRIPE, RadosStore
from virga.services.objects.drivers.sealed import Seal, SealedStore

pytestmark = pytest.mark.real


def turn_a_byte(store: RadosStore, id: str, at: int) -> None:
    io, key, place = store.cluster.io(), f"{id}.{at // STRIPE}", at % STRIPE
    (old,) = io.read(key, 1, place)
    io.write(key, bytes([old ^ 1]), place)


@pytest.fixture(scope="module")
def store(cluster: Ceph) -> Iterator[RadosStore]:
    made = RadosStore(cluster.pool("contract"), cluster.conf)
    yield made
    made.cluster.close()


@pytest.mark.parametrize("size", [*bodies.SIZES, STRIPE, STRIPE + 1, 2 * STRIPE + 300_000])
@pytest.mark.parametrize("sealed", [False, True])
def test_contract(store: RadosStore, size: int, sealed: bool) -> None:
    bodies.whole_or_absent(SealedStore(store, Seal(KeyFile(None))) if sealed else store, size)


@pytest.mark.parametrize("size", [5, 700_000, 2 * STRIPE + 300_000])
def test_rot(store: RadosStore, size: int) -> None:
    bodies.rot_is_found(store, lambda id: turn_a_byte(store, id, size // 2), size)
    aside = {found.key for found in store.cluster.io(ASIDE).list_objects()}
    assert len(aside) >= -(-size // STRIPE), "a person finds it in the other namespace"


def test_a_lost_stripe_is_rot(store: RadosStore) -> None:
    bodies.rot_is_found(store, lambda id: store.cluster.io().remove_object(f"{id}.1"), 2 * STRIPE)


def test_a_removal_cut_short_is_found_again(store: RadosStore) -> None:
    id = bodies.store_body(store, os.urandom(2 * STRIPE))
    store.cluster.io().remove_object(f"{id}.1")
    assert list(store.ids()) == [id]
    store.remove(id)
    half = store.create(bodies.fresh_id(store))
    half.write(bytes(STRIPE + 5 * (1 << 18)))  # a process that dies here leaves two stripes and no head
    (left,) = store.ids()
    store.remove(left)
    assert list(store.cluster.io().list_objects()) == []


@pytest.fixture(scope="module")
def sim(cluster: Ceph, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimCloud]:
    word = f"rados:{cluster.pool('bodies')}?conf={cluster.conf}&seconds=5"
    cloud = make(
        **{"objects.store": word, "objects.replica": str(tmp_path_factory.mktemp("copies")), "objects.trash_seconds": 0}
    )
    cloud.start()
    yield SimCloud(cloud)
    cloud.stop()


def rados(sim: SimCloud) -> RadosStore:
    blobs = sim.cloud.registry.use(ObjectContext).blobs
    inner = blobs.inner if isinstance(blobs, SealedStore) else blobs
    assert isinstance(inner, RadosStore)
    return inner


def test_an_object_in_ceph(sim: SimCloud) -> None:
    """Up, a range, a large object, away; a byte that turns is read from the copy and healed."""
    a, data = Account(sim.tenant("ceph")), os.urandom(9_000_001)
    a("PUT", "/c", code=201)
    assert a("PUT", "/c/o", data, 201).headers["etag"] == hashlib.md5(data).hexdigest()
    assert a("GET", "/c/o", code=200).content == data
    assert a("GET", "/c/o", code=206, Range="bytes=4194300-4194310").content == data[4194300:4194311]
    (id,) = rados(sim).ids()
    context = sim.cloud.registry.use(ObjectContext)
    round = round_of(sim)
    loops.replicator(round)
    assert context.bodies.replica is not None and list(context.bodies.replica.ids()) == [id]
    turn_a_byte(rados(sim), id, 5_000_000)
    assert a("GET", "/c/o", code=200).content == data, "the copy answers"
    assert [q["body"] for q in api.status(context)["quarantine"]] == [id]
    loops.replicator(round)
    told = api.status(context)
    assert told["done"]["healed"] == 1 and told["quarantine"] == [] and b"".join(rados(sim).read(id)) == data
    turn_a_byte(rados(sim), id, 100)
    loops.auditor(round)
    assert context.usage.healed == 2 and b"".join(rados(sim).read(id)) == data
    a("PUT", "/c/o", b"z" * 20_000, 201)
    loops.trash(round)
    assert id not in set(rados(sim).ids()) and id not in set(context.bodies.replica.ids())
    half = rados(sim).create("b" + "0" * 32)
    half.write(bytes(300_000))
    assert loops.orphans(round) == 0, "the young may be on their way"


def test_a_full_cluster_is_507(sim: SimCloud, cluster: Ceph) -> None:
    a = Account(sim.tenant("full"))
    a("PUT", "/c", code=201)
    disk = ("--admin-daemon", str(cluster.folder / "osd.0.asok"), "injectfull")
    cluster.ask(*disk, "full", "1000")
    try:
        end, code = time.monotonic() + 20, 201
        while code == 201 and time.monotonic() < end:  # until the flag is known everywhere
            code = a("PUT", "/c/o", os.urandom(300_000)).status_code
        assert code == 507
    finally:
        cluster.ask(*disk, "none")
    end = time.monotonic() + 30
    while a("PUT", "/c/o", b"y" * 30_000).status_code != 201:
        assert time.monotonic() < end


def test_the_gateway_in_our_place(cluster: Ceph, tmp_path: Path) -> None:
    """radosgw with our tokens and our EC2 keys: put by S3, read by Swift, and the other way round; strangers stay outside."""
    port = free_port()
    lab = CloudProcess(tmp_path / "cloud", gateway=f"http://127.0.0.1:{port}")
    try:
        a = lab.admin
        user = a.post(
            "/identity/v3/users", {"user": {"name": "gateway", "domain_id": "default", "password": "gw-secret"}}
        )["user"]["id"]
        project = a.get("/identity/v3/projects?name=service")["projects"][0]["id"]
        role = a.get("/identity/v3/roles?name=service")["roles"][0]["id"]
        a.put(f"/identity/v3/projects/{project}/users/{user}/roles/{role}", None)
        cluster.gateway(port, f"{lab.url}/identity", "gateway", "gw-secret")
        swift, big = str(CLIENTS / "swift"), tmp_path / "big"
        big.write_bytes(os.urandom(11 << 20))
        lab.run(
            swift,
            "upload",
            "box",
            str(big),
            "--object-name",
            "by-swift",
            "--header",
            "X-Object-Meta-Colour: blue",
            env=lab.os,
        )
        story = tmp_path / "story.py"
        story.write_text(STORY)
        env = {
            "ENDPOINT": f"http://127.0.0.1:{port}",
            "ACCESS": lab.s3["ACCESS"],
            "SECRET": lab.s3["SECRET"],
            "FILE": str(big),
        }
        assert lab.run(str(CLIENTS / "python"), str(story), env=env).strip() == "ok"
        lab.run(swift, "download", "--ignore-checksum", "box", "by-s3", "-o", str(tmp_path / "back"), env=lab.os)
        assert (tmp_path / "back").read_bytes() == big.read_bytes()
        assert "Meta Shape: round" in lab.run(swift, "stat", "box", "by-s3", env=lab.os)
        assert lab.run(swift, "list", "box", env=lab.os).split() == ["by-s3", "by-swift"]
        where = lab.run(str(CLIENTS / "openstack"), "catalog", "show", "object-store", "-f", "json", env=lab.os)
        assert f"http://127.0.0.1:{port}/swift/v1/AUTH_{lab.project}" in where
        # a token that identity does not know, and an account that is not the token's
        import httpx

        base = f"http://127.0.0.1:{port}/swift/v1/AUTH_{lab.project}/box"
        assert httpx.get(base, headers={"X-Auth-Token": "gAAAAA-nobody"}).status_code == 401
        other = a.post("/identity/v3/projects", {"project": {"name": "other", "domain_id": "default"}})["project"]["id"]
        token = a.token
        assert token and httpx.get(base, headers={"X-Auth-Token": token}).status_code == 200
        assert httpx.get(
            f"http://127.0.0.1:{port}/swift/v1/AUTH_{other}/box", headers={"X-Auth-Token": token}
        ).status_code in {
            401,
            403,
            404,
        }
    finally:
        lab.stop()


STORY = """
import os, boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError
def client(secret):
    return boto3.client("s3", endpoint_url=os.environ["ENDPOINT"], aws_access_key_id=os.environ["ACCESS"], aws_secret_access_key=secret,
                        region_name="us-east-1", config=Config(s3={"addressing_style": "path"}))
s3, file = client(os.environ["SECRET"]), os.environ["FILE"]
got = s3.get_object(Bucket="box", Key="by-swift")
assert got["Body"].read() == open(file, "rb").read() and got["Metadata"]["colour"] == "blue", got
s3.upload_file(file, "box", "by-s3", ExtraArgs={"Metadata": {"shape": "round"}}, Config=TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20))
assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == ["box"]
try:
    client("wrong").list_buckets()
except ClientError as e:
    assert e.response["Error"]["Code"] in ("SignatureDoesNotMatch", "AccessDenied", "InvalidAccessKeyId"), e.response
else:
    raise SystemExit("a wrong secret was taken")
print("ok")
"""
