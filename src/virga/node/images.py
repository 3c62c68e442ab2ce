# SPDX-License-Identifier: Apache-2.0
"""Images as a node gets at them: it asks control for a reference, and takes that to the data API."""

from __future__ import annotations

from pathlib import Path

from virga.protocol.topics import IMAGE, Link
from virga.protocol.transfers import DataApi, ImageRequest


class Images:
    """For the hypervisor's driver, which makes disks of them."""

    def __init__(self, link: Link, data_api: DataApi) -> None:
        self.link = link
        self.data_api = data_api

    def file(self, image: str) -> Path | None:
        """The image's bytes, as a file on this machine that is only read; None when the image is gone, or no machine here is made of it.
        Raises OSError."""
        answer = self.link.call(IMAGE, ImageRequest(image))
        return self.data_api.fetch(answer.reference) if answer.reference else None

    def urls(self, image: str) -> list[str]:
        """How the stores that have the image call its bytes."""
        return self.link.call(IMAGE, ImageRequest(image)).urls
