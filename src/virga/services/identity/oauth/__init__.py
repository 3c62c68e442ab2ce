# SPDX-License-Identifier: Apache-2.0
"""Authority handed to programs by OAuth: client credentials of OAuth 2 (OS-OAUTH2), and consumers of OAuth 1 (OS-OAUTH1)."""
