# SPDX-License-Identifier: Apache-2.0
"""What docs/adding-a-noun.md says a noun costs is what one that is there cost."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/adding-a-noun.md").read_text()
NUMBERS = {"seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11}
NOUN = re.compile(r"endpoint_?groups?\b|EndpointGroup|ENDPOINT_GROUPS?\b")


def section(title: str) -> str:
    """The text below a heading or a line of the page, up to the next empty line behind a table or list."""
    return PAGE.split(title, 1)[1]


def test_the_page_lists_what_a_noun_touches() -> None:
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "src").rglob("*.sql"), *(ROOT / "docs").glob("*.txt")]
    touched = {str(path.relative_to(ROOT)) for path in files if NOUN.search(path.read_text())}
    listed = set(re.findall(r"^- `([^`]+)`$", section("## One that is there"), re.M))
    assert touched == listed, "the page is not true any more, or a noun has become dearer"


def test_the_page_counts_what_it_lists() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+?) \|", PAGE, re.M)
    answer = re.search(r"It costs (\w+) files written by hand", PAGE)
    assert answer is not None and [int(n) for n, _ in rows] == list(range(1, NUMBERS[answer[1]] + 1))
    listed = set(re.findall(r"^- `([^`]+)`$", section("## One that is there"), re.M))
    generated = set(re.findall(r"`([^`]+\.(?:sql|txt))`", section("Written by a command").split("Taken up")[0]))
    assert generated < listed
    by_hand = {Path(path).name for path in listed - generated}
    rooms = {Path(word).name for _, row in rows[:-1] for word in re.findall(r"`([\w/.<>*]+)`", row)}
    named = {"<noun>.py": "endpoint_groups.py", "NNNN_*.py": "0002_identity.py"}
    extra = {"json_home.py"}
    assert by_hand == {named.get(room, room) for room in rooms} | extra, "one file a row, and what only identity has"
    assert len(by_hand - extra) + 1 == NUMBERS[answer[1]], "the story is the last one"


def test_the_page_names_what_exists() -> None:
    paths = set(re.findall(r"`((?:src|tests|docs)/[\w./-]+\.(?:py|sql|txt))`", PAGE))
    links = set(re.findall(r"\]\(([\w-]+\.md)\)", PAGE))
    assert len(paths) > 10 and len(links) == 3
    for path in paths | {f"docs/{link}" for link in links}:
        assert (ROOT / path).exists(), path
    for target in re.findall(r"`make (\w+)`", PAGE):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M), target
