# SPDX-License-Identifier: Apache-2.0
"""Long operations as durable steps: declared in a service, carried by the runner, hurt by the injector."""

from virga.ground.sagas.children import ChildFailed
from virga.ground.sagas.saga import Again, Context, Saga, Step, start, wake

__all__ = ["Again", "ChildFailed", "Context", "Saga", "Step", "start", "wake"]
