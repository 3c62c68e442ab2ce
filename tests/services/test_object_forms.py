# SPDX-License-Identifier: Apache-2.0
"""Forms as a stream: whatever way the bytes are cut, the parts are the same, and what is no form ends with a sentence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virga.services.objects.forms import CHUNK, MAX_HEAD, Form, FormError, boundary_of, word

MARK = b"--edge"


def cut(raw: bytes, sizes: list[int]) -> AsyncIterator[bytes]:
    async def give() -> AsyncIterator[bytes]:
        at, n = 0, 0
        while at < len(raw):
            step = sizes[n % len(sizes)] if sizes else len(raw)
            yield raw[at : at + step]
            at, n = at + step, n + 1

    return give()


def read(raw: bytes, sizes: list[int]) -> tuple[list[tuple[str | None, bytes]], int]:
    """Name and bytes of each part; the most that was held at once."""

    async def go() -> tuple[list[tuple[str | None, bytes]], int]:
        form, out, held = Form(cut(raw, sizes), b"edge"), [], 0
        await form.start()
        while (head := await form.next()) is not None:
            got = b""
            async for chunk in form.data():
                got += chunk
                held = max(held, len(form._held))
            out.append((word(head.get("content-disposition", ""), "name"), got))
        return out, held

    return asyncio.run(go())


def form_of(parts: list[bytes]) -> bytes:
    head = b'Content-Disposition: form-data; name="p%d"\r\nContent-Type: text/plain\r\n\r\n'
    return b"".join(MARK + b"\r\n" + head % n + p + b"\r\n" for n, p in enumerate(parts)) + MARK + b"--\r\n"


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.sampled_from([b"\r\n--edg", b"\r\n--", b"--edge", b"\r\n\r\n", b"\r", b"x" * 200]),
        ),
        max_size=4,
    ),
    st.lists(st.integers(1, 70), max_size=5),
)
def test_any_cut_gives_the_same_parts(parts: list[bytes], sizes: list[int]) -> None:
    parts = [p for p in parts if b"\r\n--edge" not in p]
    assert read(form_of(parts), sizes)[0] == [(f"p{n}", p) for n, p in enumerate(parts)]


def test_memory_is_bounded() -> None:
    big = b"\r\n--edg" * 500_000
    parts, held = read(form_of([big, b"end"]), [CHUNK])
    assert parts == [("p0", big), ("p1", b"end")] and held <= 3 * CHUNK


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"nothing",
        MARK,
        MARK + b"\r\n",
        MARK + b"\r\nContent-Disposition: x",
        MARK + b"\r\nA: " + b"x" * (MAX_HEAD + 100),
        MARK + b"\r\nA: " + b"x" * (MAX_HEAD + 100) + b"\r\n\r\nbody\r\n" + MARK + b"--",
        MARK + b"\r\nA: b\r\n\r\nno end",
    ],
)
@pytest.mark.parametrize("sizes", [[1], [7], []])
def test_what_is_no_form_ends(raw: bytes, sizes: list[int]) -> None:
    with pytest.raises(FormError):
        read(raw, sizes)


def test_boundaries_and_words() -> None:
    assert boundary_of('multipart/form-data; boundary="ab"') == b"ab"
    assert boundary_of("Multipart/Form-Data; charset=utf-8; boundary=xyz") == b"xyz"
    for wrong in ("", "text/plain; boundary=x", "multipart/form-data", "multipart/form-data; boundary="):
        with pytest.raises(FormError):
            boundary_of(wrong)
    line = 'form-data; name="a\\"b"; filename=plain.txt'
    assert (word(line, "name"), word(line, "filename"), word(line, "x")) == ('a"b', "plain.txt", None)
    assert word('form-data; filename="name=evil"', "name") is None
