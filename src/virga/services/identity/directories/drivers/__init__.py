# SPDX-License-Identifier: Apache-2.0
"""The directories that there are drivers for."""
