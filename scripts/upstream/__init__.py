# SPDX-License-Identifier: Apache-2.0
"""OpenStack's own services as they come from PyPI, to be measured beside ours."""
