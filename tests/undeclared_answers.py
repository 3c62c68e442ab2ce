# SPDX-License-Identifier: Apache-2.0
"""What does not declare its answers yet. This list only shrinks."""

from __future__ import annotations

SERVICES = frozenset({"identity", "images", "network"})
"""Services whose views still make dicts."""

UNSAMPLED = frozenset({"identity", "image", "network"})
"""Services whose operations have no golden samples."""
