# SPDX-License-Identifier: Apache-2.0
"""A throw-away process for tenant bytes: imports first, then no files, no network, no privileges, little memory and time; the bytes
come as one read-only descriptor. `python -m virga.ground.sandbox VERB` is the inside, `confined` the outside."""

from __future__ import annotations

import ctypes
import json
import os
import re
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

SECONDS = 30
UNPACK_SECONDS = 3600
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
            argv,
            stdin=fd,
            capture_output=True,
            timeout=SECONDS + 15,
            check=False,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        )
    except subprocess.TimeoutExpired:
        raise SandboxFailed(f"no end after {SECONDS} s", overran=True) from None
    if done.returncode:
        overran = done.returncode < 0 or b"MemoryError" in done.stderr
        raise SandboxFailed(f"exit {done.returncode} {done.stderr.decode(errors='replace').strip()[-200:]}", overran)
    return done.stdout


def unpacked(fd: int, sink: Callable[[bytes], None], seconds: int = 3600) -> None:
    """What the compressed bytes behind `fd` (gzip, xz, bzip2, or a zip of one file) are without their compression, given to `sink` in
    pieces; what `sink` raises ends it. Raises SandboxFailed."""
    argv = [sys.executable, "-I", "-m", "virga.ground.sandbox", "unpack"]
    child = subprocess.Popen(
        argv, stdin=fd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    )
    clock = threading.Timer(seconds, child.kill)
    clock.start()
    try:
        assert child.stdout is not None
        while piece := child.stdout.read(1 << 20):
            sink(piece)
        _, stderr = child.communicate()
    finally:
        clock.cancel()
        child.kill()
        child.wait()
    if child.returncode:
        raise SandboxFailed(
            f"exit {child.returncode} {stderr.decode(errors='replace').strip()[-200:]}", overran=child.returncode < 0
        )


PERCENT = re.compile(rb"\(\s*([\d.]+)/100%\)")


def converted(
    fd: int, out: int, source: str, target: str, progress: Callable[[float], None], seconds: int = 3600
) -> None:
    """Write the disk behind `fd` in another format to `out`: QEMU's own tool among bubblewrap's walls, where there is nothing but
    programs, as nobody, without a network. `progress` hears the percentage and may raise. Raises SandboxFailed."""
    bwrap = shutil.which("bwrap")
    if bwrap is None or shutil.which("qemu-img") is None:
        raise SandboxFailed("bubblewrap or qemu-img is not installed", overran=False)
    walls = [
        bwrap,
        "--unshare-net",
        "--unshare-ipc",
        "--unshare-pid",
        "--unshare-uts",
        "--die-with-parent",
        "--new-session",
        "--ro-bind",
        "/usr",
        "/usr",
        "--symlink",
        "usr/lib",
        "/lib",
        "--symlink",
        "usr/lib64",
        "/lib64",
        "--symlink",
        "usr/bin",
        "/bin",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--clearenv",
        "--setenv",
        "PATH",
        "/usr/bin",
        "--setenv",
        "LC_ALL",
        "C",
        "--cap-drop",
        "ALL",
    ]
    nobody: list[str] = []
    if os.geteuid() == 0:
        os.fchown(out, NOBODY, NOBODY)
        os.fchmod(fd, 0o644)
        walls += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"]
        nobody = [
            "setpriv",
            "--reuid",
            str(NOBODY),
            "--regid",
            str(NOBODY),
            "--clear-groups",
            "--no-new-privs",
            "--bounding-set=-all",
            "--inh-caps=-all",
        ]
    else:
        walls += ["--unshare-user"]
    bounds = ["prlimit", f"--as={2 * MEMORY}", f"--cpu={seconds}", "--core=0", "--nofile=64", "--"]
    work = ["qemu-img", "convert", "-p", "-f", source, "-O", target, f"/proc/self/fd/{fd}", f"/proc/self/fd/{out}"]
    child = subprocess.Popen(
        [*walls, "--", *nobody, *bounds, *work],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=(fd, out),
    )
    clock = threading.Timer(seconds, child.kill)
    clock.start()
    try:
        assert child.stdout is not None
        while text := os.read(child.stdout.fileno(), 4096):
            found = PERCENT.findall(text)
            if found:
                progress(float(found[-1]))
        _, wrong = child.communicate()
    finally:
        clock.cancel()
        child.kill()
        child.wait()
    if child.returncode:
        raise SandboxFailed(
            f"exit {child.returncode} {wrong.decode(errors='replace').strip()[-200:]}", overran=child.returncode < 0
        )


