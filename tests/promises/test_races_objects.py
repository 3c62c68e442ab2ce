# SPDX-License-Identifier: Apache-2.0
"""Two at the same time: of what can be only once there is one, on both databases, and the other is told so."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

from accounts import Account, S3Key
from sim_cloud import SimCloud

ROUNDS = 8


def together(*calls: Callable[[], Any]) -> list[Any]:
    """What each call gives; all begin at once, each in a thread of its own."""
    gate = threading.Barrier(len(calls))
    out: list[Any] = [None] * len(calls)

    def run(n: int, call: Callable[[], Any]) -> None:
        gate.wait(10)
        try:
            out[n] = call()
        except BaseException as e:
            out[n] = e

    threads = [threading.Thread(target=run, args=(n, call)) for n, call in enumerate(calls)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    for got in out:
        if isinstance(got, BaseException):
            raise got
    return out


def codes(*calls: Callable[[], Any]) -> list[int]:
    return [got.status_code for got in together(*calls)]


def test_a_bucket_has_one_owner(sim: SimCloud) -> None:
    """Two projects make a bucket of one name: one has it, the other is told that it exists; a container is made once."""
    one, two = S3Key(sim, sim.tenant("race-one")), S3Key(sim, sim.tenant("race-two"))
    a = Account(one.who)
    for n in range(ROUNDS):
        path = f"/race-bucket-{n}"
        got = codes(lambda path=path: one("PUT", path), lambda path=path: two("PUT", path))  # type: ignore[misc]
        assert sorted(got) == [200, 409], got
        owner, other = (one, two) if got[0] == 200 else (two, one)
        owner("PUT", f"{path}/o", b"x", 200)
        other("PUT", f"{path}/o", b"x", 403)
        got = codes(*[lambda n=n: a("PUT", f"/made{n}")] * 3)  # type: ignore[misc]
        assert sorted(got) == [201, 202, 202], got


def test_a_container_goes_or_takes_an_object(sim: SimCloud) -> None:
    """DELETE of an empty container and PUT into it: never a container that is gone with an object that was taken."""
    a = Account(sim.tenant("race-gone"))
    for n in range(ROUNDS):
        a("PUT", f"/c{n}", code=201)
        deleted, put = codes(lambda n=n: a("DELETE", f"/c{n}"), lambda n=n: a("PUT", f"/c{n}/o", b"x"))  # type: ignore[misc]
        assert (deleted, put) in {(204, 404), (409, 201)}, (deleted, put)
        a("GET", f"/c{n}/o", code=200 if put == 201 else 404)


def test_if_none_match_lets_one_in(sim: SimCloud) -> None:
    """PUT with If-None-Match: *, at both APIs: one makes the object, the others are told 412, and its bytes are the winner's."""
    who = sim.tenant("race-new")
    a, key = Account(who), S3Key(sim, who)
    key("PUT", "/race-new", code=200)
    for n in range(ROUNDS):
        got = codes(
            *[
                lambda n=n, w=w: a("PUT", f"/race-new/o{n}", w.encode(), If_None_Match="*")  # type: ignore[misc]
                for w in ("one", "two")
            ],
            lambda n=n: key("PUT", f"/race-new/o{n}", b"three", extra={"if-none-match": "*"}),  # type: ignore[misc]
        )
        assert sorted(c // 100 for c in got) == [2, 4, 4] and set(got) <= {200, 201, 412}, got
        winner = ("one", "two", "three")[next(i for i, c in enumerate(got) if c < 300)]
        assert a("GET", f"/race-new/o{n}", code=200).text == winner


def test_an_upload_is_completed_once(sim: SimCloud) -> None:
    """Completing twice gives one version, told to both; completing and aborting: one of them, and what was told is so."""
    key = S3Key(sim)
    key("PUT", "/race-parts", code=200)
    on = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    key("PUT", "/race-parts?versioning=", on, 200)

    def begun(name: str) -> tuple[str, bytes]:
        found = re.search("<UploadId>(.+?)</UploadId>", key("POST", f"/race-parts/{name}?uploads=", code=200).text)
        assert found is not None
        where = f"/race-parts/{name}?uploadId={found.group(1)}"
        tag = key("PUT", f"/race-parts/{name}?partNumber=1&uploadId={found.group(1)}", b"part", 200).headers["etag"]
        part = f"<Part><PartNumber>1</PartNumber><ETag>{tag}</ETag></Part>"
        return where, f"<CompleteMultipartUpload>{part}</CompleteMultipartUpload>".encode()

    for n in range(ROUNDS):
        where, body = begun(f"twice{n}")
        got = together(*[lambda where=where, body=body: key("POST", where, body)] * 2)  # type: ignore[misc]
        assert [g.status_code for g in got] == [200, 200], [g.text for g in got]
        assert len({re.search("<ETag>(.+?)</ETag>", g.text).group(1) for g in got}) == 1  # type: ignore[union-attr]
        listed = key("GET", f"/race-parts?prefix=twice{n}&versions=", code=200).text
        assert listed.count("<Version>") == 1, listed
        where, body = begun(f"either{n}")
        done, ended = codes(
            lambda where=where, body=body: key("POST", where, body),  # type: ignore[misc]
            lambda where=where: key("DELETE", where),  # type: ignore[misc]
        )
        assert (done, ended) in {(200, 404), (404, 204)}, (done, ended)
        key("GET", f"/race-parts/either{n}", code=200 if done == 200 else 404)


def test_one_version_is_current(sim: SimCloud) -> None:
    """Writes and deletions of one name at the same time: none is lost, and exactly one of what is left is the newest."""
    key = S3Key(sim)
    key("PUT", "/race-versions", code=200)
    on = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    key("PUT", "/race-versions?versioning=", on, 200)
    for n in range(ROUNDS):
        got = together(
            lambda n=n: key("PUT", f"/race-versions/k{n}", b"one"),  # type: ignore[misc]
            lambda n=n: key("PUT", f"/race-versions/k{n}", b"two"),  # type: ignore[misc]
            lambda n=n: key("DELETE", f"/race-versions/k{n}"),  # type: ignore[misc]
        )
        assert [g.status_code for g in got] == [200, 200, 204]
        listed = key("GET", f"/race-versions?prefix=k{n}&versions=", code=200).text
        ids = re.findall("<VersionId>(.+?)</VersionId>", listed)
        assert listed.count("<Version>") == 2 and len(ids) == len(set(ids)) == 3, listed
        assert listed.count("<IsLatest>true</IsLatest>") == 1, listed
        # two take the same version away: it goes once, and one that is left becomes the newest
        newest = re.search("<VersionId>([^<]+)</VersionId><IsLatest>true", listed)
        assert newest is not None, listed
        gone = codes(*[lambda n=n, v=newest.group(1): key("DELETE", f"/race-versions/k{n}?versionId={v}")] * 2)  # type: ignore[misc]
        assert gone == [204, 204]
        listed = key("GET", f"/race-versions?prefix=k{n}&versions=", code=200).text
        assert len(re.findall("<VersionId>", listed)) == 2 and listed.count("<IsLatest>true</IsLatest>") == 1, listed


def test_a_quota_is_not_passed(sim: SimCloud) -> None:
    """Quotas of containers and accounts, in objects and in bytes: what two send at once fits or one is told 413."""
    a = Account(sim.tenant("race-quota"))
    role = sim.admin.get("/identity/v3/roles?name=ResellerAdmin")["roles"][0]["id"]
    sim.admin.put(f"/identity/v3/projects/{sim.admin.project}/users/{sim.admin.user}/roles/{role}", code=204)
    reseller = Account(sim.login("admin", "admin", "admin"), a.who.project)
    for n, (quota, value) in enumerate([("Count", "1"), ("Bytes", "15")] * (ROUNDS // 2)):
        a("PUT", f"/q{n}", code=201, **{f"X-Container-Meta-Quota-{quota}": value})
        got = codes(*[lambda n=n, w=w: a("PUT", f"/q{n}/{w}", b"x" * 10) for w in "ab"])  # type: ignore[misc]
        assert sorted(got) == [201, 413], (quota, got)
        head = a("HEAD", f"/q{n}", code=204).headers
        assert head["x-container-object-count"] == "1" and head["x-container-bytes-used"] == "10"
    used = int(a("HEAD", code=204).headers["x-account-bytes-used"])
    a("PUT", "/free", code=201)
    for n in range(ROUNDS // 2):
        reseller("POST", code=204, X_Account_Meta_Quota_Bytes=str(used + 15))
        got = codes(*[lambda n=n, w=w: a("PUT", f"/free/{w}{n}", b"x" * 10) for w in "ab"])  # type: ignore[misc]
        assert sorted(got) == [201, 413], got
        used = int(a("HEAD", code=204).headers["x-account-bytes-used"])
