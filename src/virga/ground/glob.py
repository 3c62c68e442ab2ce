# SPDX-License-Identifier: Apache-2.0
"""Patterns that a user wrote, tried on texts that a user sent. No regular expression: the work grows with the length of the text, and
nothing in a pattern makes it grow faster."""

from __future__ import annotations

import re
from collections.abc import Iterable

MOST = 8192
"""The longest path that is tried; no address of ours is as long, and what is longer fits nothing."""


def glob(pattern: str, text: str) -> bool:
    """`*` and `?`. What lies between two stars is looked for once, from where the last one ended: no way back, whatever the tenant wrote."""
    first, *rest = pattern.split("*")
    if not rest:
        return len(pattern) == len(text) and _at(first, text, 0)
    last = rest.pop()
    if len(first) + len(last) > len(text) or not _at(first, text, 0) or not _at(last, text, len(text) - len(last)):
        return False
    at, end = len(first), len(text) - len(last)
    for part in rest:
        at = _find(part, text, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


def _at(part: str, text: str, at: int) -> bool:
    if "?" not in part:
        return text.startswith(part, at)
    return len(part) <= len(text) - at and all(run in {"?", text[at + n]} for n, run in enumerate(part))


def _find(part: str, text: str, start: int, end: int) -> int:
    if "?" not in part:
        return text.find(part, start, end)
    # every beginning that still fits is a bit; one turn for each letter of the text, whatever the part is made of
    fits, any_ = dict[str, int](), 0
    for n, letter in enumerate(part):
        if letter == "?":
            any_ |= 1 << n
        else:
            fits[letter] = fits.get(letter, 0) | 1 << n
    fits = {letter: bits | any_ for letter, bits in fits.items()}
    alive, whole = 0, 1 << (len(part) - 1)
    for at in range(start, end):
        alive = (alive << 1 | 1) & fits.get(text[at], any_)
        if alive & whole:
            return at - len(part) + 1
    return -1


class Paths:
    """Patterns of paths: `**` is anything, `*` and `{name}` are one segment or a part of one that is not empty (keystonemiddleware,
    "access rules"). All are tried at once: each bit of a number is a place in one of the patterns where a text may have come to, and
    each letter of the text moves all bits one step."""

    __slots__ = ("_any", "_begin", "_end", "_letters", "_segment")

    def __init__(self, patterns: Iterable[str]) -> None:
        self._begin = self._end = self._any = self._segment = 0
        self._letters: dict[str, int] = {}
        at = 1
        for pattern in patterns:
            self._begin |= at
            before = ""
            for n, part in enumerate(re.split(r"(\*\*|\*|\{[^}/]*\})", pattern)):
                if n % 2 == 0:
                    for letter in part:
                        self._letters[letter] = self._letters.get(letter, 0) | at
                        at <<= 1
                elif part != "**":
                    self._segment |= at
                    at <<= 1
                elif before != "**":  # two of them are no more than one
                    self._any |= at
                    at <<= 1
                before = part or before
            self._end |= at
            at <<= 1

    def cover(self, text: str) -> bool:
        """Whether one of the patterns is the whole text."""
        if len(text) > MOST:
            return False
        letters, anything, segment = self._letters, self._any, self._segment
        live = self._begin
        live |= (live & anything) << 1
        for letter in text:
            stays = live & anything
            step = (live & letters.get(letter, 0)) << 1 | stays
            if letter != "/":
                inside = live & segment
                step |= inside | inside << 1
            live = step | (step & anything) << 1
            if not live:
                return False
        return live & self._end != 0
