# SPDX-License-Identifier: Apache-2.0
"""Measure images: a gigabyte up and down beside a plain copy with the same hashes on the same disk in the same run, the server's
peak memory, single reads and long lists. Prints a table, writes bench_images.json."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

SIZE = int(os.environ.get("BENCH_IMAGE_MIB", "1024")) << 20
CHUNK = 1 << 20
TICK = os.sysconf("SC_CLK_TCK")


class Files:
    """A simulated cloud whose images are files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        env = os.environ | {
            "VIRGA_ADMIN_PASSWORD": "bench",
            "VIRGA_SERVER_LOG_LEVEL": "error",
            "VIRGA_SIM_STOCK": "false",
        }
        words = [
            sys.executable,
            "-m",
            "virga",
            "--state",
            str(folder),
            "up",
            "--sim",
            "--listen",
            f"127.0.0.1:{self.port}",
        ]
        self.process = subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL)
        self.conn = http.client.HTTPConnection("127.0.0.1", self.port, blocksize=CHUNK)
        for _ in range(3000):
            try:
                self.token = self.login()
                break
            except OSError:
                self.conn.close()
                threading.Event().wait(0.01)

    def login(self) -> str:
        domain = {"id": "default"}
        identity = {
            "methods": ["password"],
            "password": {"user": {"name": "admin", "domain": domain, "password": "bench"}},
        }
        body = json.dumps({"auth": {"identity": identity, "scope": {"project": {"name": "admin", "domain": domain}}}})
        self.conn.request("POST", "/identity/v3/auth/tokens", body, {"Content-Type": "application/json"})
        answer = self.conn.getresponse()
        answer.read()
        return str(answer.headers["X-Subject-Token"])

    def ask(
        self, method: str, path: str, body: Any = None, kind: str = "application/json", length: int | None = None
    ) -> Any:
        headers = {"X-Auth-Token": self.token, "Content-Type": kind} | (
            {"Content-Length": str(length)} if length is not None else {}
        )
        data = json.dumps(body) if isinstance(body, dict) else body
        self.conn.request(method, path, data, headers)
        answer = self.conn.getresponse()
        raw = answer.read()
        assert answer.status < 300, (path, answer.status, raw[:300])
        return json.loads(raw) if raw and "json" in answer.headers.get("Content-Type", "") else raw

    def peak(self) -> float:
        """The most memory that the process has ever had, MiB."""
        line = next(
            x for x in Path(f"/proc/{self.process.pid}/status").read_text().splitlines() if x.startswith("VmHWM")
        )
        return int(line.split()[1]) / 1024

    def cpu(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK


def plain(source: Path, target: Path) -> float:
    """Seconds of a copy that hashes as an upload does, until it is on the disk."""
    began = time.perf_counter()
    weak, strong = hashlib.md5(usedforsecurity=False), hashlib.sha512()
    with open(source, "rb", buffering=0) as a, open(target, "wb", buffering=0) as b:
        while data := a.read(CHUNK):
            weak.update(data)
            strong.update(data)
            b.write(data)
        os.fsync(b.fileno())
    return time.perf_counter() - began


def plain_read(source: Path, target: Path) -> float:
    """Seconds of what a client does with a download: a copy with one hash, to see that it is whole."""
    began = time.perf_counter()
    weak = hashlib.md5(usedforsecurity=False)
    with open(source, "rb", buffering=0) as a, open(target, "wb", buffering=0) as b:
        while data := a.read(CHUNK):
            weak.update(data)
            b.write(data)
        os.fsync(b.fileno())
    return time.perf_counter() - began


def upload(cloud: Files, source: Path) -> tuple[str, float]:
    id = cloud.ask("POST", "/image/v2/images", {"name": "big", "disk_format": "raw", "container_format": "bare"})["id"]
    began = time.perf_counter()
    with open(source, "rb") as file:
        cloud.ask("PUT", f"/image/v2/images/{id}/file", file, "application/octet-stream", SIZE)
    return id, time.perf_counter() - began


def download(cloud: Files, id: str, target: Path) -> float:
    began = time.perf_counter()
    cloud.conn.request("GET", f"/image/v2/images/{id}/file", headers={"X-Auth-Token": cloud.token})
    answer, weak, whole = cloud.conn.getresponse(), hashlib.md5(usedforsecurity=False), 0
    with open(target, "wb", buffering=0) as b:
        while data := answer.read(CHUNK):
            weak.update(data)
            b.write(data)
            whole += len(data)
        os.fsync(b.fileno())
    assert whole == SIZE and weak.hexdigest() == answer.headers["Content-MD5"]
    return time.perf_counter() - began


def lists(cloud: Files) -> list[float]:
    """Milliseconds of each page of a list of 10,000. The rows are written as the program would, without ten thousand requests."""
    db = sqlite3.connect(cloud.folder / "virga.db", timeout=60)
    names = [r[1] for r in db.execute("pragma table_info(images)")]
    row = dict(zip(names, db.execute("select * from images limit 1").fetchone(), strict=True))
    rows = [
        row | {"id": f"{n:08x}-0000-4000-8000-000000000000", "name": f"image {n}", "created": row["created"] + n}
        for n in range(10_000)
    ]
    marks = ", ".join("?" for _ in names)
    with db:
        db.executemany(
            f"insert into images ({', '.join(names)}) values ({marks})", [tuple(r[n] for n in names) for r in rows]
        )
    db.close()
    walls: list[float] = []
    for limit in (25, 100):
        path: str | None = f"/image/v2/images?limit={limit}"
        while path is not None and len(walls) < (200 if limit == 25 else 300):
            began = time.perf_counter()
            page = cloud.ask("GET", path)
            walls.append((time.perf_counter() - began) * 1000)
            path = "/image" + page["next"] if "next" in page else None
    return walls


def main() -> None:
    out: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="virga-bench-", dir=os.environ.get("BENCH_FOLDER")) as name:
        folder = Path(name)
        source = folder / "source"
        with open(source, "wb") as file:
            for _ in range(SIZE >> 20):
                file.write(os.urandom(CHUNK))
        cloud = Files(folder / "state")
        try:
            rounds: list[tuple[float, float, float, float]] = []
            for _ in range(3):  # the machine is shared: the ratio of one round is what counts, the middle one is shown
                copy = plain(source, folder / "copy")
                id, up = upload(cloud, source)
                reading = plain_read(source, folder / "copy")
                rounds.append((copy, up, reading, download(cloud, id, folder / "copy")))
                cloud.ask("DELETE", f"/image/v2/images/{id}")
            out["plain copy + hashes, s"] = statistics.median(r[0] for r in rounds)
            out["upload, s"] = statistics.median(r[1] for r in rounds)
            out["upload, share of plain"] = statistics.median(r[0] / r[1] for r in rounds)
            out["plain copy + checksum, s"] = statistics.median(r[2] for r in rounds)
            out["download, s"] = statistics.median(r[3] for r in rounds)
            out["download, share of plain"] = statistics.median(r[2] / r[3] for r in rounds)
            out["peak memory of the server, MiB"] = cloud.peak()
            one = cloud.ask(
                "POST", "/image/v2/images", {"name": "i", "disk_format": "raw", "container_format": "bare"}
            )["id"]
            cloud.ask("PUT", f"/image/v2/images/{one}/file", b"x" * 1024, "application/octet-stream")
            for _ in range(200):
                cloud.ask("GET", f"/image/v2/images/{one}")
            cpu = cloud.cpu()
            for _ in range(2000):
                cloud.ask("GET", f"/image/v2/images/{one}")
            out["image get, CPU ms"] = (cloud.cpu() - cpu) / 2
            walls = lists(cloud)
            out["list of 10000, a page, p50 ms"] = statistics.median(walls)
            out["list of 10000, a page, p99 ms"] = sorted(walls)[int(len(walls) * 0.99)]
        finally:
            cloud.process.terminate()
            cloud.process.wait(20)
    goals = {
        "upload, share of plain": ">= 0.7",
        "download, share of plain": ">= 0.7",
        "peak memory of the server, MiB": "< 150",
        "list of 10000, a page, p50 ms": "<= 30",
    }
    print(f"{'images, ' + str(SIZE >> 20) + ' MiB':34s} {'value':>10s} {'goal':>8s}")
    for what, value in out.items():
        print(f"{what:34s} {value:10.2f} {goals.get(what, ''):>8s}")
    Path("bench_images.json").write_text(json.dumps({k: round(v, 3) for k, v in out.items()}, indent=2) + "\n")


if __name__ == "__main__":
    main()
