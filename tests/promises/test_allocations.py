# SPDX-License-Identifier: Apache-2.0
"""What is allocated is what is there: whatever is built, deleted and killed, in whatever order, placement's allocations are the
servers on their hosts, and each inventory's `used` is their sum."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_sagas import Driven

from virga.ground.sagas.testing import Injected, Killed, die
from virga.services.compute import hosts, store
from virga.services.placement import store as placed


class Dice:
    """The runner's hook: at the steps that the sequence says, the process dies or the step fails, once each."""

    def __init__(self) -> None:
        self.left: list[str] = []
        self.steps = 0

    def arm(self, what: str, after: int) -> None:
        self.left, self.steps = [what], after

    def __call__(self, when: str, way: str, step: str) -> None:
        self.steps -= 1
        if self.left and self.steps < 0:
            what = self.left.pop()
            if what == "kill":
                raise Killed
            if way == "do":
                raise Injected(f"injected {when} {step}")


def differences(d: Driven) -> list[str]:
    """Where placement and the servers' rows do not say the same."""
    with d.cloud.db.read() as tx:
        names = {row.name: row.id for row in store.HOSTS.find(tx)}
        truth = {
            (row.id, names[row.host], name): amount
            for row in store.SERVERS.find(tx, store.c.host.is_not(None))
            for name, amount in hosts.amounts(row).items()
            if amount and row.host is not None
        }
        held = {(row.consumer_id, row.provider_id, row.resource_class): row.used for row in placed.ALLOCATIONS.find(tx)}
        sums: dict[tuple[str, str], int] = {}
        for (_, provider, name), amount in held.items():
            sums[provider, name] = sums.get((provider, name), 0) + amount
        wrong = [f"{row} used {row.used}" for row in placed.INVENTORIES.find(tx) if row.used != sums.get((row.provider_id, row.resource_class), 0)]  # fmt: skip
        wrong += [f"{row} free {row.free}" for row in placed.INVENTORIES.find(tx) if row.free != row.capacity - row.used]  # fmt: skip
        consumers = {row.id for row in placed.CONSUMERS.find(tx)}
    wrong += [f"only one side has {each}" for each in sorted(set(truth.items()) ^ set(held.items()))]
    wrong += [f"a consumer without allocations: {id}" for id in consumers ^ {key[0] for key in held}]
    return wrong


def tick(d: Driven) -> None:
    """The sagas that are due, a step; what a process held that dies is free when its lease is over."""
    try:
        d.cloud.runner.tick()
    except Killed:
        die(d.cloud.process)
        d.node.hello()
        d.cloud.process.beat()


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("build"), st.integers(0, 2)),
        st.tuples(st.just("delete"), st.integers(0, 9)),
        st.tuples(st.just("kill"), st.integers(0, 12)),
        st.tuples(st.just("fail"), st.integers(0, 12)),
        st.tuples(st.just("tick"), st.integers(1, 4)),
        st.tuples(st.just("node"), st.just(0)),
        st.tuples(st.just("disable"), st.integers(0, 1)),
    ),
    min_size=1,
    max_size=14,
)


def play(d: Driven, moves: list[tuple[str, int]], flavors: list[str], image: str, net: str) -> None:
    dice = Dice()
    d.cloud.runner.hook = dice
    a, alive = d.sim.admin, list[str]()
    for move, n in moves:
        if move == "build":
            body = {"name": "vm", "imageRef": image, "flavorRef": flavors[n], "networks": [{"uuid": net}]}
            got = a.ask("POST", "/compute/v2.1/servers", {"server": body})
            alive += [got.json["server"]["id"]] if got.code == 202 else []
        elif move == "delete" and alive:
            a.ask("DELETE", f"/compute/v2.1/servers/{alive.pop(n % len(alive))}")
        elif move in {"kill", "fail"}:
            dice.arm(move, n)
        elif move == "tick":
            for _ in range(n):
                tick(d)
        elif move == "node":
            d.turn()
        elif move == "disable":
            with d.cloud.db.write() as tx:
                store.HOSTS.change(tx, store.HOSTS.c.name == "sim", enabled=bool(n))
            d.node.hello()
        assert differences(d) == [], (move, n)
    d.drain()
    assert differences(d) == []
    for id in alive:
        a.ask("DELETE", f"/compute/v2.1/servers/{id}")
    d.drain()
    assert differences(d) == []
    with d.cloud.db.read() as tx:
        assert placed.ALLOCATIONS.count(tx) == placed.CONSUMERS.count(tx) == 0
        assert all(row.used == 0 for row in placed.INVENTORIES.find(tx))


def test_allocations_are_the_truth_whatever_happens(database: str | None) -> None:
    d = Driven(database)
    try:
        a = d.sim.admin
        a.put(f"/compute/v2.1/os-quota-sets/{a.project}", {"quota_set": {"instances": -1, "cores": -1, "ram": -1}})
        for id, ram in (("small", 64), ("big", 4096), ("never", 2**28)):
            a.post("/compute/v2.1/flavors", {"flavor": {"name": id, "id": id, "ram": ram, "vcpus": 1, "disk": 1}})
        image, (net, _) = d.sim.image()["id"], d.sim.network(a, cidr="10.0.0.0/16")

        @settings(
            max_examples=25,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(moves=MOVES)
        def whatever(moves: Any) -> None:
            d.sim = type(d.sim)(d.cloud)  # time moves on, and tokens with it
            with d.cloud.db.write() as tx:
                store.HOSTS.change(tx, store.HOSTS.c.name == "sim", enabled=True)
            d.node.hello()
            play(d, moves, ["small", "big", "never"], image, net["id"])

        whatever()
    finally:
        d.close()


def test_the_promise_can_fail(database: str | None) -> None:
    """An allocation that nobody owns, and a sum that is off, are found."""
    d = Driven(database)
    try:
        assert differences(d) == []
        with d.cloud.db.write() as tx:
            host = store.HOSTS.by(tx, name="sim")
            assert host is not None
            placed.take(tx, host.id, "VCPU", 1)
        assert len(differences(d)) == 1
        with d.cloud.db.write() as tx:
            placed.ALLOCATIONS.insert(
                tx, consumer_id="c", provider_id=host.id, resource_class="VCPU", used=1, created=0.0
            )
        assert any("only one side" in each for each in differences(d))
    finally:
        d.close()
