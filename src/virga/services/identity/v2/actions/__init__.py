# SPDX-License-Identifier: Apache-2.0
"""What a user of v2.0 can do, in v3's terms."""
