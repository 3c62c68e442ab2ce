# SPDX-License-Identifier: Apache-2.0
"""The lowest layer: knows HTTP, SQL and time; has never heard of a server or a volume."""
