# SPDX-License-Identifier: Apache-2.0
"""Placement: what there is of each resource, where, and who uses it. The truth that the scheduler claims from."""
