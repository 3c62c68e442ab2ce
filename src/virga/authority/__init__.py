# SPDX-License-Identifier: Apache-2.0
"""Who may do what, and how much: rules and limits as values, used by every service in its actions."""
