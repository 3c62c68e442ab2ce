# SPDX-License-Identifier: Apache-2.0
"""HTTP as old clients speak it: addresses with bytes that should have been quoted, and bodies that nobody announced. The rest is the
server's own."""

from __future__ import annotations

import asyncio
import functools
import json
import re
from typing import Any

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from virga.ground.http import connections as bounds
from virga.ground.http.connections import AddressConnections, Connections
from virga.ground.http.turns import Parties, Party, Rounds

_ODD = re.compile(rb"[\x80-\xff]")
_VERBS = frozenset({b"GET", b"HEAD", b"PUT", b"POST", b"DELETE", b"COPY", b"OPTIONS", b"PATCH"})
_TOKEN = re.compile(rb"[A-Za-z_-]{1,64}")
NOBODYS = b"REPORT"
"""A verb that the parser knows and no service has: what a request with an invented one is taken for, so that it reads 405."""


MAX_HEAD = 65536
MAX_FIELDS = 512
WHOLE = 4096
"""What is parsed at once, heads and all; of more, pieces."""
PIECE, CHUNKED = 2048, 16384
AHEAD = 8
"""Requests that one connection may send before the first is answered; those behind them are not even parsed."""
_HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=:%\[\]-]*")


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1, with allowances for the request line's bytes, for its verb, and for what follows a request, and without
    patience: heads are small and soon there, bodies and answers move, Host is one. Bodies pass uncopied."""

    _between = True
    """Whether the next bytes begin a request."""
    _in_head = False
    _head = _chunk = _hosts = 0
    """The bytes of the head so far, in pieces and in the last one; its Hosts."""
    _fed = False
    """Whether the last piece held any of a body."""
    _odd = ""
    _left = 0
    """What is still to come of a body of known length."""
    _rest = b""
    """Bytes that wait unparsed until requests before them are answered."""
    _due = 0.0
    """When the peer must have gone on; 0: it is not its turn."""
    _still: tuple[int, float] | None = None
    """What was left of the answer to send, and since when."""
    place: AddressConnections | None = None
    peer = ""
    trusted = False

    party: Party | None = None
    """Whose the last request was."""

    def __init__(self, connections: Connections, parties: Parties, rounds: Rounds, **facts: Any) -> None:
        super().__init__(**facts)
        self.front, self.parties, self.rounds = connections, parties, rounds

    # -- the connection --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.peer = self.client[0] if self.client else ""
        self.place = self.front.come(self, self.peer)
        if self.place is None:
            self.transport.write(
                plain_answer(
                    503, "This address has too many connections with requests under way.", b"retry-after: 1\r\n"
                )
            )
            self.transport.close()
            return
        self.trusted = self.front.trusts(self.peer)
        self._due = self.loop.time() + bounds.HEAD_SECONDS

    def _park(self, party: Party) -> None:
        """Read nothing more from this connection before fewer requests of the party wait."""
        self._unset_keepalive_if_required()
        self.flow.pause_reading()
        party.park(self)

    def unpark(self) -> None:
        """Read on."""
        if not self.transport.is_closing():
            self.flow.resume_reading()
            self._due = self._due and self.loop.time() + bounds.HEAD_SECONDS

    def connection_lost(self, exc: Exception | None) -> None:
        self.front.go(self, self.peer)
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def late(self, now: float) -> bool:
        """Whether the peer owes a head or a body for too long, or does not take what it is sent."""
        if self._due and now > self._due:
            if not self.flow.read_paused:
                return True
            self._due = now + bounds.HEAD_SECONDS  # it is we who do not read
        closing = self.transport.is_closing()
        if not closing and not self.flow.write_paused:
            self._still = None
            return False
        left = self.transport.get_write_buffer_size()
        if self._still is None or self._still[0] != left:
            self._still = (left, now)
        return now - self._still[1] > (bounds.LINGER_SECONDS if closing else bounds.ANSWER_SECONDS)

    def give_up(self) -> None:
        """End a connection that stands still; a peer that still owes something is told so (RFC 9110, 15.5.9)."""
        cycle: Any = self.cycle
        if self.transport.is_closing() or self.flow.write_paused:
            self.transport.abort()
            return
        self._due = 0.0
        if cycle is None or cycle.response_complete or not cycle.response_started:
            what = "head" if self._in_head or cycle is None or cycle.response_complete else "body"
            self.transport.write(plain_answer(408, f"The {what} of the request did not arrive in time."))
        self.transport.close()
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()

    def give_way(self) -> None:
        """End a connection on which nothing is under way, in favour of a newer one."""
        self.transport.close()

    # -- bytes -----------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Parse what came. Much of it is taken in pieces, which end where too many requests wait already: thousands of them fit into
        what a socket gives at once."""
        if self._rest:
            self._rest += data
            self.flow.pause_reading()
        elif len(data) <= WHOLE or self._left >= len(data):
            self._take(data)
        else:
            self._rest = data
            self._feed()

    def _feed(self) -> None:
        """Parse what waits, as far as there is room."""
        data, self._rest = self._rest, b""
        at = 0
        while at < len(data) and self.parser is not None and not self.transport.is_closing():
            if len(self.pipeline) >= AHEAD:
                self._rest = data[at:]
                self.flow.pause_reading()
                return
            size = self._left or (PIECE if self._between or self._in_head else CHUNKED)
            self._take(data[at : at + size] if at or size < len(data) else data)
            at += size

    def _take(self, data: bytes) -> None:
        """UTF-8 in a request line is quoted here, as if the client had done it; a verb that nobody has becomes one that no service has."""
        if self._between:
            end = data.find(b"\r\n")
            line = data[: max(end, 0)]
            verb = line[: line.find(b" ")]
            if line and (verb not in _VERBS or not line.isascii()):
                data = plain(line, verb) + data[end:]
        self._chunk, self._fed = len(data), False
        super().data_received(data)
        cycle: Any = self.cycle
        if cycle is None or cycle.response_complete:
            # no request is under way after these bytes: they belong to a head, or to a body that nobody wants
            self._due = self._due or self.loop.time() + bounds.HEAD_SECONDS
            if self._in_head:
                self._long(len(data))
        elif cycle.more_body and not self._in_head:
            self._due = self.loop.time() + bounds.BODY_SECONDS
            if not self._fed:  # a chunk's extension, or trailers
                self._long(len(data))

    def _long(self, more: int) -> None:
        """Count bytes of a head that has not ended; past the bound the connection ends with 431 (RFC 6585)."""
        self._head += more
        if self._head > MAX_HEAD and not self.transport.is_closing():
            self.transport.write(plain_answer(431, f"The head of the request is longer than {MAX_HEAD} bytes."))
            self.transport.close()

    def on_message_begin(self) -> None:
        self._between, self._in_head = False, True
        self._head = self._hosts = 0
        self._odd, self._left = "", 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # a trailer: nothing here reads them
        super().on_header(name, value)
        if len(name) == 14 and name.lower() == b"content-length" and value.isdigit():
            self._left = int(value)
        if len(name) == 4 and name.lower() == b"host":
            self._hosts += 1
            if _HOST.fullmatch(value) is None:
                self._odd = "The value of Host is none that a host can have."

    def on_headers_complete(self) -> None:
        """A head that RFC 9112 wants refused, or that is too long, goes to an application that only says so."""
        self._in_head, self._due = False, 0.0
        if self.place is not None:
            self.place.fresh.pop(self, None)
            self.place.idle.pop(self, None)
        refused = self._refused()
        if refused is not None:
            self.app = functools.partial(_refuse, *refused)
        elif self.trusted:
            client, scheme = self.front.whence(self.peer, self.scheme or "http", self.headers)
            self.scope["client"], self.scope["scheme"] = (client, self.client[1] if self.client else 0), scheme
        scope: Any = self.scope
        self.party = scope["party"] = self.parties.of(scope)
        if refused is None and self.rounds.full(self.party):
            refused = 429, f"{self.rounds.waiting} requests of {self.party.name} wait already; send fewer at a time."
            self.app = functools.partial(_refuse, *refused)
        try:
            super().on_headers_complete()
        finally:
            if refused is not None:
                self.app = self.config.loaded_app

    def _refused(self) -> tuple[int, str] | None:
        """The code and the reason of a head that is refused (RFC 9112, 3.2; RFC 6585, 5)."""
        if self._hosts != 1 and (self._hosts > 1 or self.parser.get_http_version() == "1.1"):
            return 400, f"A request names exactly one Host, this one {'none' if not self._hosts else str(self._hosts)}."
        if self._odd:
            return 400, self._odd
        if len(self.headers) > MAX_FIELDS:
            return 431, f"The request has {len(self.headers)} header fields, at most {MAX_FIELDS} are taken."
        if (
            self._head + self._chunk > MAX_HEAD
            and len(self.url) + sum(len(k) + len(v) for k, v in self.headers) > MAX_HEAD
        ):
            return 431, f"The head of the request is longer than {MAX_HEAD} bytes."
        return None

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """Its steps are taken in turns with those of others."""
        task = self.loop.create_task(self.rounds.run(cycle.scope["party"], cycle.run_asgi(app)))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def on_response_complete(self) -> None:
        if self.place is not None and not self.pipeline and not self.transport.is_closing():
            self.place.idle[self] = None
        if self._in_head:  # the beginning of the next request came during this one
            self._due = self.loop.time() + bounds.HEAD_SECONDS
        super().on_response_complete()
        if self._rest:
            self.flow.pause_reading()
            if len(self.pipeline) < AHEAD:
                self.loop.call_soon(self._feed)
            return
        party = self.party
        if party is not None and party.room <= 0 and not self.pipeline and not self.transport.is_closing():
            self._park(party)

    def on_body(self, body: bytes) -> None:
        """What comes when all before was read is handed on as it is: two copies less of every byte of an upload."""
        cycle: Any = self.cycle
        self._fed, self._head = True, 0
        self._left = max(0, self._left - len(body))
        if cycle.body or cycle.response_complete:
            super().on_body(body)
            return
        cycle.body = body
        if len(body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        self._between, self._due = True, 0.0
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


def plain_answer(code: int, text: str, more: bytes = b"") -> bytes:
    """An answer to what never became a request; it ends the connection."""
    body = json.dumps({"error": {"code": code, "title": _TITLES[code], "message": text}}).encode()
    return (
        b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n%s\r\n"
        % (code, _TITLES[code].encode(), len(body), more)
    ) + body


_TITLES = {
    400: "Bad Request",
    408: "Request Timeout",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


async def _refuse(code: int, text: str, scope: Any, receive: Any, send: Any) -> None:
    """The application of a request that is none: says why, and ends the connection."""
    body = json.dumps({"error": {"code": code, "title": _TITLES[code], "message": text}}).encode()
    head = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        *([(b"retry-after", b"1")] if code == 429 else ()),
    ]
    await send({"type": "http.response.start", "status": code, "headers": head})
    await send({"type": "http.response.body", "body": body})
