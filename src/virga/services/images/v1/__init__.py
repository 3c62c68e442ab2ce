# SPDX-License-Identifier: Apache-2.0
"""The Image API of 2013 (v1): an image's description travels in headers. The same images, rules and quotas as in v2."""
