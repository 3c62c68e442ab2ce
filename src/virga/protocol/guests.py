# SPDX-License-Identifier: Apache-2.0
"""What a node asks on behalf of guests: the documents of 169.254.169.254, and on which networks it has to answer there."""

from __future__ import annotations

import msgspec


class MetadataRequest(msgspec.Struct, frozen=True):
    """A guest asked for `path`. `network` is where the node's socket listens, `ip` who asked."""

    network: str
    ip: str
    path: str


class MetadataAnswer(msgspec.Struct, frozen=True):
    """The answer; `body` travels as base64."""

    status: int
    type: str
    body: bytes = b""


class MetadataPort(msgspec.Struct, frozen=True):
    """Where to listen on one network; `cidrs` are the port's addresses with their prefix lengths."""

    network: str
    port: str
    mac: str
    mtu: int
    cidrs: list[str]


class MetadataPorts(msgspec.Struct, frozen=True):
    """The networks on which the node has guests."""

    ports: list[MetadataPort]
