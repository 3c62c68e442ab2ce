# SPDX-License-Identifier: Apache-2.0
"""The helper on each machine: takes assignments, runs drivers, reports what it sees. It holds no database credentials."""
