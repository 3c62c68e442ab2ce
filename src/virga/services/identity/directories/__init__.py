# SPDX-License-Identifier: Apache-2.0
"""Domains whose users and groups live in an LDAP directory. The directory is the truth, our rows are its shadow: roles, tokens and
lists work on rows and never wait for a network; a loop and every login renew them. Passwords are never stored here: a login binds."""
