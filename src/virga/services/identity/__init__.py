# SPDX-License-Identifier: Apache-2.0
"""Identity (Keystone v3): who there is, what they may be, tokens and the catalogue."""
