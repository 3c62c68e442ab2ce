# SPDX-License-Identifier: Apache-2.0
"""What one dialect puts the other reads; manifests, temporary addresses, archives; the rows of container sync."""

from __future__ import annotations

import io
import json
import os
import tarfile
import xml.etree.ElementTree as ET

import pytest

from accounts import Account, S3Key, nobody
from sim_cloud import SimCloud
from virga.services.objects.store import sync

# -- one object through both APIs ---------------------------------------------------------------------------------


def test_what_one_dialect_puts_the_other_reads(shared: SimCloud) -> None:
    """Large objects, versions, metadata, links: by Swift and read by S3, and the other way round."""
    who = shared.tenant("cross")
    key, a = S3Key(shared, who), Account(who)
    key("PUT", "/cross-box", code=200)
    for n in (1, 2):
        a("PUT", f"/cross-box/seg{n}", bytes([n]) * 1000, 201)
    a(
        "PUT",
        "/cross-box/slo?multipart-manifest=put",
        json.dumps([{"path": f"/cross-box/seg{n}"} for n in (1, 2)]).encode(),
        201,
    )
    a("PUT", "/cross-box/dlo", b"", 201, X_Object_Manifest="cross-box/seg")
    swifts = a("HEAD", "/cross-box/slo").headers["etag"].strip('"')
    for name in ("slo", "dlo"):
        seen = key("GET", f"/cross-box/{name}", code=200)
        assert seen.content == b"\1" * 1000 + b"\2" * 1000
        assert seen.headers["etag"] == f'"{swifts}-N"', (
            "with a dash: S3's clients do not take it for the MD5 of the bytes"
        )
    listed = {
        e.findtext("{*}Key"): e.findtext("{*}ETag")
        for e in ET.fromstring(key("GET", "/cross-box").content).iter()
        if e.tag.endswith("}Contents")
    }
    assert listed["slo"] == f'"{swifts}-N"' and "-" not in (listed["seg1"] or "-")
    for tag in (f'"{swifts}-N"', f'"{swifts}"'):
        key("GET", "/cross-box/slo", code=200, extra={"if-match": tag})
    key("GET", "/cross-box/slo", code=412, extra={"if-match": '"another"'})
    up = ET.fromstring(key("POST", "/cross-box/parts?uploads", b"", 200, extra={"x-amz-meta-colour": "blue"}).content)
    id = next(e.text for e in up.iter() if e.tag.endswith("UploadId"))
    big = os.urandom(5 << 20)
    tags = [
        key("PUT", f"/cross-box/parts?partNumber={n}&uploadId={id}", p, 200).headers["etag"]
        for n, p in ((1, big), (2, b"end"))
    ]
    done = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{t}</ETag></Part>" for n, t in enumerate(tags, 1))
    key(
        "POST",
        f"/cross-box/parts?uploadId={id}",
        f"<CompleteMultipartUpload>{done}</CompleteMultipartUpload>".encode(),
        200,
    )
    got = a("GET", "/cross-box/parts", code=200)
    assert (
        got.content == big + b"end"
        and got.headers["etag"].strip('"').endswith("-2")
        and got.headers["x-object-meta-colour"] == "blue"
    )
    assert a("GET", "/cross-box/parts", code=206, Range="bytes=5242878-5242882").content == (big + b"end")[5242878:]
    a("POST", "/cross-box/parts", code=202, X_Object_Meta_Shape="round")
    assert key("HEAD", "/cross-box/parts", code=200).headers["x-amz-meta-shape"] == "round"
    a("PUT", "/cross-box/link", b"", 201, X_Symlink_Target="cross-box/seg1")
    assert key("GET", "/cross-box/link", code=200).content == b"\1" * 1000
    a("POST", "/cross-box", code=204, X_Versions_Enabled="true")
    for body in (b"1", b"22"):
        key("PUT", "/cross-box/v", body, 200)
    a("DELETE", "/cross-box/v", code=204)
    swift = [
        (e["version_id"], e["bytes"], e["is_latest"])
        for e in a("GET", "/cross-box?versions&prefix=v&format=json", code=200).json()
    ]
    s3 = [
        e
        for e in ET.fromstring(key("GET", "/cross-box?versions&prefix=v").content)
        if e.tag.endswith(("}Version", "}DeleteMarker"))
    ]
    assert [(v, latest) for v, _, latest in swift] == [
        (e.findtext("{*}VersionId"), e.findtext("{*}IsLatest") == "true") for e in s3
    ]
    assert [size for _, size, _ in swift] == [0, 2, 1] and s3[0].tag.endswith("DeleteMarker")
    assert (
        key("GET", f"/cross-box/v?versionId={swift[2][0]}", code=200).content
        == a("GET", f"/cross-box/v?version-id={swift[2][0]}", code=200).content
        == b"1"
    )


