# SPDX-License-Identifier: Apache-2.0
"""Where image bytes lie: files, or memory."""
