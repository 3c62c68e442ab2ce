# SPDX-License-Identifier: Apache-2.0
"""A throw-away process for tenant bytes: imports first, then no files, no network, no privileges, little memory and time; the bytes
come as one read-only descriptor. `python -m virga.ground.sandbox VERB` is the inside, `confined` the outside."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = 30
MEMORY = 1 << 30
NOBODY = 65534
CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWIPC = 0x20000, 0x40000000, 0x8000000
PR_SET_NO_NEW_PRIVS = 38


class SandboxFailed(Exception):
    """The process ended badly; `overran` when it met a limit."""

    def __init__(self, why: str, overran: bool) -> None:
        super().__init__(why)
        self.overran = overran


def confined(verb: str, fd: int) -> bytes:
    """Run `verb` on the bytes behind `fd` and return what it printed. Raises SandboxFailed."""
    argv = [sys.executable, "-I", "-m", "virga.ground.sandbox", verb]
    try:
        done = subprocess.run(
            argv, stdin=fd, capture_output=True, timeout=SECONDS + 15, check=False, env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        )
    except subprocess.TimeoutExpired:
        raise SandboxFailed(f"no end after {SECONDS} s", overran=True) from None
    if done.returncode:
        overran = done.returncode < 0 or b"MemoryError" in done.stderr
        raise SandboxFailed(f"exit {done.returncode} {done.stderr.decode(errors='replace').strip()[-200:]}", overran)
    return done.stdout


def _confine() -> None:
    """Give up everything that looking at bytes does not need."""
    libc = ctypes.CDLL(None, use_errno=True)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if os.geteuid() == 0:
        libc.unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC)
        empty = tempfile.mkdtemp(prefix="virga-sandbox-")
        os.chdir(empty)
        Path(empty).rmdir()  # the root of this process is a directory that no longer has a name
        os.chroot(".")
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def inspect() -> dict[str, object]:
    """The format of the bytes on descriptor 0, how large a disk they make, and what is unsafe about them."""
    from oslo_utils.imageutils import format_inspector

    _confine()
    wrapper = format_inspector.InspectWrapper(open(0, "rb", closefd=False))
    try:
        while wrapper.read(1 << 20):
            pass
        wrapper.close()
        found = wrapper.format
    except format_inspector.ImageFormatError as e:
        return {"format": "raw", "unsafe": f"the bytes are of several formats at once ({e})"}
    if found is None:
        return {"format": "raw"}
    name = str(found)
    unsafe = None
    try:
        if name not in {"raw", "gpt"}:
            found.safety_check()
    except format_inspector.SafetyCheckFailed as e:
        unsafe = "; ".join(str(v) for v in e.failures.values()) or str(e)
    virtual = int(found.virtual_size)
    if virtual > 1 << 44:
        unsafe = f"it claims to be a disk of {virtual} bytes"
    return {"format": name, "virtual_size": virtual, "unsafe": unsafe}


def main(verb: str) -> None:
    if verb != "inspect":
        raise SystemExit(f"unknown verb {verb}")
    sys.stdout.write(json.dumps(inspect()))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main(sys.argv[1])
