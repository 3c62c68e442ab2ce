# SPDX-License-Identifier: Apache-2.0
"""Counters of the program itself, read at `/metrics`. One registry, so that a test can hold its own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

REGISTRY = CollectorRegistry(auto_describe=True)
REQUESTS = Counter("virga_requests", "API requests answered", ["service", "action", "code"], registry=REGISTRY)
SECONDS = Histogram(
    "virga_request_seconds",
    "Time from the request line to the last byte of the answer",
    ["service"],
    registry=REGISTRY,
    buckets=(0.001, 0.005, 0.02, 0.05, 0.1, 0.5, 1, 5, 30),
)
SAGAS = Counter("virga_sagas", "Sagas ended", ["saga", "end"], registry=REGISTRY)
SAGA_STEPS = Counter("virga_saga_steps", "Saga steps taken", ["saga", "step", "way"], registry=REGISTRY)
LOOPS = Counter("virga_loop_rounds", "Rounds of the reconcile loops", ["loop", "end"], registry=REGISTRY)
KEEPER = Counter("virga_keeper_settled", "Rows settled by the keeper (each one is a bug)", ["noun"], registry=REGISTRY)
OBJECTS = Counter("virga_objects_housekeeping", "What the object store's loops did", ["loop"], registry=REGISTRY)
ROTTEN = Gauge("virga_objects_rotten", "Bodies found that are not what was written, since the start", registry=REGISTRY)
ENGINES = Gauge("virga_engine_up", "1 while the engine's process lives", ["engine"], registry=REGISTRY)


def page() -> bytes:
    """The registry in Prometheus' text format."""
    return generate_latest(REGISTRY)
