# SPDX-License-Identifier: Apache-2.0
"""Network's rules, by Neutron's names."""

from __future__ import annotations

from virga.authority.rules import ADMIN, MEMBER, READER, SERVICE, Rule


def _own(noun: str) -> tuple[Rule, Rule, Rule, Rule]:
    return (
        Rule(f"create_{noun}", MEMBER, f"Create a {noun}"),
        Rule(f"get_{noun}", READER, f"See a {noun}; what is shared is seen without"),
        Rule(f"update_{noun}", MEMBER, f"Change a {noun}"),
        Rule(f"delete_{noun}", MEMBER, f"Delete a {noun}"),
    )


def _tags(noun: str) -> tuple[Rule, Rule]:
    return (
        Rule(f"update_{noun}:tags", MEMBER, f"Change the tags of a {noun}"),
        Rule(f"delete_{noun}:tags", MEMBER, f"Take tags off a {noun}"),
    )


CREATE_NETWORK, GET_NETWORK, UPDATE_NETWORK, DELETE_NETWORK = _own("network")
CREATE_SUBNET, GET_SUBNET, UPDATE_SUBNET, DELETE_SUBNET = _own("subnet")
CREATE_PORT, GET_PORT, UPDATE_PORT, DELETE_PORT = _own("port")
CREATE_ROUTER, GET_ROUTER, UPDATE_ROUTER, DELETE_ROUTER = _own("router")
CREATE_FLOATINGIP, GET_FLOATINGIP, UPDATE_FLOATINGIP, DELETE_FLOATINGIP = _own("floatingip")
CREATE_SECURITY_GROUP, GET_SECURITY_GROUP, UPDATE_SECURITY_GROUP, DELETE_SECURITY_GROUP = _own("security_group")
CREATE_SECURITY_GROUP_RULE, GET_SECURITY_GROUP_RULE, _, DELETE_SECURITY_GROUP_RULE = _own("security_group_rule")
TAGS = {
    noun: _tags(one)
    for noun, one in {
        "networks": "network", "subnets": "subnet", "ports": "port", "routers": "router", "floatingips": "floatingip", "security-groups": "security_group",
    }.items()
}  # fmt: skip
ADD_ROUTER_INTERFACE = Rule("add_router_interface", MEMBER, "Connect a subnet to a router")
REMOVE_ROUTER_INTERFACE = Rule("remove_router_interface", MEMBER, "Disconnect a subnet from a router")
SET_SHARED = Rule("create_network:shared", ADMIN, "Share a network with all projects")
SET_EXTERNAL = Rule("create_network:router:external", ADMIN, "Make an external network")
SET_PROVIDER = Rule("create_network:provider:network_type", ADMIN, "Choose how a network is carried")
SET_BINDING = Rule("create_port:binding:host_id", ADMIN, "Bind a port to a host")
SET_MAC = Rule("create_port:mac_address", MEMBER, "Choose a port's MAC address")
SET_FIXED_IPS = Rule("create_port:fixed_ips", MEMBER, "Choose a port's addresses")
SET_DEVICE_OWNER = Rule("create_port:device_owner", ADMIN | SERVICE, "Call a port the network's own")
CHANGE_DEVICE_OWNER = Rule("update_port:device_owner", ADMIN | SERVICE, "Call a port that is there the network's own")
SET_GATEWAY_IPS = Rule(
    "create_router:external_gateway_info:external_fixed_ips", ADMIN, "Choose a new router's outer addresses"
)
SET_SNAT = Rule(
    "create_router:external_gateway_info:enable_snat", ADMIN, "Choose whether a new router hides its tenants' addresses"
)
CHANGE_GATEWAY_IPS = Rule(
    "update_router:external_gateway_info:external_fixed_ips", ADMIN, "Choose a router's outer addresses"
)
CHANGE_SNAT = Rule(
    "update_router:external_gateway_info:enable_snat", ADMIN, "Choose whether a router hides its tenants' addresses"
)
SET_FLOATING_ADDRESS = Rule("create_floatingip:floating_ip_address", ADMIN, "Choose a floating IP's address")
SET_PORT_SECURITY = Rule("create_port:port_security_enabled", MEMBER, "Switch port security off")
SET_PAIRS = Rule("create_port:allowed_address_pairs", MEMBER, "Allow a port more addresses")
GET_QUOTA = Rule("get_quota", READER, "See a project's quota and its use")
UPDATE_QUOTA = Rule("update_quota", ADMIN, "Change a project's quota")
GET_AGENT = Rule("get_agent", ADMIN, "See the agents")
