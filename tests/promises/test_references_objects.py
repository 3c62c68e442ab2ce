# SPDX-License-Identifier: Apache-2.0
"""Every field, header and query of Swift and S3 that names an account, a container, an object, a version, an upload or a grantee: fed with
a foreign one, one that never was, one that is gone, and nonsense. The foreign is answered as the absent, unless upstream says 403."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from accounts import Account, S3Key, nobody
from sim_cloud import SimCloud, make

ABSENT_PROJECT = "0" * 32
ON = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"


def begun(key: S3Key, path: str) -> str:
    found = re.search("<UploadId>(.+?)</UploadId>", key("POST", f"{path}?uploads=", code=200).text)
    assert found is not None
    return found.group(1)


class World:
    """Alice, who has things of each kind; mallory, who has some of his own and asks."""

    def __init__(self, sim: SimCloud) -> None:
        self.sim = sim
        alice, mallory = sim.tenant("ref-alice"), sim.tenant("ref-mallory")
        self.hers, self.a = Account(alice), Account(mallory)
        self.alice_key, self.key = S3Key(sim, alice), S3Key(sim, mallory)
        self.alice, self.mallory = alice.project, mallory.project
        gone = sim.admin.post("/identity/v3/projects", {"project": {"name": "ref-gone"}})["project"]["id"]
        sim.admin.delete(f"/identity/v3/projects/{gone}")
        self.account = {"foreign": f"AUTH_{self.alice}", "absent": f"AUTH_{ABSENT_PROJECT}", "deleted": f"AUTH_{gone}"}
        self.project = {"foreign": self.alice, "absent": ABSENT_PROJECT, "deleted": gone, "malformed": "a b/../\u00e9"}
        for a in (self.hers, self.a):
            a("PUT", "/c", code=201)
            a.put("/c/o", b"secret of " + a.who.project.encode())
        self.hers("PUT", "/hers", code=201)
        self.hers.put("/hers/o", b"secret")
        self.a("PUT", "/archived", code=201)
        self.a("PUT", "/ended", code=201)
        self.a("DELETE", "/ended", code=204)
        self.a.put("/c/ended", b"x")
        self.a("DELETE", "/c/ended", code=204)
        self.container = {"foreign": "hers", "absent": "never-was", "deleted": "ended"}
        for key, box in ((self.alice_key, "ref-hers"), (self.key, "ref-his"), (self.key, "ref-ended")):
            key("PUT", f"/{box}", code=200)
            key("PUT", f"/{box}?versioning=", ON, 200)
        self.alice_key("PUT", "/ref-hers/known-name", b"secret", 200)
        self.version, self.upload = dict[str, str](), dict[str, str]()
        for name, key, box in (("foreign", self.alice_key, "ref-hers"), ("own", self.key, "ref-his")):
            self.version[name] = key("PUT", f"/{box}/o", b"secret", 200).headers["x-amz-version-id"]
            self.upload[name] = begun(key, f"/{box}/o")
        self.version["deleted"] = self.key("PUT", "/ref-his/o", b"old", 200).headers["x-amz-version-id"]
        self.key("DELETE", f"/ref-his/o?versionId={self.version['deleted']}", code=204)
        self.key("DELETE", "/ref-ended", code=204)
        self.upload["deleted"] = begun(self.key, "/ref-his/o")
        self.key("DELETE", f"/ref-his/o?uploadId={self.upload['deleted']}", code=204)
        self.version |= {"absent": "1000000000.00001", "malformed": "x'--"}
        self.upload |= {"absent": "0" * 32, "malformed": "../%00"}
        self.bucket = {"foreign": "ref-hers", "absent": "ref-never", "deleted": "ref-ended", "malformed": "Ref_/.."}
        self.a("PUT", "/versioned", code=201, X_Versions_Enabled="true")
        self.a.put("/versioned/o", b"1")


Send = Callable[[World, str], Any]


@dataclass
class Ref:
    """`kind`: which of the world's names are fed; `upstream`: 403 for foreign and another answer for absent is upstream's; `nonsense`:
    the codes that what is malformed may get."""

    name: str
    kind: str
    send: Send
    upstream: bool = False
    nonsense: tuple[int, ...] = (400, 401, 403, 404, 409, 412)
    taken: bool = False
    """Whether the good answer is 2xx for what is absent, too: lists of grantees and names to be made later."""
    malformed: str = field(default="")


def swift(method: str, path: str, data: bytes | None = None, **headers: str) -> Send:
    """A request of mallory's, `{}` in path and headers filled in."""
    return lambda w, v: w.a(
        method,
        path.replace("{}", v),
        data.replace(b"{}", v.encode()) if data else data,
        **{k: h.replace("{}", v) for k, h in headers.items()},
    )


