# SPDX-License-Identifier: Apache-2.0
"""Fetches what a tenant names by URL, and nothing of ours: the host is resolved once, every address it has is checked, the
connection goes to an address that was checked, and each redirect is checked anew. A request only reads the URL (`Guard.read`, which
waits for nobody); whoever fetches looks at the addresses (`Guard.look`)."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from virga.ground.errors import Invalid, NotFound, Unavailable
from virga.services.images.names import NAMES, literal
from virga.services.images.settings import Images

CHUNK = 1 << 20
REDIRECTS = 5
SECONDS = 30
TRIES = 4
LONGEST = 253
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[str]]


def public(address: Address) -> bool:
    """Whether the address belongs to nobody here: not loopback, link-local, private, multicast, reserved, nor any of these in the
    clothes of IPv6 (mapped, 6to4, Teredo, NAT64)."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is None and address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return public(inner)
        if address.scope_id is not None or address in DISCARDED:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
DISCARDED = ipaddress.IPv6Network("::/96")


@dataclass(frozen=True)
class Target:
    """A URL that may be fetched, and the addresses that were looked at."""

    url: SplitResult
    host: str
    port: int
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Named:
    """A URL that may be looked at. `free`: the operator lets imports reach this host, whatever its addresses."""

    url: SplitResult
    host: str
    port: int
    free: bool


@dataclass
class Guard:
    """What imports may reach, by setting. `whose` names are looked up (a project's); `resolve` is the resolver where it is not the
    cloud's (tests bring their own)."""

    settings: Images
    whose: str = ""
    resolve: Resolve | None = None

    def read(self, url: str) -> Named:
        """What the URL says, without asking anybody. Raises Invalid, with the part of it that is in the way: addresses that are written
        out are judged here, names when they are looked up."""
        if any(ord(c) <= 32 or ord(c) == 127 for c in url) or "\\" in url:
            raise _refused(url, "it holds a character that has no place in a URL")
        try:
            parts = urlsplit(url)
            port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
        except ValueError as e:
            raise _refused(url, str(e)) from None
        if parts.scheme not in {"http", "https"}:
            raise _refused(url, "its scheme is not http or https")
        host = parts.hostname or ""
        if not host or parts.username is not None or parts.password is not None:
            raise _refused(url, "it names no host, or a user")
        if len(host) > LONGEST:
            raise _refused(url, f"its host has {len(host)} characters, a name has at most {LONGEST}")
        free = bool({host, f"{host}:{port}"} & set(self.settings.import_allow))
        if not free and str(port) not in self.settings.import_ports:
            raise _refused(url, f"port {port} is not one of {', '.join(self.settings.import_ports)}")
        if not free:
            address = literal(host)
            if address is not None:
                self._judge(url, address)
            elif host.rstrip(".").rpartition(".")[2].lower() == "localhost":  # RFC 6761, 6.3: no name of anybody else
                raise _refused(url, "its host is this machine, which is not a public address")
        return Named(parts, host, port, free)

    def look(self, url: str) -> Target:
        """The same, and the addresses of the host, each of which is one that may be reached. Waits for name servers, for as long as
        `names.SECONDS`: never to be called by a request. Raises Invalid, Unavailable."""
        named = self.read(url)
        if self.resolve is not None:
            addresses = self.resolve(named.host, named.port)
        else:
            addresses = NAMES.addresses(named.host, named.port, self.whose)
        if not named.free:
            for address in addresses:
                self._judge(url, address)
        if not addresses:
            raise _refused(url, "its host has no address")
        return Target(named.url, named.host, named.port, tuple(addresses))

    def _judge(self, url: str, address: str) -> None:
        if not self._may(address):
            raise _refused(url, f"its host is {address.partition('%')[0]}, which is not a public address")

    def _may(self, address: str) -> bool:
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        return public(ip) or any(ip in net for net in self._networks())

    def _networks(self) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        for each in self.settings.import_allow:
            if "/" in each:
                with contextlib.suppress(ValueError):
                    yield ipaddress.ip_network(each, strict=False)


def _refused(url: str, why: str) -> Invalid:
    return Invalid(f"URI for web-download does not pass filtering: {url[:200]}: {why}", field="uri")