# -- large objects, addresses, archives ----------------------------------------------------------------------------


def test_manifests_of_manifests(shared: SimCloud) -> None:
    """A static large object of another one, of inline data and of ranges: bytes, ranges across all borders, its lines, its end."""
    a = Account(shared.tenant("subslo"))
    a("PUT", "/c", code=201)
    parts = {n: os.urandom(1000 + n) for n in range(3)}
    for n, data in parts.items():
        a("PUT", f"/c/seg{n}", data, 201)
    inner = [{"path": "/c/seg0"}, {"data": "SU5M"}, {"path": "/c/seg1", "range": "10-109"}]
    a("PUT", "/c/inner?multipart-manifest=put", json.dumps(inner).encode(), 201)
    outer = [{"path": "/c/inner"}, {"path": "/c/seg2", "range": "-50"}, {"path": "/c/inner", "range": "999-1002"}]
    a("PUT", "/c/outer?multipart-manifest=put", json.dumps(outer).encode(), 201)
    whole_inner = parts[0] + b"INL" + parts[1][10:110]
    whole = whole_inner + parts[2][-50:] + whole_inner[999:1003]
    assert a("GET", "/c/inner", code=200).content == whole_inner and a("GET", "/c/outer", code=200).content == whole
    for low, high in ((0, 0), (998, 1004), (1100, 1110), (len(whole) - 5, len(whole) - 1), (1, len(whole) - 2)):
        assert a("GET", "/c/outer", code=206, Range=f"bytes={low}-{high}").content == whole[low : high + 1], (low, high)
    assert a("HEAD", "/c/outer").headers["content-length"] == str(len(whole))
    lines = a("GET", "/c/outer?multipart-manifest=get", code=200).json()
    assert lines[0]["sub_slo"] is True and lines[2]["range"] == "999-1002"
    a("PUT", "/c/seg1", b"changed", 201)
    a("PUT", "/c/seg0", b"changed", 201)
    a("GET", "/c/outer", code=409)
    a("PUT", "/c/self?multipart-manifest=put", json.dumps([{"path": "/c/self"}]).encode(), (400, 409))


