# SPDX-License-Identifier: Apache-2.0
"""Metadata definitions: what properties of images, flavors and volumes are called and may say. A catalogue for people and panels."""
