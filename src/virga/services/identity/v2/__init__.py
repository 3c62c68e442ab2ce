# SPDX-License-Identifier: Apache-2.0
"""Identity API v2.0, for the clients of its time. Every row translates to v3 and lets v3's actions decide and write, so that there is
one truth and one policy. v2.0 knows nothing of domains: it sees the default one."""
