# SPDX-License-Identifier: Apache-2.0
"""Objects' tables and queries."""
