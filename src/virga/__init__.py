# SPDX-License-Identifier: Apache-2.0
"""Virga: OpenStack's APIs as one program that starts in two seconds, never gets stuck and always says why."""

__version__ = "0.1.0"