def test_temporary_addresses_are_for_an_address(shared: SimCloud) -> None:
    import hmac

    a = Account(shared.tenant("tempip"))
    a("POST", "", code=204, X_Account_Meta_Temp_Url_Key="key")
    a("PUT", "/c", code=201)
    a("PUT", "/c/o", b"hi", 201)
    end = 4_000_000_000

    def q(network: str, signed: str | None = None) -> str:
        text = f"ip={signed or network}\nGET\n{end}\n{a.base}/c/o"
        return f"/c/o?temp_url_sig={hmac.new(b'key', text.encode(), 'sha256').hexdigest()}&temp_url_expires={end}&temp_url_ip_range={network}"

    free = nobody(a)
    seen = {
        n: free("GET", q(n)).status_code
        for n in ("127.0.0.0/8", "10.0.0.0/8", "::/0", "0.0.0.0/0", "nonsense", "127.0.0.1/99")
    }
    assert seen["10.0.0.0/8"] == seen["::/0"] == seen["nonsense"] == seen["127.0.0.1/99"] == 401, seen
    assert free("GET", q("0.0.0.0/0", signed="10.0.0.0/8")).status_code == 401, "the range is signed"


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.bz2"])
def test_archives_with_hostile_names(shared: SimCloud, kind: str) -> None:
    """Names go nowhere but into the account; links, devices and folders are no objects; what is no archive says so."""
    a = Account(shared.tenant("harch" + kind[-2:]))
    other = Account(shared.tenant("hother" + kind[-2:]))
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode={"tar": "w", "tar.gz": "w:gz", "tar.bz2": "w:bz2"}[kind]) as tar:

        def add(name: str, data: bytes = b"x", type: bytes = tarfile.REGTYPE, link: str = "") -> None:
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(data), type, link
            tar.addfile(info, io.BytesIO(data))

        add("good/a")
        add("../../etc/passwd")
        add("/abs/o")
        add(f"../AUTH_{other.who.project}/stolen/o")
        add("good/../up")
        add("good/link", b"", tarfile.SYMTYPE, "/etc/passwd")
        add("good/hard", b"", tarfile.LNKTYPE, "good/a")
        add("good/dev", b"", tarfile.CHRTYPE)
        add("good/fifo", b"", tarfile.FIFOTYPE)
        add("good/dir", b"", tarfile.DIRTYPE)
        add("good/" + "n" * 1100)
        add("c" * 300 + "/o")
        add("good/z<&>\"'")
    got = a("PUT", f"?extract-archive={kind}", raw.getvalue(), 200, Accept="application/json").json()
    assert got["Number Files Created"] >= 2, got
    assert other("GET", "", code=(200, 204)).text == "" and "passwd" not in a("GET", "/good").text
    names = a("GET", "/good").text.splitlines()
    assert "a" in names and "z<&>\"'" in names and not {"link", "hard", "dev", "fifo"} & set(names), names
    assert any("n" * 50 in e[0] for e in got["Errors"]), got["Errors"]
    for junk in (b"", b"not an archive" * 100, b"\x1f\x8b" + b"x" * 50, b"BZh9" + b"x" * 50):
        answer = a("PUT", f"?extract-archive={kind}", junk, (200, 400), Accept="application/json")
        assert answer.status_code == 400 or not answer.json()["Response Status"].startswith("201"), answer.text


# -- the rows of container sync, on both databases -----------------------------------------------------------------


def test_rows_of_what_is_to_be_told(sim: SimCloud) -> None:
    a = Account(sim.admin)
    a("PUT", "/c", code=201)
    for n in range(7):
        a("PUT", f"/c/o{n}", b"x", 201)
    db = sim.cloud.db
    with db.write() as tx:
        id = tx.conn.exec_driver_sql("select id from obj_containers").scalar_one()
        sync.note(tx, id, "o3", 5.0, deleted=True)
        sync.note(tx, id, "o3", 6.0, deleted=True)
        sync.note_all(tx, id)
        (everything,) = [r for r in sync.due(tx, 1.0) if r.name == sync.EVERYTHING]
        assert sync.take_up(tx, everything, limit=3) == 3
    with db.write() as tx:
        (everything,) = [r for r in sync.due(tx, 1.0) if r.name == sync.EVERYTHING]
        assert everything.cursor == "o2"
        sync.take_up(tx, everything, limit=5)
    with db.write() as tx:
        rows = {r.name: r for r in sync.due(tx, 1.0)}
        assert sorted(rows) == [f"o{n}" for n in range(7)] and rows["o3"].deleted and rows["o3"].at == 6.0
        sync.note(tx, id, "o1", 9.0, deleted=False)
        sync.forget(tx, rows["o1"])
        sync.forget(tx, rows["o2"])
        sync.later(tx, rows["o4"], 50.0, "away")
    with db.read() as tx:
        assert [r.name for r in sync.due(tx, 1.0)] == ["o0", "o1", "o3", "o5", "o6"], (
            "what changed meanwhile is told again"
        )
        waits, failed = sync.waiting(tx)
        assert waits == 6 and [(r.name, r.tries, r.why) for r in failed] == [("o4", 1, "away")]
