# SPDX-License-Identifier: Apache-2.0
"""The command line: a module a subject, put together in `main.py`."""