class _Http(http.client.HTTPConnection):
    """A connection to an address that was checked, whatever the host's name says by now."""

    def __init__(self, target: Target, address: str) -> None:
        super().__init__(target.host, target.port, timeout=SECONDS)
        self._target, self._address = target, address

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self._target.port), SECONDS)
        if self._target.url.scheme == "https":
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self._target.host)


class Download:
    """One resource, read from `start` on; a connection that breaks is taken up where it stood if the server can do that."""

    def __init__(self, guard: Guard, url: str, start: int = 0, headers: dict[str, str] | None = None) -> None:
        self.guard, self.url, self.at = guard, url, start
        self.headers = headers or {}
        self.size: int | None = None
        self.resumable = self._begun = False
        self._tag: str | None = None
        self._answer: http.client.HTTPResponse | None = None
        self._conn: _Http | None = None

    def open(self) -> None:
        """Connect, follow redirects. Raises Invalid (refused), NotFound, Unavailable."""
        url = self.url
        for _ in range(REDIRECTS + 1):
            target = self.guard.look(url)
            answer = self._ask(target)
            if answer.status in {301, 302, 303, 307, 308}:
                where = answer.headers.get("location", "")
                self.close()
                url = urljoin(url, where)
                continue
            self._take(answer)
            return
        raise Invalid(f"The URI leads through more than {REDIRECTS} redirects", field="uri")

    def _ask(self, target: Target) -> http.client.HTTPResponse:
        self.close()
        headers = {"User-Agent": "virga-image", "Accept-Encoding": "identity", **self.headers}
        if self.at:
            headers["Range"] = f"bytes={self.at}-"
            if self._tag:
                headers["If-Range"] = self._tag
        path = (target.url.path or "/") + (f"?{target.url.query}" if target.url.query else "")
        problem: Exception | None = None
        for address in target.addresses[:4]:
            self._conn = _Http(target, address)
            try:
                self._conn.request("GET", path, headers=headers)
                return self._conn.getresponse()
            except (OSError, http.client.HTTPException) as e:
                problem = e
                self.close()
        raise Unavailable(f"{target.host} does not answer: {problem}")

    def _take(self, answer: http.client.HTTPResponse) -> None:
        length = answer.headers.get("content-length", "")
        if answer.status == 206 and self.at:
            total = answer.headers.get("content-range", "").rpartition("/")[2]
            first = answer.headers.get("content-range", "").removeprefix("bytes ").partition("-")[0]
            if first != str(self.at):
                raise Unavailable("The server gave another part than was asked for")
            self.size = int(total) if total.isdecimal() else self.size
        elif answer.status == 200:
            if self._begun:
                raise Invalid(
                    "What the URI names was changed while it was read, or cannot be read from the middle", field="uri"
                )
            self.at = 0
            self.size = int(length) if length.isdecimal() else None
        elif answer.status == 404:
            raise NotFound(f"{self.url[:200]} does not exist (404)")
        else:
            raise Unavailable(f"{self.url[:200]} answered {answer.status} {answer.reason[:80]}")
        tag = answer.headers.get("etag")
        self._tag = tag if tag and not tag.startswith("W/") else answer.headers.get("last-modified")
        self.resumable = answer.status == 206 or answer.headers.get("accept-ranges") == "bytes"
        self._answer = answer
        self._begun = self._begun or answer.status == 206

    def __iter__(self) -> Iterator[bytes]:
        """The bytes from where it stands. Raises Unavailable when the server stops before the end."""
        tries = 0
        while True:
            if self._answer is None:
                self.open()
            assert self._answer is not None
            try:
                data = self._answer.read(CHUNK)
            except (OSError, http.client.HTTPException) as e:
                data, why = b"", str(e) or type(e).__name__
            else:
                why = "the connection ended"
            if data:
                tries = 0
                self.at, self._begun = self.at + len(data), True
                yield data
                continue
            if self.size is None and why == "the connection ended":
                return
            if self.size is not None and self.at >= self.size:
                return
            self.close()
            tries += 1
            if tries >= TRIES or not self.resumable:
                raise Unavailable(
                    f"{self.url[:200]} broke off after {self.at} of {self.size or 'unknown many'} bytes: {why}"
                )

    def close(self) -> None:
        if self._conn is not None:
            self._conn.close()
        self._conn = self._answer = None
