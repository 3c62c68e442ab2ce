# SPDX-License-Identifier: Apache-2.0
"""Compute (Nova v2.1): machines, the flavors they come in, the hosts they run on."""
