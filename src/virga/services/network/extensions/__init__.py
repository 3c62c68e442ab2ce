# SPDX-License-Identifier: Apache-2.0
"""The extensions of the Networking API, each a value; what is offered is made of them."""
