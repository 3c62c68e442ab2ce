# SPDX-License-Identifier: Apache-2.0
"""Reconcilers: functions without input that read the world, compare, act and report."""
