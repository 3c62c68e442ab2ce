# SPDX-License-Identifier: Apache-2.0
"""Network's rows as Neutron v2.0 prints them: pure, a noun a file."""
