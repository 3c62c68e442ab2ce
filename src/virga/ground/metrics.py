# SPDX-License-Identifier: Apache-2.0
"""Counters of the program itself, read at `/metrics`. One registry, so that a test can hold its own."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

BUCKETS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0)


class Count:
    """One line of a counter."""

    __slots__ = ("_lock", "value")

    def __init__(self) -> None:
        self._lock, self.value = threading.Lock(), 0.0

    def inc(self) -> None:
        """One more."""
        with self._lock:
            self.value += 1


class LatencyHistogram:
    """One line of a histogram: how many fell into each bucket, the last beyond all, and their sum."""

    __slots__ = ("_lock", "fell", "sum")

    def __init__(self) -> None:
        self._lock, self.fell, self.sum = threading.Lock(), [0] * (len(BUCKETS) + 1), 0.0

    def observe(self, seconds: float) -> None:
        """One that took so long; a bucket holds its own bound."""
        at = bisect_left(BUCKETS, seconds)
        with self._lock:
            self.fell[at] += 1
            self.sum += seconds


class Requests:
    """Counts every answered request. prometheus_client's own counter makes and checks its labels anew each time: with a histogram that
    took 13 of a token check's 190 microseconds. Here the line is found by one look into a dict."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.lines: dict[tuple[str, str, str], Count] = {}
        registry.register(self)

    def labels(self, service: str, action: str, code: str) -> Count:
        """The line of an action's answers with that code."""
        key = (service, action, code)
        return self.lines.get(key) or self.lines.setdefault(key, Count())

    def collect(self) -> Iterator[CounterMetricFamily]:
        """As prometheus_client reads it."""
        family = CounterMetricFamily("virga_requests", "API requests answered", labels=["service", "action", "code"])
        for key, line in list(self.lines.items()):
            family.add_metric(list(key), line.value)
        yield family


class Seconds:
    """How long requests took, by service; for the same reason as `Requests`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.lines: dict[str, LatencyHistogram] = {}
        registry.register(self)

    def labels(self, service: str) -> LatencyHistogram:
        """The line of a service."""
        return self.lines.get(service) or self.lines.setdefault(service, LatencyHistogram())

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """As prometheus_client reads it: each bucket holds those before it too."""
        about = "Time from the request line to the last byte of the answer"
        family = HistogramMetricFamily("virga_request_seconds", about, labels=["service"])
        bounds = [*map(str, BUCKETS), "+Inf"]
        for service, line in list(self.lines.items()):
            family.add_metric([service], list(zip(bounds, accumulate(line.fell), strict=True)), line.sum)
        yield family


REGISTRY = CollectorRegistry(auto_describe=True)
REQUESTS, SECONDS = Requests(REGISTRY), Seconds(REGISTRY)
SAGAS = Counter("virga_sagas", "Sagas ended", ["saga", "end"], registry=REGISTRY)
SAGAS_LATE = Counter(
    "virga_sagas_late", "Limits passed by sagas that go on all the same", ["saga", "step"], registry=REGISTRY
)
SAGA_STEPS = Counter("virga_saga_steps", "Saga steps taken", ["saga", "step", "way"], registry=REGISTRY)
LOOPS = Counter("virga_loop_rounds", "Rounds of the reconcile loops", ["loop", "end"], registry=REGISTRY)
KEEPER = Counter("virga_keeper_settled", "Rows settled by the keeper (each one is a bug)", ["noun"], registry=REGISTRY)
OBJECTS = Counter("virga_objects_housekeeping", "What the object store's loops did", ["loop"], registry=REGISTRY)
ROTTEN = Gauge("virga_objects_rotten", "Bodies found that are not what was written, since the start", registry=REGISTRY)
ENGINES = Gauge("virga_engine_up", "1 while the engine's process lives", ["engine"], registry=REGISTRY)


def page() -> bytes:
    """The registry in Prometheus' text format."""
    return generate_latest(REGISTRY)
