# SPDX-License-Identifier: Apache-2.0
"""The process is killed in the midst of thousands of puts, overwrites, deletes and copies: what was acknowledged is there with its
checksum, what was not is whole or absent, and after the sweep no body is without a row and no row without its body."""

from __future__ import annotations

import hashlib
import http.client
import os
import random
import threading
from pathlib import Path

from test_crash import Sim

from virga.client import wait
from virga.services.objects.context import ObjectContext
from virga.services.objects.store import objects as rows

OPERATIONS = int(os.environ.get("VIRGA_TEST_OBJECT_OPERATIONS", "10000"))
ROUNDS = 5


def body(seed: int) -> bytes:
    chance = random.Random(seed)
    return chance.randbytes(chance.choice((0, 100, 4096, 9000, 40_000, 300_000)))


def test_killed_in_mixed_operations(tmp_path: Path) -> None:
    sim = Sim(tmp_path, VIRGA_OBJECTS_ORPHAN_SECONDS="0")
    client = sim.up()
    project = client.get("/identity/v3/projects?name=admin")["projects"][0]["id"]
    base = f"/object-store/v1/AUTH_{project}"
    sure: dict[str, str | None] = {}  # name → md5 of what must be there; None: must be absent
    open_: dict[str, set[str | None]] = {}  # what an operation that nobody answered may have left
    done = 0
    client.raw("PUT", f"{base}/c", headers={})
    for turn in range(ROUNDS):
        token, lock = client.token, threading.Lock()

        def work(lane: int, turn: int = turn, token: str = token, lock: threading.Lock = lock) -> None:
            """One lane owns its names, so that order is known."""
            nonlocal done
            chance = random.Random(turn * 100 + lane)
            conn = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=20)
            while done < OPERATIONS:
                name = f"l{lane}-{chance.randrange(40)}"
                verb, seed = chance.choice(("PUT", "PUT", "PUT", "DELETE", "COPY")), chance.randrange(10**9)
                data: bytes | None = None
                headers = {"X-Auth-Token": token}
                target = name
                if verb == "PUT":
                    data = body(seed)
                    left: str | None = hashlib.md5(data).hexdigest()
                elif verb == "COPY":
                    if not isinstance(sure.get(name), str):
                        continue
                    target = f"l{lane}-{chance.randrange(40)}"
                    headers["Destination"] = f"c/{target}"
                    left = sure[name]
                else:
                    left = None
                with lock:
                    open_[target] = {sure.get(target), left}
                try:
                    conn.request(verb, f"{base}/c/{name}", data, headers)
                    answer = conn.getresponse()
                    answer.read()
                except (OSError, http.client.HTTPException):
                    return
                assert answer.status in {201, 204, 404}, (verb, answer.status)
                with lock:
                    sure[target] = left
                    del open_[target]
                    done += 1

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for t in threads:
            t.start()
        if turn < ROUNDS - 1:
            share = OPERATIONS * (turn + random.Random(turn).random()) / (ROUNDS - 1)
            assert wait(lambda share=share: done >= share, 300, every=0.001)  # type: ignore[misc]
            sim.kill()
        for t in threads:
            t.join()
        if turn < ROUNDS - 1:
            client = sim.up()
            check(sim, base, client.token, sure, open_)
    check(sim, base, client.token, sure, open_)
    print(f"{done} operations were answered between {ROUNDS - 1} kills, {len(sure)} names")
    assert done >= OPERATIONS, done
    sim.end()
    after_the_sweep(tmp_path)


def check(sim: Sim, base: str, token: str, sure: dict[str, str | None], open_: dict[str, set[str | None]]) -> None:
    """Every name has what was promised, or one of the things that an unanswered request may have left."""
    conn = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=20)
    for name in {*sure, *open_}:
        conn.request("GET", f"{base}/c/{name}", headers={"X-Auth-Token": token})
        answer = conn.getresponse()
        data = answer.read()
        found = None if answer.status == 404 else hashlib.md5(data).hexdigest()
        assert answer.status in {200, 404}, (name, answer.status)
        if found is not None:
            assert answer.headers["Etag"] == found
        allowed = open_.get(name) or {sure.get(name)}
        assert found in allowed, f"{name} has {found}, may have {allowed}"
        open_.pop(name, None)
        sure[name] = found


def after_the_sweep(state: Path) -> None:
    from sim_cloud import make
    from virga.ground.loops.loop import Round
    from virga.services.objects import loops

    cloud = make(state=state, **{"objects.orphan_seconds": 0, "objects.trash_seconds": 0})
    round = Round(cloud.db, cloud.world, cloud.registry)
    loops.trash(round)
    loops.orphans(round)
    assert loops.updater(round) == 0, "a counter had drifted"
    assert loops.auditor(round, 10**6) == 0, "a row without its body, or a body that is not what was written"
    there = set(cloud.registry.use(ObjectContext).blobs.ids())
    with cloud.db.read() as tx:
        assert rows.known_bodies(tx, sorted(there)) == there, "a body without a row"
        named = tx.conn.exec_driver_sql("select count(*) from obj_objects where body like 'b%'").scalar()
        smalls = tx.conn.exec_driver_sql("select count(*) from obj_small").scalar()
        named_small = tx.conn.exec_driver_sql("select count(*) from obj_objects where body like 'i%'").scalar()
    assert named == len(there) and smalls == named_small
    cloud.registry.use(ObjectContext).close()
    cloud.db.close()