def of_account(method: str, rest: str, data: bytes | None = None, **headers: str) -> Send:
    def send(w: World, v: str) -> Any:
        sent = {"X-Auth-Token": w.a.who.token} | {k.replace("_", "-"): h for k, h in headers.items()}
        return w.sim.http.request(method, f"/object-store/v1/{v}{rest}", content=data, headers=sent)

    return send


def s3(method: str, path: str, data: bytes | None = None, **headers: str) -> Send:
    def send(w: World, v: str) -> Any:
        body = data.replace(b"{}", v.encode()) if data else data
        extra = {
            k.replace("_", "-"): h.replace("{}", v).encode("ascii", "replace").decode() for k, h in headers.items()
        }
        return w.key(method, path.replace("{}", v), body, extra=extra)

    return send


SLO = b'[{"path": "/{}/o"}]'
POLICY = {"Effect": "Allow", "Action": "s3:GetObject"}


def principal(form: str) -> bytes:
    return json.dumps(
        {"Statement": [POLICY | {"Principal": {"AWS": form}, "Resource": "arn:aws:s3:::ref-his/*"}]}
    ).encode()


RESOURCE = json.dumps({"Statement": [POLICY | {"Principal": "*", "Resource": "arn:aws:s3:::{}/*"}]}).encode()
GRANTEE = (
    b'<AccessControlPolicy><AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    b' xsi:type="CanonicalUser"><ID>{}</ID></Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>'
)
PART = b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>"

