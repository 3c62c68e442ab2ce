# SPDX-License-Identifier: Apache-2.0
"""Hypervisors: libvirt with QEMU, and one that only pretends."""
