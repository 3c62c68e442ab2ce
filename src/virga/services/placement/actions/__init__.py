# SPDX-License-Identifier: Apache-2.0
"""What a caller can do with placement: one function, one transaction."""
