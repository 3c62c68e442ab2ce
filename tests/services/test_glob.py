# SPDX-License-Identifier: Apache-2.0
"""Patterns of users: what they fit, and that no pattern makes a text take long."""

from __future__ import annotations

import random
import re
import time

from virga.ground.glob import MOST, Paths


def as_expression(pattern: str) -> re.Pattern[str]:
    """What keystonemiddleware makes of a path of an access rule."""
    parts = re.split(r"(\*\*|\*|\{[^}/]*\})", pattern)
    answer = [
        re.escape(part) if n % 2 == 0 else ".*" if part == "**" else "[^/]+" for n, part in enumerate(parts) if part
    ]
    return re.compile("".join(answer), re.S)


def test_paths_fit_what_the_expression_fits() -> None:
    chance = random.Random(20261129)
    fits = 0
    for _ in range(20000):
        pattern = "".join(
            chance.choice(["a", "b", "/", "*", "**", "{x}", "{a/b}"]) for _ in range(chance.randint(0, 6))
        )
        text = "".join(chance.choice("aab/{}") for _ in range(chance.randint(0, 7)))
        wanted = as_expression(pattern).fullmatch(text) is not None
        fits += wanted
        assert Paths((pattern,)).cover(text) is wanted, (pattern, text)
    assert fits > 1000, "the texts are of both kinds"


def test_many_patterns_are_as_one() -> None:
    ways = Paths(("/v2.1/servers", "/v2.1/flavors/*", "/v3/**"))
    assert [ways.cover(p) for p in ("/v2.1/servers", "/v2.1/flavors/1", "/v3/a/b")] == [True, True, True]
    assert [ways.cover(p) for p in ("/v2.1/servers/v2.1/flavors/1", "/v2.1/flavors/", "/v2/x", "")] == [False] * 4
    assert not Paths(()).cover("") and not Paths(()).cover("/")


def test_h1_all_rules_of_a_credential_on_the_longest_path() -> None:
    """256 rules of 128 letters, made to be tried in as many ways as there are."""
    ways = Paths([("/" + "**x*y" * 25)[:127] + "z"] * 256)
    began = time.process_time()
    assert not ways.cover("/" + "xy" * (MOST // 2 - 1))
    assert time.process_time() - began < 2  # a tenth of it here; of a backtracking expression nobody saw the end
    assert not ways.cover("x" * (MOST + 1))
