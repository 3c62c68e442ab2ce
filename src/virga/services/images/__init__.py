# SPDX-License-Identifier: Apache-2.0
"""Images (Glance v2): disks to boot from, their bytes and what is known of them."""
