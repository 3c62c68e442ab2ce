# SPDX-License-Identifier: Apache-2.0
"""What a caller can do with accounts, containers and objects, whatever the dialect."""
