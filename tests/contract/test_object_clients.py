# SPDX-License-Identifier: Apache-2.0
"""The clients that people have, against a cloud in a process of its own: boto3, the aws CLI, s3cmd, rclone, swift, openstack."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud_process import CLIENTS, CloudProcess


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    if not (CLIENTS / "aws").exists():
        pytest.fail("the clients are not installed: 'make clients' brings them")
    made = CloudProcess(tmp_path_factory.mktemp("objects") / "state")
    yield made
    made.stop()


FILES = int(os.environ.get("VIRGA_TEST_OBJECT_FILES", "5000"))
"""How many files the trees have."""


def tree(folder: Path, count: int) -> dict[str, str]:
    """A tree of files with sizes from nothing to a few blocks: relative path → md5."""
    chance, out = random.Random(7), {}
    for n in range(count):
        path = folder / f"d{n % 20}" / f"e{n % 7}" / f"file {n}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        data = chance.randbytes(chance.choice((0, 10, 500, 4096, 9000)))
        path.write_bytes(data)
        out[str(path.relative_to(folder))] = hashlib.md5(data).hexdigest()
    return out


def sums(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.md5(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()
    }


def test_boto3(lab: CloudProcess) -> None:
    answer = lab.run(str(CLIENTS / "python"), str(Path(__file__).parent / "boto3_story.py"), env=lab.s3)
    assert answer.count("ok") == 5
    text = (lab.state / "out").read_text()
    assert "Traceback" not in text, text[-3000:]


def test_boto3_under_the_one_address(lab: CloudProcess) -> None:
    """The same keys at /s3 of the one address, chunked with and without trailers, in the older signature, virtual-host style refused clearly."""
    story = (
        "import boto3,os,io\nfrom botocore.client import Config\n"
        "for v in ('s3v4','s3'):\n"
        "  c=boto3.client('s3',endpoint_url=os.environ['ENDPOINT'],aws_access_key_id=os.environ['ACCESS'],aws_secret_access_key=os.environ['SECRET'],region_name='us-east-1',"
        "config=Config(signature_version=v,s3={'addressing_style':'path','payload_signing_enabled':v=='s3v4'},retries={'max_attempts':1}))\n"
        "  c.create_bucket(Bucket='one-'+v)\n  c.put_object(Bucket='one-'+v,Key='k',Body=b'x'*100000)\n"
        "  assert c.get_object(Bucket='one-'+v,Key='k')['Body'].read()==b'x'*100000\n"
    )
    lab.run(str(CLIENTS / "python"), "-c", story, env=lab.s3 | {"ENDPOINT": f"{lab.url}/s3"})


def test_aws_cli_syncs_a_tree(lab: CloudProcess, tmp_path: Path) -> None:
    want = tree(tmp_path / "in", FILES)
    aws = str(CLIENTS / "aws")
    lab.run(aws, "s3", "mb", "s3://synced", env=lab.aws)
    lab.run(aws, "s3", "sync", "--only-show-errors", str(tmp_path / "in"), "s3://synced/t", env=lab.aws, timeout=500)
    lab.run(aws, "s3", "sync", "--only-show-errors", "s3://synced/t", str(tmp_path / "out"), env=lab.aws, timeout=500)
    assert sums(tmp_path / "out") == want
    (tmp_path / "in/d0/e0/file 0.bin").unlink()
    assert "delete" in lab.run(
        aws, "s3", "sync", "--delete", str(tmp_path / "in"), "s3://synced/t", env=lab.aws, timeout=500
    )
    assert lab.run(aws, "s3", "ls", "--recursive", "s3://synced", env=lab.aws).count("\n") == len(want) - 1
    big = tmp_path / "big"
    big.write_bytes(os.urandom(100 << 20))
    lab.run(aws, "s3", "cp", "--only-show-errors", str(big), "s3://synced/big", env=lab.aws)
    lab.run(aws, "s3", "cp", "--only-show-errors", "s3://synced/big", str(tmp_path / "back"), env=lab.aws)
    assert (tmp_path / "back").read_bytes() == big.read_bytes()
    lab.run(
        aws,
        "s3api",
        "put-bucket-versioning",
        "--bucket",
        "synced",
        "--versioning-configuration",
        "Status=Enabled",
        env=lab.aws,
    )
    lab.run(
        aws, "s3", "cp", "--only-show-errors", str(tmp_path / "in/d1/e1/file 1.bin"), "s3://synced/big", env=lab.aws
    )
    lab.run(aws, "s3", "rm", "--only-show-errors", "--recursive", "s3://synced", env=lab.aws, timeout=900)
    words = (
        "s3api",
        "list-object-versions",
        "--bucket",
        "synced",
        "--output",
        "json",
        "--query",
        "[Versions,DeleteMarkers][].[Key,VersionId]",
    )
    left = json.loads(lab.run(aws, *words, env=lab.aws))
    assert len(left) == 2 * (len(want) - 1) + 3, "each has its old version and its marker, the overwritten one two"
    old = [v for k, v in left if k == "big"]
    assert "null" in old and len(old) == 3
    for at in range(0, len(left), 1000):
        gone = tmp_path / "gone.json"
        gone.write_text(
            json.dumps({"Objects": [{"Key": k, "VersionId": v} for k, v in left[at : at + 1000]], "Quiet": True})
        )
        lab.run(aws, "s3api", "delete-objects", "--bucket", "synced", "--delete", f"file://{gone}", env=lab.aws)
    lab.run(aws, "s3", "rb", "s3://synced", env=lab.aws)


def test_s3cmd(lab: CloudProcess, tmp_path: Path) -> None:
    words = [
        "s3cmd",
        "--no-ssl",
        f"--access_key={lab.s3['ACCESS']}",
        f"--secret_key={lab.s3['SECRET']}",
        f"--host=127.0.0.1:{lab.s3_port}",
        f"--host-bucket=127.0.0.1:{lab.s3_port}",
        "--region=us-east-1",
        "-c",
        "/dev/null",
    ]
    want = tree(tmp_path / "in", FILES)
    lab.run(*words, "mb", "s3://cmd")
    lab.run(*words, "sync", f"{tmp_path}/in/", "s3://cmd/t/")
    (tmp_path / "out").mkdir()
    lab.run(*words, "sync", "s3://cmd/t/", f"{tmp_path}/out/")
    assert sums(tmp_path / "out") == want
    big = tmp_path / "big"
    big.write_bytes(os.urandom(16 << 20))
    lab.run(*words, "put", "--multipart-chunk-size-mb=5", str(big), "s3://cmd/big")
    lab.run(*words, "get", "s3://cmd/big", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == big.read_bytes()
    lab.run(*words, "rb", "--recursive", "--force", "s3://cmd")


@pytest.mark.parametrize("remote", ["s3", "swift"])
def test_rclone(lab: CloudProcess, tmp_path: Path, remote: str) -> None:
    if remote == "s3":
        where = f":s3,provider=Other,access_key_id={lab.s3['ACCESS']},secret_access_key={lab.s3['SECRET']},endpoint='{lab.s3['ENDPOINT']}':rclone-s3"
    else:
        where = f":swift,auth='{lab.os['OS_AUTH_URL']}',user=admin,key=secret,tenant=admin,domain=Default,tenant_domain=Default:rclone-swift"
    want = tree(tmp_path / "in", FILES)
    lab.run("rclone", "--config", "/dev/null", "sync", f"{tmp_path}/in", where + "/t")
    lab.run("rclone", "--config", "/dev/null", "check", f"{tmp_path}/in", where + "/t")
    lab.run("rclone", "--config", "/dev/null", "sync", where + "/t", f"{tmp_path}/out")
    assert sums(tmp_path / "out") == want
    lab.run("rclone", "--config", "/dev/null", "purge", where)


def test_swift_and_openstack(lab: CloudProcess, tmp_path: Path) -> None:
    swift, stack = str(CLIENTS / "swift"), str(CLIENTS / "openstack")
    want = tree(tmp_path / "in", FILES)
    env = lab.os | {"OS_STORAGE_URL": ""}
    env.pop("OS_STORAGE_URL")
    subprocess.run(
        [swift, "upload", "-q", "cont", "."],
        cwd=tmp_path / "in",
        env=os.environ | env,
        check=True,
        capture_output=True,
        timeout=600,
    )
    lab.run(swift, "download", "-q", "-D", str(tmp_path / "out"), "cont", env=env)
    assert sums(tmp_path / "out") == want
    big = tmp_path / "big"
    big.write_bytes(os.urandom(12 << 20))
    for kind in ([], ["--use-slo"]):
        lab.run(swift, "upload", "-q", "-S", str(5 << 20), *kind, "--object-name", "big", "large", str(big), env=env)
        lab.run(swift, "download", "-q", "-o", str(tmp_path / "back"), "large", "big", env=env)
        assert (tmp_path / "back").read_bytes() == big.read_bytes()
        lab.run(swift, "delete", "-q", "large", env=env)
    assert "file 3.bin" in lab.run(swift, "list", "cont", "--prefix", "d3", env=env)
    lab.run(swift, "post", "cont", "-r", ".r:*", "-m", "colour:blå", env=env)
    assert "blå" in lab.run(swift, "stat", "cont", env=env)
    assert "tempurl" in lab.run(swift, "capabilities", env=env)
    lab.run(stack, "container", "create", "osc", env=env)
    lab.run(stack, "object", "create", "--name", "x", "osc", str(big), env=env)
    assert "x" in lab.run(stack, "object", "list", "osc", "-f", "value", env=env)
    lab.run(stack, "object", "save", "--file", str(tmp_path / "saved"), "osc", "x", env=env)
    assert (tmp_path / "saved").read_bytes() == big.read_bytes()
    lab.run(stack, "container", "delete", "--recursive", "osc", env=env)
    lab.run(swift, "delete", "-q", "cont", env=env)


def test_one_object_through_both_doors(lab: CloudProcess, tmp_path: Path) -> None:
    """Put by S3 and read by Swift, and the other way round: bytes, metadata, versions, large objects."""
    swift, aws = str(CLIENTS / "swift"), str(CLIENTS / "aws")
    small, big = tmp_path / "small", tmp_path / "big"
    small.write_bytes(b"both")
    big.write_bytes(os.urandom(17 << 20))
    lab.run(aws, "s3", "mb", "s3://both", env=lab.aws)
    for f in (small, big):
        lab.run(
            aws, "s3", "cp", "--only-show-errors", "--metadata", "from=s3", str(f), f"s3://both/{f.name}", env=lab.aws
        )
        lab.run(swift, "download", "-q", "--ignore-checksum", "-o", str(tmp_path / "x"), "both", f.name, env=lab.os)
        assert (tmp_path / "x").read_bytes() == f.read_bytes()
        assert "Meta From: s3" in lab.run(swift, "stat", "both", f.name, env=lab.os)
    lab.run(
        swift, "upload", "-q", "-H", "X-Object-Meta-From: swift", "--object-name", "sw", "both", str(small), env=lab.os
    )
    lab.run(
        swift, "upload", "-q", "-S", str(5 << 20), "--use-slo", "--object-name", "slo", "both", str(big), env=lab.os
    )
    for name, f in (("sw", small), ("slo", big)):
        lab.run(aws, "s3", "cp", "--only-show-errors", f"s3://both/{name}", str(tmp_path / "y"), env=lab.aws)
        assert (tmp_path / "y").read_bytes() == f.read_bytes()
    assert '"from": "swift"' in lab.run(aws, "s3api", "head-object", "--bucket", "both", "--key", "sw", env=lab.aws)
    lab.run(swift, "post", "both", "-H", "X-Versions-Enabled: true", env=lab.os)
    lab.run(swift, "upload", "-q", "--object-name", "sw", "both", str(big), env=lab.os)
    listed = lab.run(
        aws,
        "s3api",
        "list-object-versions",
        "--bucket",
        "both",
        "--prefix",
        "sw",
        "--query",
        "Versions[].VersionId",
        "--output",
        "text",
        env=lab.aws,
    ).split()
    # Swift gives an id to what it replaces, also to what was there before
    assert len(listed) == 2 and "null" not in listed
    lab.run(
        aws,
        "s3api",
        "get-object",
        "--bucket",
        "both",
        "--key",
        "sw",
        "--version-id",
        listed[1],
        str(tmp_path / "z"),
        env=lab.aws,
    )
    assert (tmp_path / "z").read_bytes() == b"both"
