# SPDX-License-Identifier: Apache-2.0
"""HTTP as old clients speak it: addresses with bytes that should have been quoted, and bodies that nobody announced. The rest is the
server's own."""

from __future__ import annotations

import re
from typing import Any

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_ODD = re.compile(rb"[\x80-\xff]")
_VERBS = frozenset({b"GET", b"HEAD", b"PUT", b"POST", b"DELETE", b"COPY", b"OPTIONS", b"PATCH"})
_TOKEN = re.compile(rb"[A-Za-z_-]{1,64}")
NOBODYS = b"REPORT"
"""A verb that the parser knows and no service has: what a request with an invented one is taken for, so that it reads 405."""


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1, with allowances for the request line's bytes, for its verb, and for what follows a request; bodies pass uncopied."""

    _between = True
    """Whether the next bytes begin a request."""

    def data_received(self, data: bytes) -> None:
        """UTF-8 in a request line is quoted here, as if the client had done it; a verb that nobody has becomes one that no service has."""
        if self._between:
            end = data.find(b"\r\n")
            line = data[: max(end, 0)]
            verb = line[: line.find(b" ")]
            if line and (verb not in _VERBS or not line.isascii()):
                data = plain(line, verb) + data[end:]
        super().data_received(data)

    def on_message_begin(self) -> None:
        self._between = False
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        """What comes when all before was read is handed on as it is: two copies less of every byte of an upload."""
        cycle: Any = self.cycle
        if cycle.body or cycle.response_complete:
            super().on_body(body)
            return
        cycle.body = body
        if len(body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        self._between = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What follows a whole request and is no HTTP (a body without a length) must not spoil the answer that is on its way: it is
        given, and the connection ends. A body that is not what it was said to be gets a moment, too."""
        cycle: Any = self.cycle
        if cycle is None or cycle.response_complete or (cycle.more_body and cycle.response_started):
            super().send_400_response(msg)
            return
        cycle.keep_alive = False
        if cycle.more_body:
            self.loop.call_later(1.0, self._give_up, cycle, msg)

    def _give_up(self, cycle: Any, msg: str) -> None:
        """Nobody answered: whoever still waits for the body is told that the client is gone."""
        if self.transport.is_closing():
            return
        if cycle.response_started:
            self.transport.close()
        else:
            super().send_400_response(msg)


def plain(line: bytes, verb: bytes) -> bytes:
    """The request line as the parser takes it."""
    if verb not in _VERBS and _TOKEN.fullmatch(verb):
        line = NOBODYS + line[len(verb) :]
    return _ODD.sub(lambda m: b"%%%02X" % m.group()[0], line)
