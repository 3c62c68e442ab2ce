# SPDX-License-Identifier: Apache-2.0
"""HTTP: route tables, the call, pages, faults, and the ASGI application that ties them to a socket."""
