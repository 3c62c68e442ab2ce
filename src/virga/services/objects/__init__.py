# SPDX-License-Identifier: Apache-2.0
"""Objects: accounts, containers and objects over two dialects, Swift's API v1 and S3, on the same rows and bodies."""
