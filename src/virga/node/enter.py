# SPDX-License-Identifier: Apache-2.0
"""How an engine begins: writes down who it is, joins a network namespace, binds private directories over system ones in a mount
namespace of its own, and becomes the program. `python enter.py --record FILE --net NAME --bind SRC:DST … -- PROGRAM ARGS`; needs
nothing but the standard library, so that it starts fast. It is the child that writes the record, so that no engine ever runs
without one, whenever its parent dies."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWNET = 0x20000, 0x4000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18


def record(file: Path) -> None:
    """Our pid and start time, which stay the same through exec."""
    start = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    fresh = file.with_suffix(".new")
    fresh.write_text(f"{os.getpid()} {start}")
    fresh.rename(file)


def main(argv: list[str]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)

    def check(result: int, what: str) -> None:
        if result:
            raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")

    net, binds, hostname = "", [], ""
    while argv and argv[0] != "--":
        flag, value, argv = argv[0], argv[1], argv[2:]
        if flag == "--net":
            net = value
        elif flag == "--record":
            record(Path(value))
        elif flag == "--bind":
            binds.append(value.partition(":")[::2])
        elif flag == "--hostname":
            hostname = value
    if net:
        fd = os.open(f"/run/netns/{net}", os.O_RDONLY)
        check(libc.setns(fd, CLONE_NEWNET), f"setns {net}")
        os.close(fd)
    if binds:
        check(libc.unshare(CLONE_NEWNS | CLONE_NEWUTS), "unshare")
        check(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "make / private")
        for source, target in binds:
            if Path(source).is_dir():
                Path(target).mkdir(parents=True, exist_ok=True)
            check(libc.mount(source.encode(), target.encode(), None, MS_BIND, None), f"bind {source} on {target}")
        if hostname:
            check(libc.sethostname(hostname.encode(), len(hostname)), "sethostname")
    program = argv[1:]
    os.execvp(program[0], program)


if __name__ == "__main__":
    main(sys.argv[1:])
