# SPDX-License-Identifier: Apache-2.0
"""What stores at the other end of a network share: a descriptor on bytes that come over a wire, and reading that is taken up where it
broke off."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

CHUNK = 1 << 20
TRIES = 4


MARK = ".virga"
"""The empty object that says whose a container or a bucket is."""


def foreign(place: str, cloud: str) -> OSError:
    return OSError(
        errno.EACCES,
        f"{place} belongs to another cloud ({cloud}): images of two clouds in one place would sweep each other; give this one its own",
    )


class Pipe:
    """The read end of a pipe that `chunks` flow into, for a process that looks at them. Who closes it early just ends the flow; when
    the source fails, `settle` says so: what was looked at was not all."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.read_end, self._end = os.pipe()
        self._chunks = chunks
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._flow, name="pipe", daemon=True)
        self._thread.start()

    def _flow(self) -> None:
        try:
            for chunk in self._chunks:
                view = memoryview(chunk)
                while view:
                    view = view[os.write(self._end, view) :]
        except BrokenPipeError:
            pass
        except BaseException as e:
            self._problem = e
        finally:
            os.close(self._end)
            close = getattr(self._chunks, "close", None)
            if close is not None:
                close()

    def settle(self) -> None:
        """The reader has closed its end. Raises OSError when it did not get what there is."""
        self._thread.join()
        if self._problem is not None:
            raise OSError(
                errno.EIO, f"The bytes could not be read back to be looked at: {self._problem}"
            ) from self._problem


@dataclass
class Opened:
    """A reading under way: `read(n)` gives up to n bytes, nothing at the end; `end` is where the bytes asked for end, if that is known."""

    read: Callable[[int], bytes]
    close: Callable[[], None]
    end: int | None


def resumed(open: Callable[[int], Opened], start: int) -> Iterator[bytes]:
    """The bytes from `start` on. `open(at)` begins to read there; a reading that breaks off is opened again where it stood, at most TRIES
    times without a byte in between. Raises what the last try raised, FileNotFoundError at once."""
    at, tries = start, 0
    while True:
        opened: Opened | None = None
        try:
            opened = open(at)
            while opened.end is None or at < opened.end:
                data = opened.read(CHUNK if opened.end is None else min(CHUNK, opened.end - at))
                if not data:
                    break
                at, tries = at + len(data), 0
                yield data
            if opened.end is None or at >= opened.end:
                return
            raise OSError(errno.EIO, f"the store ended after {at} of {opened.end} bytes")
        except FileNotFoundError:
            raise
        except OSError:
            tries += 1
            if tries >= TRIES:
                raise
            threading.Event().wait(0.2 * tries)
        finally:
            if opened is not None:
                with contextlib.suppress(OSError):
                    opened.close()
