# SPDX-License-Identifier: Apache-2.0
"""What administrators and federated users can do."""
