# SPDX-License-Identifier: Apache-2.0
"""One slice per service, the same modules in each; they meet only at each other's `api.py`."""
