# SPDX-License-Identifier: Apache-2.0
"""Switch engines: OVN, and one that only remembers."""
