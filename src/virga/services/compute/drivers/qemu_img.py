# SPDX-License-Identifier: Apache-2.0
"""The only place that runs qemu-img. What a disk is was decided before, by whoever looked at it in the sandbox, and is said here every
time: a format is never guessed from bytes that a guest may have written."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable

from virga.ground.world import CommandFailed, run
from virga.services.compute.driver import Cancelled

FORMATS = {
    "raw": "raw",
    "qcow2": "qcow2",
    "vmdk": "vmdk",
    "vdi": "vdi",
    "vhdx": "vhdx",
    "vhd": "vpc",
    "gpt": "raw",
    "iso": "raw",
}
"""QEMU's names of the formats that images may have; others are taken as raw bytes."""


def format_of(image_format: str) -> str:
    return FORMATS.get(image_format, "raw")


def virtual_size(file: str, format: str) -> int:
    """How large the disk in `file` is for its guest."""
    return int(json.loads(run(["qemu-img", "info", "--output=json", "-f", format, file]))["virtual-size"])


def overlay(fresh: str, base: str, base_format: str, size: int) -> None:
    """A new disk of `size` bytes that reads from `base` what was not written to it."""
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", base_format, fresh, str(size)])


def empty(fresh: str, size: int) -> None:
    """A new disk of `size` bytes that were never anybody's."""
    run(["qemu-img", "create", "-q", "-f", "qcow2", fresh, str(size)])


def convert(
    source: str, source_format: str, target: str, target_format: str, wanted: Callable[[], bool] = lambda: True
) -> None:
    """A whole, flat copy. Raises CommandFailed, and Cancelled when `wanted` said no."""
    argv = ["qemu-img", "convert", "-q", "-f", source_format, "-O", target_format, source, target]
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    pause = threading.Event()
    try:
        while child.poll() is None:
            if not wanted():
                raise Cancelled
            pause.wait(0.1)
    finally:
        if child.poll() is None:
            child.kill()
        _, stderr = child.communicate()
    if child.returncode:
        raise CommandFailed(
            f"{' '.join(argv)}: exit {child.returncode}: {stderr.decode(errors='replace').strip()[-600:]}"
        )
