# SPDX-License-Identifier: Apache-2.0
"""What a Keystone had, brought in: its catalogue template, its database."""
