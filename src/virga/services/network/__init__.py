# SPDX-License-Identifier: Apache-2.0
"""Network (Neutron v2.0): networks, subnets, ports, routers, floating IPs, security groups, on one switch engine."""