REFS = [
    # accounts: 403 for whatever is not the caller's own
    *(Ref(f"account-{m}{rest}", "account", of_account(m, rest, d)) for m, rest, d in (
        ("GET", "", None), ("HEAD", "", None), ("POST", "", None), ("PUT", "/new", None), ("GET", "/c", None),
        ("POST", "/c", None), ("DELETE", "/c", None), ("GET", "/c/o", None), ("HEAD", "/c/o", None), ("PUT", "/c/o", b"x"),
        ("POST", "/c/o", None), ("DELETE", "/c/o", None), ("POST", "?bulk-delete", b"c/o"),
        ("GET", "/c/o?temp_url_sig=" + "0" * 64 + "&temp_url_expires=4000000000", None),
    )),
    Ref("x-copy-from-account", "account", swift("PUT", "/c/n", b"", X_Copy_From="/c/o", X_Copy_From_Account="{}")),
    Ref("destination-account", "account", swift("COPY", "/c/o", None, Destination="/c/n", Destination_Account="{}")),
    Ref("x-symlink-target-account-static", "account", swift(
        "PUT", "/c/l", b"", X_Symlink_Target="c/o", X_Symlink_Target_Account="{}", X_Symlink_Target_Etag="d" * 32)),
    Ref("x-symlink-target-account", "account", lambda w, v: (
        w.a("PUT", "/c/l", b"", (201, 412), X_Symlink_Target="c/o", X_Symlink_Target_Account=v), w.a("GET", "/c/l"))[1]),
    Ref("x-container-sync-to", "account", swift("POST", "/c", None, X_Container_Sync_To="//realm/cluster/{}/c")),
    # containers and objects: names of the caller's own account; another's of that name is as if it were not there
    Ref("container", "container", swift("GET", "/{}")),
    Ref("container-object", "container", swift("GET", "/{}/o")),
    Ref("container-put", "container", swift("PUT", "/{}/o", b"x")),
    Ref("x-copy-from", "container", swift("PUT", "/c/n", b"", X_Copy_From="/{}/o")),
    Ref("destination", "container", swift("COPY", "/c/o", None, Destination="/{}/n")),
    Ref("manifest-segment", "container", swift("PUT", "/c/m?multipart-manifest=put", SLO)),
    Ref("x-object-manifest", "container", lambda w, v: (
        w.a("PUT", "/c/d", b"", (201, 400, 412), X_Object_Manifest=f"{v}/o"), w.a("GET", "/c/d"))[1], taken=True),
    Ref("x-symlink-target", "container", lambda w, v: (
        w.a("PUT", "/c/l", b"", (201, 412), X_Symlink_Target=f"{v}/o"), w.a("GET", "/c/l"))[1]),
    Ref("x-symlink-target-static", "container", swift(
        "PUT", "/c/l", b"", X_Symlink_Target="{}/o", X_Symlink_Target_Etag="d" * 32)),
    Ref("bulk-delete", "container", swift("POST", "?bulk-delete", b"{}/o"), taken=True),
    Ref("x-versions-location", "container", swift("POST", "/archived", None, X_Versions_Location="{}"), taken=True),
    Ref("form-post", "container", lambda w, v: nobody(w.a)(
        "POST", f"/{v}/", b"--e\r\n\r\n", Content_Type="multipart/form-data; boundary=e")),
    Ref("version-id", "version", swift("GET", "/versioned/o?version-id={}")),
    Ref("version-id-delete", "version", swift("DELETE", "/versioned/o?version-id={}")),
    Ref("version-id-restore", "version", swift("PUT", "/versioned/o?version-id={}", b"")),
    Ref("version-marker", "version", swift("GET", "/versioned?versions&marker=o&version_marker={}"), taken=True),
    # grantees: a list may name anybody, and says nothing of whether they are there
    Ref("x-container-read", "project", swift("POST", "/c", None, X_Container_Read="{}:*"), taken=True, malformed="\u00e9 b"),
    Ref("x-container-write", "project", swift("POST", "/c", None, X_Container_Write="{}:*"), taken=True, malformed="\u00e9 b"),
    Ref("x-account-access-control", "project", swift(
        "POST", "", None, X_Account_Access_Control='{"read-only": ["{}:*"]}'), taken=True, malformed="\u00e9 b"),
    # S3: a bucket of another is 403, as AWS says; what is in it is not told
    Ref("s3-bucket", "bucket", s3("GET", "/{}"), upstream=True),
    Ref("s3-bucket-head", "bucket", s3("HEAD", "/{}"), upstream=True),
    Ref("s3-bucket-delete", "bucket", s3("DELETE", "/{}"), upstream=True),
    Ref("s3-bucket-put-object", "bucket", s3("PUT", "/{}/n", b"x"), upstream=True),
    Ref("s3-bucket-acl", "bucket", s3("GET", "/{}?acl="), upstream=True),
    Ref("s3-bucket-policy", "bucket", s3("GET", "/{}?policy="), upstream=True),
    Ref("s3-copy-source", "bucket", s3("PUT", "/ref-his/n", b"", x_amz_copy_source="/{}/o"), upstream=True),
    Ref("s3-part-copy-source", "bucket", lambda w, v: w.key(
        "PUT", f"/ref-his/o?partNumber=1&uploadId={w.upload['own']}", b"", extra={"x-amz-copy-source": f"/{v}/o"}),
        upstream=True),
    Ref("s3-policy-resource", "bucket", s3("PUT", "/ref-his?policy=", RESOURCE), malformed='"'),
    *(Ref(f"s3-upload-{m}", "upload", s3(m, p, d)) for m, p, d in (
        ("GET", "/ref-his/o?uploadId={}", None), ("DELETE", "/ref-his/o?uploadId={}", None),
        ("POST", "/ref-his/o?uploadId={}", PART), ("PUT", "/ref-his/o?partNumber=1&uploadId={}", b"x"))),
    Ref("s3-upload-marker", "upload", s3("GET", "/ref-his?uploads=&key-marker=a&upload-id-marker={}"), taken=True),
    *(Ref(f"s3-version-{m}-{q}", "version", s3(m, f"/ref-his/o?{q}versionId={{}}", d), taken=m == "DELETE" and not q)
      for m, q, d in (("GET", "", None), ("HEAD", "", None), ("DELETE", "", None), ("GET", "tagging=&", None),
                      ("GET", "acl=&", None), ("GET", "attributes=&", None))),
    Ref("s3-copy-source-version", "version", s3("PUT", "/ref-his/n", b"", x_amz_copy_source="/ref-his/o?versionId={}")),
    Ref("s3-expected-owner", "project", s3("GET", "/ref-his", None, x_amz_expected_bucket_owner="{}")),
    Ref("s3-source-expected-owner", "project", s3(
        "PUT", "/ref-his/n", b"", x_amz_copy_source="/ref-his/o", x_amz_source_expected_bucket_owner="{}")),
    Ref("s3-policy-principal", "project", s3("PUT", "/ref-his?policy=", principal("{}")), taken=True, malformed='"'),
    Ref("s3-policy-arn", "project", s3("PUT", "/ref-his?policy=", principal("arn:aws:iam::{}:root")), taken=True, malformed='"'),
    Ref("s3-logging", "bucket", s3("PUT", "/ref-his?logging=", b"<BucketLoggingStatus>{}</BucketLoggingStatus>"), nonsense=(501,)),
    Ref("s3-replication", "bucket", s3("PUT", "/ref-his?replication=", b"<R>{}</R>"), nonsense=(501,)),
]  # fmt: skip


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with pytest.MonkeyPatch.context() as m:
        m.setenv("VIRGA_ADMIN_PASSWORD", "admin")
        cloud = make()
    cloud.start()
    yield World(SimCloud(cloud))
    cloud.stop()


