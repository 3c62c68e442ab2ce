# SPDX-License-Identifier: Apache-2.0
"""Swift's dialect: object storage API v1 and the features that its middlewares brought."""
