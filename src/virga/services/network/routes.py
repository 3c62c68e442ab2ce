# SPDX-License-Identifier: Apache-2.0
"""Network's table (Networking API v2.0)."""

from __future__ import annotations

from virga.ground.http.faults import Faults, neutron
from virga.ground.http.table import Route, Service
from virga.services.network import model, views, wire
from virga.services.network.actions import around, groups, networks, ports, routers


def _tags(noun: str) -> tuple[Route, ...]:
    verbs, path = around.tags_of(noun), f"/v2.0/{noun}/{{id}}/tags"
    return (
        Route("GET", path, verbs["index"]),
        Route("GET", f"{path}/{{tag}}", verbs["has"], code=204),
        Route("PUT", path, verbs["put"], body=wire.Tags),
        Route("DELETE", path, verbs["clear"], code=204),
        Route("PUT", f"{path}/{{tag}}", verbs["add"], code=201),
        Route("DELETE", f"{path}/{{tag}}", verbs["remove"], code=204),
    )


def spelled(parts: list[str]) -> list[str]:
    """Without the `.json` that neutronclient ends every path with (Neutron's router takes it); a tag may be called so."""
    if parts and parts[-1].endswith(".json") and parts[-2:-1] != ["tags"]:
        return [*parts[:-1], parts[-1].removesuffix(".json")]
    return parts


ROUTES = (
    Route("GET", "/", around.document, view=views.versions, public=True, inline=True),
    Route("GET", "/v2.0", around.document, view=views.resources, inline=True),
    Route("GET", "/v2.0/extensions", around.document, view=views.extensions, inline=True),
    Route("GET", "/v2.0/extensions/{alias}", around.extension, view=views.extension, inline=True),
    Route("GET", "/v2.0/availability_zones", around.document, view=views.zones, inline=True),
    Route("POST", "/v2.0/networks", networks.create, body=wire.CreateNetwork, key="network", bulk="networks", view=views.one, code=201),
    Route("GET", "/v2.0/networks", networks.index, view=views.many(model.Network), query=wire.listing("network", networks.FILTERS)),
    Route("GET", "/v2.0/networks/{id}", networks.show, view=views.one, query=wire.FIELDS),
    Route("PUT", "/v2.0/networks/{id}", networks.update, body=wire.UpdateNetwork, key="network", view=views.one),
    Route("DELETE", "/v2.0/networks/{id}", networks.delete, code=204),
    Route("POST", "/v2.0/subnets", networks.create_subnet, body=wire.CreateSubnet, key="subnet", bulk="subnets", view=views.one, code=201),
    Route("GET", "/v2.0/subnets", networks.index_subnets, view=views.many(model.Subnet), query=wire.listing("subnet", networks.SUBNET_FILTERS)),
    Route("GET", "/v2.0/subnets/{id}", networks.show_subnet, view=views.one, query=wire.FIELDS),
    Route("PUT", "/v2.0/subnets/{id}", networks.update_subnet, body=wire.UpdateSubnet, key="subnet", view=views.one),
    Route("DELETE", "/v2.0/subnets/{id}", networks.delete_subnet, code=204),
    Route("POST", "/v2.0/ports", ports.create, body=wire.CreatePort, key="port", bulk="ports", view=views.one, code=201),
    Route("GET", "/v2.0/ports", ports.index, view=views.many(model.Port), query=wire.listing("port", (*ports.FILTERS, "fixed_ips", "security_groups"))),
    Route("GET", "/v2.0/ports/{id}", ports.show, view=views.one, query=wire.FIELDS),
    Route("PUT", "/v2.0/ports/{id}", ports.update, body=wire.UpdatePort, key="port", view=views.one),
    Route("DELETE", "/v2.0/ports/{id}", ports.delete, code=204),
    Route("POST", "/v2.0/routers", routers.create, body=wire.CreateRouter, key="router", view=views.one, code=201),
    Route("GET", "/v2.0/routers", routers.index, view=views.many(model.Router), query=wire.listing("router", routers.FILTERS)),
    Route("GET", "/v2.0/routers/{id}", routers.show, view=views.one, query=wire.FIELDS),
    Route("PUT", "/v2.0/routers/{id}", routers.update, body=wire.UpdateRouter, key="router", view=views.one),
    Route("DELETE", "/v2.0/routers/{id}", routers.delete, code=204),
    Route("PUT", "/v2.0/routers/{id}/add_router_interface", routers.add_interface, body=wire.RouterInterface),
    Route("PUT", "/v2.0/routers/{id}/remove_router_interface", routers.remove_interface, body=wire.RouterInterface),
    Route("POST", "/v2.0/floatingips", routers.create_fip, body=wire.CreateFloatingIp, key="floatingip", view=views.one, code=201),
    Route("GET", "/v2.0/floatingips", routers.index_fips, view=views.many(model.FloatingIp), query=wire.listing("floating ip", routers.FIP_FILTERS)),
    Route("GET", "/v2.0/floatingips/{id}", routers.show_fip, view=views.one, query=wire.FIELDS),
    Route("PUT", "/v2.0/floatingips/{id}", routers.update_fip, body=wire.UpdateFloatingIp, key="floatingip", view=views.one),
    Route("DELETE", "/v2.0/floatingips/{id}", routers.delete_fip, code=204),
    Route("POST", "/v2.0/security-groups", groups.create, body=wire.CreateGroup, key="security_group", bulk="security_groups", view=views.one, code=201),
    Route("GET", "/v2.0/security-groups", groups.index, view=views.many(model.Group), tx="none", query=wire.listing("security group", groups.FILTERS)),
    Route("GET", "/v2.0/security-groups/{id}", groups.show, view=views.one, query=wire.FIELDS),
    Route("PUT", "/v2.0/security-groups/{id}", groups.update, body=wire.UpdateGroup, key="security_group", view=views.one),
    Route("DELETE", "/v2.0/security-groups/{id}", groups.delete, code=204),
    Route(
        "POST", "/v2.0/security-group-rules", groups.create_rule, body=wire.CreateRule, key="security_group_rule", bulk="security_group_rules", view=views.one,
        code=201,
    ),
    Route("GET", "/v2.0/security-group-rules", groups.index_rules, view=views.many(model.GroupRule), query=wire.listing("security group rule", groups.RULE_FILTERS)),
    Route("GET", "/v2.0/security-group-rules/{id}", groups.show_rule, view=views.one, query=wire.FIELDS),
    Route("DELETE", "/v2.0/security-group-rules/{id}", groups.delete_rule, code=204),
    Route("GET", "/v2.0/quotas", around.quotas, view=views.quotas),
    Route("GET", "/v2.0/quotas/tenant", around.quota_tenant, view=views.quota_tenant("tenant")),
    Route("GET", "/v2.0/quotas/project", around.quota_tenant, view=views.quota_tenant("project")),
    Route("GET", "/v2.0/quotas/{project}", around.quota, view=views.quota),
    Route("GET", "/v2.0/quotas/{project}/default", around.default_quota, view=views.quota),
    Route("GET", "/v2.0/quotas/{project}/details", around.quota_details, view=views.quota),
    Route("PUT", "/v2.0/quotas/{project}", around.set_quota, body=wire.Quota, key="quota", view=views.quota),
    Route("DELETE", "/v2.0/quotas/{project}", around.reset_quota, code=204),
    *(row for noun in around.TAGGED for row in _tags(noun)),
)  # fmt: skip

SERVICE = Service(
    name="network",
    type="network",
    path="/network",
    ports=(9696,),
    catalog="/network",
    routes=ROUTES,
    faults=Faults(neutron, over_quota=409),
    spelled=spelled,
)