VOLATILE = re.compile(r"tx[0-9a-f]{21}-[0-9a-f]{10}|\d{10}\.\d{5}|\d{4}-\d\d-\d\dT[0-9:.]+Z?")
LOUD = {"content-length", "content-type", "etag", "location", "www-authenticate", "content-location"}


def told(got: Any, value: str) -> tuple[Any, ...]:
    """What an answer says, but for the name that was asked for, times and its own id."""
    text = VOLATILE.sub("-", got.text).replace(value, "{}").replace(value.removeprefix("AUTH_"), "{}")
    headers = {k: v.replace(value, "{}") for k, v in got.headers.items() if k in LOUD - {"content-length"}}
    return got.status_code, text, sorted(headers.items())


@pytest.mark.parametrize("ref", REFS, ids=lambda r: r.name)
def test_a_foreign_name_is_as_one_that_never_was(world: World, ref: Ref) -> None:
    values: dict[str, str] = getattr(world, ref.kind)
    got = {k: ref.send(world, values[k]) for k in ("foreign", "absent", "deleted")}
    for k, answer in got.items():
        assert b"secret" not in answer.content, (k, answer.content)
        if not ref.taken:
            assert answer.status_code in (*ref.nonsense, 501), (k, answer.status_code, answer.text)
    says = {k: told(answer, values[k]) for k, answer in got.items()}
    assert says["deleted"] == says["absent"]
    if ref.upstream:
        assert says["foreign"][0] == 403 and says["absent"][0] == 404
    else:
        assert says["foreign"] == says["absent"]


@pytest.mark.parametrize("ref", REFS, ids=lambda r: r.name)
def test_nonsense_is_no_fault_of_ours(world: World, ref: Ref) -> None:
    """Whatever stands where a name should: no 5xx but what is not built, nothing of anybody's."""
    values: dict[str, str] = getattr(world, ref.kind)
    for value in (ref.malformed or values.get("malformed", "%ff%00"), "%00", "%2e%2e%2f", "'" * 300, "*"):
        if ref.kind == "project" and not value.isascii():
            continue
        got = ref.send(world, value)
        assert got.status_code < 500 or got.status_code == 501, (value, got.text)
        assert b"secret" not in got.content or "copy" in ref.name, (value, got.content)


def test_a_grantee_of_s3_must_be_there_as_aws_has_it(world: World) -> None:
    """AWS answers 400 for a canonical id that is nobody's: absent, gone and nonsense alike; a real one is taken."""
    codes = {}
    for k, value in world.project.items():
        if value.isascii():
            codes[k] = s3("PUT", "/ref-his?acl=", GRANTEE)(world, value).status_code
            header = world.key("PUT", "/ref-his?acl=", b"", extra={"x-amz-grant-read": f"id={value}"})
            assert header.status_code == codes[k]
    assert codes == {"foreign": 200, "absent": 400, "deleted": 400}
    for value in ("a b/..", "\u0000"[:0] or "-", "x" * 65):
        got = world.key("PUT", "/ref-his?acl=", b"", extra={"x-amz-grant-read": f"id={value}"})
        assert got.status_code == 400 and "InvalidArgument" in got.text


def test_of_a_foreign_bucket_nothing_within_is_told(world: World) -> None:
    """Keys, versions and uploads of another's bucket: those that are there are answered as those that are not."""
    for path in (
        "/ref-hers/{}",
        "/ref-hers/o?versionId={}",
        "/ref-hers/o?uploadId={}",
        "/ref-hers/{}?acl=",
        "/ref-hers/{}?tagging=",
    ):
        there = {"{}": "known-name", "versionId": world.version["foreign"], "uploadId": world.upload["foreign"]}
        real = next(v for k, v in there.items() if k in path and (k != "{}" or "Id=" not in path))
        for method in ("GET", "HEAD", "DELETE"):
            got = [world.key(method, path.replace("{}", v)) for v in (real, "0" * len(real))]
            assert told(got[0], real) == told(got[1], "0" * len(real)), (method, path)
            assert got[0].status_code in {403, 501}, (method, path, got[0].text)


@pytest.mark.parametrize("value", ["%ff/o", "c", "c/", "/o", "c/%00", "c/a?b", "c//a"])
def test_a_dynamic_manifest_leads_somewhere_whoever_sets_it(world: World, value: str) -> None:
    """PUT, POST and COPY take the same: what is no container and prefix is 400, and the object stays as it was."""
    world.a.put("/c/dynamic", b"own")
    world.a("PUT", "/c/n", b"", 400, X_Object_Manifest=value)
    world.a("POST", "/c/dynamic", code=400, X_Object_Manifest=value)
    world.a("COPY", "/c/dynamic", code=400, Destination="/c/n2", X_Object_Manifest=value)
    assert world.a("GET", "/c/dynamic", code=200).content == b"own"
