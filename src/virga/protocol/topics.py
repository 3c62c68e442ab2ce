# SPDX-License-Identifier: Apache-2.0
"""The topics, typed, and both ends of them. A node's messages travel on `rpc.<node>.<topic>`, control's to it on `node.<node>.<topic>`:
the bus lets a connection send and hear below its own name only, so whose message it is stands in the subject, never in the message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from virga.ground import typed
from virga.ground.bus import Bus, Connection
from virga.protocol import guests, machines, reports, transfers

Ask = TypeVar("Ask", bound=msgspec.Struct)
Answer = TypeVar("Answer", bound=msgspec.Struct)


class Topic(Generic[Ask, Answer]):
    """A question and its answer, by name."""

    def __init__(self, name: str, request: type[Ask], answer: type[Answer]) -> None:
        self.name = name
        self.ask = request
        self.answer = answer


HELLO = Topic("compute.hello", reports.Hello, reports.Welcome)
REPORT = Topic("compute.report", reports.Report, reports.Taken)
ASSIGNED = Topic("compute.assigned", machines.Empty, machines.Assigned)
ASSIGNMENT = Topic("compute.assignment", machines.AssignmentRequest, machines.Assignment)
METADATA = Topic("compute.metadata", guests.MetadataRequest, guests.MetadataAnswer)
METADATA_PORTS = Topic("compute.metadata_ports", machines.Empty, guests.MetadataPorts)
IMAGE = Topic("compute.image", transfers.ImageRequest, transfers.ImageReference)
CONSOLE = Topic("console", machines.ConsoleRequest, machines.ConsoleOutput)
WAKE = Topic("wake", machines.Wake, machines.Empty)
NETWORKS = Topic("network.changed", machines.Empty, machines.Empty)
"""To all nodes: something about networks changed. May be lost."""


class Link:
    """A node's end: what it says goes out under the name of its connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.node = connection.name

    def call(self, topic: Topic[Ask, Answer], request: Ask) -> Answer:
        """Ask control. Raises Unavailable when nobody answers, and what control refuses with."""
        answer = self.connection.call(f"rpc.{self.node}.{topic.name}", msgspec.to_builtins(request))
        return typed.convert(answer, topic.answer)

    def serve(self, topic: Topic[Ask, Answer], handler: Callable[[Ask], Answer]) -> Callable[[], None]:
        """Answer control's questions; gives how to stop that."""

        def answer(answer: dict[str, Any]) -> dict[str, Any]:
            given: dict[str, Any] = msgspec.to_builtins(handler(typed.convert(answer, topic.ask)))
            return given

        return self.connection.serve(f"node.{self.node}.{topic.name}", answer)

    def hear(self, topic: Topic[Ask, Answer], handler: Callable[[Ask], None]) -> Callable[[], None]:
        """Hear what control calls out to this node, or to all of them; gives how to stop that."""
        subject = f"all.{topic.name}" if topic is NETWORKS else f"node.{self.node}.{topic.name}"
        return self.connection.subscribe(subject, lambda answer: handler(typed.convert(answer, topic.ask)))


def serve(bus: Bus, topic: Topic[Ask, Answer], handler: Callable[[str, Ask], Answer]) -> Callable[[], None]:
    """Control's end: `handler(node, ask)` answers every node; gives how to stop that."""

    def answer(node: str, answer: dict[str, Any]) -> dict[str, Any]:
        given: dict[str, Any] = msgspec.to_builtins(handler(node, typed.convert(answer, topic.ask)))
        return given

    return bus.serve_each(f"rpc.*.{topic.name}", answer)


def call(bus: Bus, node: str, topic: Topic[Ask, Answer], request: Ask) -> Answer:
    """Ask a node. Raises Unavailable when it does not answer."""
    return typed.convert(bus.call(f"node.{node}.{topic.name}", msgspec.to_builtins(request)), topic.answer)


def tell(bus: Bus, node: str, topic: Topic[Ask, Answer], request: Ask) -> None:
    """Call out to a node; it may not hear it."""
    bus.publish(f"node.{node}.{topic.name}", msgspec.to_builtins(request))
