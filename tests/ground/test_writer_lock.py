# SPDX-License-Identifier: Apache-2.0
"""The turn to write on SQLite: one thread at a time, and nobody waits for ever."""

from __future__ import annotations

import threading

from virga.ground.db.engine import WriterLock


def test_who_writes_again_lets_those_in_who_have_waited() -> None:
    lock, order = WriterLock(), list[str]()

    def other() -> None:
        with lock:
            order.append("other")

    with lock:
        thread = threading.Thread(target=other)
        thread.start()
        while not lock._line:
            threading.Event().wait(0.001)
    with lock:
        order.append("again")
    thread.join(20)
    assert order == ["other", "again"]


def test_one_at_a_time_and_none_is_lost() -> None:
    lock, inside, worst, done = WriterLock(), [0], [0], [0]

    def work() -> None:
        for n in range(200):
            with lock:
                inside[0] += 1
                worst[0] = max(worst[0], inside[0])
                with lock:  # again inside its own turn
                    done[0] += 1
                if n % 20 == 0:
                    threading.Event().wait(0.001)
                inside[0] -= 1
            if n % 7 == 0 and lock.attempt():
                worst[0] = max(worst[0], inside[0] + 1)
                lock.__exit__()

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert (worst[0], done[0], lock.taken) == (1, 12 * 200, False)


def test_a_line_is_served_in_order() -> None:
    lock, order = WriterLock(), list[int]()
    lock.__enter__()
    threads = []
    for n in range(5):
        thread = threading.Thread(target=lambda n=n: _turn(lock, order, n))
        thread.start()
        threads.append(thread)
        while len(lock._line) <= n:
            threading.Event().wait(0.001)
    lock.__exit__()
    for thread in threads:
        thread.join(20)
    assert order == [0, 1, 2, 3, 4]


def _turn(lock: WriterLock, order: list[int], n: int) -> None:
    with lock:
        order.append(n)
