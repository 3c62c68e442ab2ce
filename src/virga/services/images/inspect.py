# SPDX-License-Identifier: Apache-2.0
"""Looks at tenant bytes in a throw-away process (`virga.ground.sandbox`) with a well-kept inspector, and says what they are."""

from __future__ import annotations

import os

import msgspec

from virga.ground import typed
from virga.ground.errors import Unavailable, UnsupportedMedia
from virga.ground.sandbox import SandboxFailed, confined
from virga.services.images import model
from virga.services.images.settings import Images


class Inspection(msgspec.Struct, frozen=True):
    """`unsafe` says why the bytes must not reach a hypervisor; None when they may."""

    format: str
    virtual_size: int | None = None
    unsafe: str | None = None


class Inspector:
    """`look(fd, size)` closes `fd`."""

    def look(self, fd: int, size: int) -> Inspection:
        """What format the bytes of a file are, and how large the disk in them; read in the sandbox.
        Raises UnsupportedMedia, Unavailable."""
        try:
            if size == 0:
                return Inspection("raw", 0)
            return typed.decode(confined("inspect", fd), Inspection)
        except SandboxFailed as e:
            if e.overran:
                raise UnsupportedMedia(
                    f"The image is refused: looking at it took more than the sandbox allows ({e})", field="body"
                ) from e
            raise Unavailable(f"The image could not be looked at: {e}") from e
        finally:
            os.close(fd)


def refuse(seen: Inspection, image: model.Image, settings: Images) -> None:
    """Raises UnsupportedMedia when the bytes are dangerous, or not what they are said to be."""
    if seen.unsafe:
        raise UnsupportedMedia(f"The image is refused: {seen.unsafe}", field="body")
    if (
        settings.require_format_match
        and image.container_format != "compressed"
        and not model.fits(image.disk_format, seen.format)
    ):
        raise UnsupportedMedia(
            f"The image was declared as {image.disk_format} and its bytes are {seen.format}", field="disk_format"
        )
