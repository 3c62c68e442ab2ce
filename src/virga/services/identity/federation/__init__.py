# SPDX-License-Identifier: Apache-2.0
"""Users whom somebody else knows: identity providers, rules that turn what they say into users, groups and projects here, and OpenID
Connect (OS-FEDERATION)."""
