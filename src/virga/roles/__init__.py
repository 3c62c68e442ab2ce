# SPDX-License-Identifier: Apache-2.0
"""What a process is to its cloud: roles pick from the services' parts, and say what of them runs."""
