# SPDX-License-Identifier: Apache-2.0
"""SQL: engine and transactions, rows as frozen types, migrations. SQLite and PostgreSQL from one code."""
