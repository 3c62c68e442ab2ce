# SPDX-License-Identifier: Apache-2.0
"""Names of hosts that tenants choose become addresses here and nowhere else in this service. A name server that does not answer
holds whoever asks it for half a minute, and who names it chooses how long: so names are looked up by threads of their own, few for
each project, and who asks waits for a time that is ours. Requests do not ask at all (`fetch.Guard.read`)."""

from __future__ import annotations

import collections
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from virga.ground.errors import Invalid, Unavailable

MOST, EACH, SECONDS = 64, 4, 10.0
Lookup = Callable[[str, int], list[str]]


def system(host: str, port: int) -> list[str]:
    """The addresses of `host`, as the system knows them. Raises OSError, UnicodeError."""
    return list(dict.fromkeys(str(i[4][0]) for i in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))


def literal(host: str) -> str | None:
    """The address that `host` is a spelling of (`127.1`, `0x7f000001`, full-width digits: whatever a connection would understand), or
    None for a name. Nobody is asked."""
    try:
        found = socket.getaddrinfo(host.removesuffix("."), None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return None
    return str(found[0][4][0])


class Names:
    """Looks names up: `most` at once, `each` of them for one asker, and nobody waits longer than `seconds`. A look-up that hangs keeps
    its place until it ends, so that an asker's hanging names are in the way of that asker alone."""

    def __init__(
        self, lookup: Lookup | None = None, most: int = MOST, each: int = EACH, seconds: float = SECONDS
    ) -> None:
        self.lookup, self.most, self.each, self.seconds = lookup, most, each, seconds
        self._free = threading.Condition()
        self._busy: collections.Counter[str] = collections.Counter()

    def addresses(self, host: str, port: int, whose: str) -> list[str]:
        """The addresses of `host` for `whose` (a project). Raises Invalid when it has none, Unavailable when that is not known in time."""
        end = time.monotonic() + self.seconds
        with self._free:
            if not self._free.wait_for(
                lambda: self._busy.total() < self.most and self._busy[whose] < self.each, self.seconds
            ):
                raise Unavailable(
                    f"The host {host[:80]} of the URI was not looked up within {self.seconds:.0f} s: "
                    f"{self._busy[whose]} other names of the same project have not been answered yet"
                )
            self._busy[whose] += 1
        answer: Future[list[str]] = Future()
        threading.Thread(target=self._ask, args=(host, port, whose, answer), name="names", daemon=True).start()
        try:
            return answer.result(max(0.0, end - time.monotonic()))
        except TimeoutError:
            raise Unavailable(
                f"The host {host[:80]} of the URI was not looked up within {self.seconds:.0f} s: its name server does not answer"
            ) from None
        except (OSError, UnicodeError) as e:
            raise Invalid(f"The host {host[:80]} of the URI has no address: {e}", field="uri") from None

    def _ask(self, host: str, port: int, whose: str, answer: Future[list[str]]) -> None:
        try:
            answer.set_result((self.lookup or system)(host, port))
        except BaseException as e:
            answer.set_exception(e)
        finally:
            with self._free:
                self._busy[whose] -= 1
                if not self._busy[whose]:
                    del self._busy[whose]
                self._free.notify_all()


NAMES = Names()
"""The one of this process."""
