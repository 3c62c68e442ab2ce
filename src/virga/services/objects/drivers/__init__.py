# SPDX-License-Identifier: Apache-2.0
"""Where bodies lie: files on local disks, memory, Ceph RADOS; and a seal over any of them."""
