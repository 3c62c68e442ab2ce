# SPDX-License-Identifier: Apache-2.0
"""Measure identity in a simulated cloud: CPU milliseconds of the whole process per request beside wall time (medians), pages of a list
of 10,000 users over a socket, memory over 100,000 tokens. Prints a table, writes bench_identity.json and ends with 1 if a goal was missed; `--quick` leaves the long
rows out, `--against FILE` compares with an earlier bench_identity.json (see bench.py)."""

from __future__ import annotations

import http.client
import json
import statistics
import sys
import threading
import time
from typing import Any

from bench import Figure, Sim, earlier, report

USERS, TOKENS, PAGE = 10_000, 100_000, 100
PAGE_MS, GROWTH_MIB = 30.0, 8.0


def token_by_token(sim: Sim, conn: http.client.HTTPConnection, project: str) -> str:
    body = {
        "auth": {"identity": {"methods": ["token"], "token": {"id": sim.token}}, "scope": {"project": {"id": project}}}
    }
    conn.request("POST", "/identity/v3/auth/tokens?nocatalog", json.dumps(body), {"Content-Type": "application/json"})
    answer = conn.getresponse()
    answer.read()
    assert answer.status == 201, answer.status
    return str(answer.headers["X-Subject-Token"])


def main() -> None:
    before = earlier(__doc__)
    sim = Sim()
    rows: dict[str, Figure] = {}
    project = sim.ask("GET", "/identity/v3/projects?name=admin")["projects"][0]["id"]
    role = sim.ask("GET", "/identity/v3/roles?name=member")["roles"][0]["id"]
    user = sim.ask("GET", "/identity/v3/users?name=admin")["users"][0]["id"]
    keep = http.client.HTTPConnection("127.0.0.1", sim.port)
    rows["token check"] = sim.measure(
        lambda n: sim.ask("GET", "/identity/v3/auth/tokens", X_Subject_Token=sim.token), 2000
    )
    rows["catalogue"] = sim.measure(lambda n: sim.ask("GET", "/identity/v3/auth/catalog"), 1000)
    rows["user get"] = sim.measure(lambda n: sim.ask("GET", f"/identity/v3/users/{user}"), 500)
    rows["project get"] = sim.measure(lambda n: sim.ask("GET", f"/identity/v3/projects/{project}"), 500)
    rows["token by token"] = sim.measure(lambda n: token_by_token(sim, keep, project), 500)
    rows["project create"] = sim.measure(
        lambda n: sim.ask("POST", "/identity/v3/projects", {"project": {"name": f"p{n}"}}), 100
    )
    for n in range(-1, 40):
        made = sim.ask("POST", "/identity/v3/users", {"user": {"name": f"u{n}", "password": f"p{n}"}})["user"]["id"]
        sim.ask("PUT", f"/identity/v3/projects/{project}/users/{made}/roles/{role}")
    rows["password token, first time"] = sim.measure(lambda n: sim.login(f"p{n}", f"u{n}", conn=keep), 40)
    rows["user create, no password"] = sim.measure(
        lambda n: sim.ask("POST", "/identity/v3/users", {"user": {"name": f"n{n}"}}), 80
    )
    rows["user list, 120 of them"] = sim.measure(lambda n: sim.ask("GET", "/identity/v3/users"), 50)
    out: dict[str, Any] = {}
    missed: list[str] = []
    if "--quick" not in sys.argv:
        for n in range(USERS):
            sim.ask("POST", "/identity/v3/users", {"user": {"name": f"many{n:05}"}})
        pages, url = [], f"/identity/v3/users?limit={PAGE}"
        seen = 0
        while url:
            began = time.perf_counter()
            page = sim.ask("GET", url)
            pages.append((time.perf_counter() - began) * 1000)
            seen += len(page["users"])
            url = (page["links"]["next"] or "").partition(f":{sim.port}")[2]
        assert seen > USERS
        out[f"users listed, {PAGE} a page: pages"] = len(pages)
        middle = statistics.median(pages)
        out["a page, p50 ms"] = round(middle, 1)
        if middle > PAGE_MS:
            missed.append(f"a page takes more than {PAGE_MS:.0f} ms")
        out["a page, worst ms"] = round(max(pages), 1)
        for _ in range(25_000):
            token_by_token(sim, keep, project)
        threading.Event().wait(1)
        least = sim.pss()
        for _ in range(TOKENS):
            token_by_token(sim, keep, project)
        threading.Event().wait(1)
        out["memory, MiB PSS, with full token cache"] = round(least, 1)
        after = sim.pss()
        out[f"memory after {TOKENS:,} more tokens"] = round(after, 1)
        if after - least > GROWTH_MIB:
            missed.append(f"memory grew by more than {GROWTH_MIB:.0f} MiB")
    sim.process.terminate()
    missed += report("bench_identity", rows, out, before)
    if missed:
        sys.exit("MISSED: " + "; ".join(missed))


if __name__ == "__main__":
    main()
