# SPDX-License-Identifier: Apache-2.0
"""Our own counters print what prometheus_client's print; times print as datetime prints them."""

from __future__ import annotations

import datetime as dt
import random

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from virga.ground import metrics
from virga.ground.world import iso_micro


def test_requests_are_printed_as_prometheus_prints_its_own() -> None:
    ours, theirs = CollectorRegistry(auto_describe=True), CollectorRegistry(auto_describe=True)
    requests, seconds = metrics.Requests(ours), metrics.Seconds(ours)
    about = "Time from the request line to the last byte of the answer"
    counter = Counter("virga_requests", "API requests answered", ["service", "action", "code"], registry=theirs)
    histogram = Histogram("virga_request_seconds", about, ["service"], registry=theirs, buckets=metrics.BUCKETS)
    for service, action, code, took in (
        ("identity", "show", "200", 0.0004),
        ("identity", "show", "200", 0.001),
        ("identity", "show", "404", 0.3),
        ("compute", 'a"b\\c', "500", 31.0),
    ):
        requests.labels(service, action, code).inc()
        seconds.labels(service).observe(took)
        counter.labels(service, action, code).inc()
        histogram.labels(service).observe(took)

    def lines(registry: CollectorRegistry) -> list[str]:
        text = generate_latest(registry).decode().splitlines()
        return sorted(line for line in text if "_created" not in line)  # when a line began: nobody asks us for that

    assert lines(ours) == lines(theirs)


def test_times_round_as_datetime_does() -> None:
    chance = random.Random(7)
    some = [0.0, 1.0, 1e9 + 0.9999995, 1e9 + 0.9999996, 1764404999.9999999, 1.5e-6, 2.5e-6, -0.25, -1.0000004]
    some += [chance.uniform(0, 4e9) for _ in range(2000)]
    for seconds in some:
        assert iso_micro(seconds) == dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