def _confine(seconds: int = SECONDS) -> None:
    """Give up everything that looking at bytes does not need."""
    libc = ctypes.CDLL(None, use_errno=True)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
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
    head = tail = b""
    try:
        while piece := wrapper.read(1 << 20):
            head = head or piece[:512]  # the bytes may come through a pipe: there is no going back to them
            tail = piece[-512:] if len(piece) >= 512 else (tail + piece)[-512:]
        wrapper.close()
        found = wrapper.format
    except format_inspector.ImageFormatError as e:
        return {"format": "raw", "unsafe": f"the bytes are of several formats at once ({e})"}
    name = "raw" if found is None else str(found)
    if name == "raw" and tail[:8] == b"conectix" and int.from_bytes(tail[60:64], "big") == 2:
        # a fixed VHD is a raw disk with its description behind it, where the inspector does not look
        return {"format": "vhd", "virtual_size": int.from_bytes(tail[48:56], "big")}
    if found is None:
        return {"format": "raw"}
    unsafe = None
    try:
        if name not in {"raw", "gpt"}:
            found.safety_check()
    except format_inspector.SafetyCheckFailed as e:
        unsafe = "; ".join(str(v) for v in e.failures.values()) or str(e)
    except format_inspector.ImageFormatError as e:
        unsafe = f"its headers are not whole ({e})"
    try:
        virtual = int(found.virtual_size)
    except (format_inspector.ImageFormatError, ValueError, KeyError, IndexError, struct.error) as e:
        return {"format": name, "unsafe": f"its headers are not whole ({type(e).__name__})"}
    unsafe = unsafe or _stands_on_another(name, head)
    if virtual > 1 << 44:
        unsafe = f"it claims to be a disk of {virtual} bytes"
    return {"format": name, "virtual_size": virtual, "unsafe": unsafe}


def _stands_on_another(name: str, head: bytes) -> str | None:
    """Why a disk is only the difference to another one, in the formats where the inspector does not ask."""
    if name == "vhd" and int.from_bytes(head[60:64], "big") not in {2, 3}:
        return "it is a VHD of a kind that stands on another disk"
    if name == "vdi" and int.from_bytes(head[76:80], "little") not in {1, 2}:
        return "it is a VDI of a kind that stands on another disk"
    return None


def unpack() -> None:
    """The bytes on descriptor 0 without their compression, on descriptor 1."""
    import bz2
    import encodings.cp437
    import encodings.utf_8  # noqa: F401
    import gzip
    import lzma
    import zipfile

    _confine(UNPACK_SECONDS)
    whole = open(0, "rb", closefd=False)
    head = os.pread(0, 6, 0)
    source: Any
    if head[:2] == b"\x1f\x8b":
        source = gzip.GzipFile(fileobj=whole)
    elif head == b"\xfd7zXZ\0":
        source = lzma.LZMAFile(whole)
    elif head[:3] == b"BZh":
        source = bz2.BZ2File(whole)
    elif head[:4] == b"PK\3\4":
        parts = zipfile.ZipFile(whole)
        if len(parts.infolist()) != 1:
            raise SystemExit("a zip of an image holds one file")
        source = parts.open(parts.infolist()[0])
    else:
        raise SystemExit("the bytes are not compressed in a way that is known here")
    while piece := source.read(1 << 20):
        _all(piece)


def _all(piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(1, view) :]


def main(verb: str) -> None:
    if verb == "unpack":
        unpack()
    elif verb == "inspect":
        sys.stdout.write(json.dumps(inspect()))
    else:
        raise SystemExit(f"unknown verb {verb}")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main(sys.argv[1])
