# SPDX-License-Identifier: Apache-2.0
"""The switch on Open Virtual Network: our specs as rows of its northbound database. Each `ensure` reads what is there, writes the
difference in one transaction, and may be repeated. Row names follow Neutron's, so that OVN's own tools read well."""

from __future__ import annotations

from virga.services.network.drivers.ovn.groups import acl_match
from virga.services.network.drivers.ovn.operations import DROP
from virga.services.network.drivers.ovn.switch import OvnSwitch

__all__ = ["DROP", "OvnSwitch", "acl_match"]
