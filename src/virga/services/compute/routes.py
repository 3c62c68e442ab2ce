# SPDX-License-Identifier: Apache-2.0
"""Compute's table (Compute API v2.1, microversions to 2.96; `/v2` is the same at 2.1 for older clients)."""

from __future__ import annotations

import dataclasses

from virga.ground.http.faults import Faults, nova
from virga.ground.http.table import Route, Service, Versions
from virga.services.compute import answers, answers_proxies, views, views_proxies, wire, wire_proxies
from virga.services.compute.actions import (
    availability_zones,
    create_server,
    documents,
    flavors,
    hypervisors,
    instance_actions,
    keypairs,
    proxies,
    quotas,
    server_addresses,
    server_console,
    server_groups,
    server_lists,
    server_locks,
    server_metadata,
    server_power,
    server_tags,
    servers,
    services,
    snapshots,
)

_S = "/servers/{id}"
_ACTION = f"{_S}/action"

# fmt: off
_TABLE = (
    Route("GET", "/", documents.document, view=views.version, answer=answers.VersionAnswer, public=True, inline=True),
    Route("GET", "/extensions", documents.document, view=views.extensions, answer=answers.ExtensionsAnswer, inline=True),
    Route("POST", "/servers", create_server.create, body=wire.CreateServerBody, view=views.created, answer=answers.CreatedServerAnswer | answers.ReservationAnswer, code=202),
    Route("GET", "/servers", server_lists.index, view=views.servers, answer=answers.ServersAnswer, query=wire.SERVERS),
    Route("GET", "/servers/detail", server_lists.detail, view=views.servers_detail, answer=answers.ServersDetailAnswer, query=wire.SERVERS),
    Route("GET", _S, servers.show, view=views.server, answer=answers.ServerAnswer),
    Route("PUT", _S, servers.update, body=wire.UpdateServer, key="server", view=views.server, answer=answers.ServerAnswer),
    Route("DELETE", _S, servers.delete, code=204),
    Route("POST", _ACTION, server_power.start, verb="os-start", code=202),
    Route("POST", _ACTION, server_power.stop, verb="os-stop", code=202),
    Route("POST", _ACTION, server_power.reboot, verb="reboot", body=wire.Reboot, code=202),
    Route("POST", _ACTION, snapshots.create_image, verb="createImage", body=wire.CreateImage, view=views.image_place, code=202, until=(2, 44)),
    Route("POST", _ACTION, snapshots.create_image, verb="createImage", body=wire.CreateImage, view=views.image_made, answer=answers.ImageMadeAnswer, code=202, since=(2, 45)),
    Route("POST", _ACTION, snapshots.create_backup, verb="createBackup", body=wire.CreateBackup, view=views.image_place, code=202, until=(2, 44)),
    Route("POST", _ACTION, snapshots.create_backup, verb="createBackup", body=wire.CreateBackup, view=views.image_made, answer=answers.ImageMadeAnswer | None, code=202, since=(2, 45)),
    Route("POST", _ACTION, server_locks.lock, verb="lock", body=wire.Lock, code=202),
    Route("POST", _ACTION, server_locks.unlock, verb="unlock", code=202),
    Route("POST", _ACTION, servers.reset_state, verb="os-resetState", body=wire.ResetState, code=202),
    Route("POST", _ACTION, servers.force_delete, verb="forceDelete", code=202),
    Route("POST", _ACTION, server_console.console_output, verb="os-getConsoleOutput", body=wire.ConsoleOutput, view=views.console_output, answer=answers.ConsoleOutputAnswer, tx="none"),
    Route("GET", f"{_S}/metadata", server_metadata.metadata, view=views.metadata, answer=answers.MetadataAnswer),
    Route("PUT", f"{_S}/metadata", server_metadata.replace_metadata, body=wire.Metadata, view=views.metadata, answer=answers.MetadataAnswer),
    Route("POST", f"{_S}/metadata", server_metadata.merge_metadata, body=wire.Metadata, view=views.metadata, answer=answers.MetadataAnswer),
    Route("GET", f"{_S}/metadata/{{key}}", server_metadata.show_meta, view=views.meta, answer=answers.MetaAnswer),
    Route("PUT", f"{_S}/metadata/{{key}}", server_metadata.set_meta, body=wire.MetaItem, view=views.meta, answer=answers.MetaAnswer),
    Route("DELETE", f"{_S}/metadata/{{key}}", server_metadata.delete_meta, code=204),
    Route("GET", f"{_S}/tags", server_tags.tags, view=views.tags, answer=answers.TagsAnswer, since=(2, 26)),
    Route("PUT", f"{_S}/tags", server_tags.replace_tags, body=wire.Tags, view=views.tags, answer=answers.TagsAnswer, since=(2, 26)),
    Route("DELETE", f"{_S}/tags", server_tags.clear_tags, code=204, since=(2, 26)),
    Route("GET", f"{_S}/tags/{{tag}}", server_tags.has_tag, code=204, since=(2, 26)),
    Route("PUT", f"{_S}/tags/{{tag}}", server_tags.add_tag, view=views.tag_added, code=201, codes=(204,), since=(2, 26)),
    Route("DELETE", f"{_S}/tags/{{tag}}", server_tags.remove_tag, code=204, since=(2, 26)),
    Route("GET", f"{_S}/os-instance-actions", instance_actions.actions, view=views.actions, answer=answers.InstanceActionsAnswer),
    Route("GET", f"{_S}/os-instance-actions/{{request}}", instance_actions.action, view=views.action, answer=answers.InstanceActionAnswer),
    Route("GET", f"{_S}/ips", server_addresses.addresses, view=views.addresses, answer=answers.AddressesAnswer),
    Route("GET", f"{_S}/os-security-groups", proxies.server_groups, view=views_proxies.groups, answer=answers_proxies.GroupsAnswer),
    Route("GET", f"{_S}/os-interface", server_addresses.interfaces, view=views.interfaces, answer=answers.InterfacesAnswer),
    Route("POST", "/os-server-groups", server_groups.create, body=wire.CreateServerGroupOfPolicies, key="server_group", view=views.server_group, answer=answers.ServerGroupAnswer, until=(2, 63)),
    Route("POST", "/os-server-groups", server_groups.create, body=wire.CreateServerGroup, key="server_group", view=views.server_group, answer=answers.ServerGroupAnswer, since=(2, 64)),
    Route("GET", "/os-server-groups", server_groups.index, view=views.server_groups, answer=answers.ServerGroupsAnswer, query=wire.SERVER_GROUPS),
    Route("GET", "/os-server-groups/{id}", server_groups.show, view=views.server_group, answer=answers.ServerGroupAnswer),
    Route("DELETE", "/os-server-groups/{id}", server_groups.delete, code=204),
    Route("POST", "/flavors", flavors.create, body=wire.CreateFlavor, key="flavor", view=views.flavor, answer=answers.FlavorAnswer),
    Route("GET", "/flavors", flavors.index, view=views.flavors, answer=answers.FlavorsAnswer, query=wire.FLAVORS),
    Route("GET", "/flavors/detail", flavors.index, view=views.flavors_detail, answer=answers.FlavorsDetailAnswer, query=wire.FLAVORS),
    Route("GET", "/flavors/{id}", flavors.show, view=views.flavor, answer=answers.FlavorAnswer),
    Route("PUT", "/flavors/{id}", flavors.update, body=wire.UpdateFlavor, key="flavor", view=views.flavor, answer=answers.FlavorAnswer, since=(2, 55)),
    Route("DELETE", "/flavors/{id}", flavors.delete, code=202),
    Route("GET", "/flavors/{id}/os-extra_specs", flavors.extra_specs, view=views.extra_specs, answer=answers.ExtraSpecsAnswer),
    Route("POST", "/flavors/{id}/os-extra_specs", flavors.set_extra_specs, body=wire.ExtraSpecs, view=views.extra_specs, answer=answers.ExtraSpecsAnswer),
    Route("GET", "/flavors/{id}/os-extra_specs/{key}", flavors.extra_spec, answer=dict[str, str]),
    Route("PUT", "/flavors/{id}/os-extra_specs/{key}", flavors.set_extra_spec, body=wire.ExtraSpec, answer=dict[str, str | int | float]),
    Route("DELETE", "/flavors/{id}/os-extra_specs/{key}", flavors.delete_extra_spec),
    Route("POST", "/os-keypairs", keypairs.create, body=wire.CreateKeypair, key="keypair", view=views.new_keypair, answer=answers.NewKeypairAnswer, until=(2, 1)),
    Route("POST", "/os-keypairs", keypairs.create, body=wire.CreateKeypair, key="keypair", view=views.new_keypair, answer=answers.NewKeypairAnswer, code=201, since=(2, 2)),
    Route("GET", "/os-keypairs", keypairs.index, view=views.keypairs, answer=answers.KeypairsAnswer, query=wire.KEYPAIRS),
    Route("GET", "/os-keypairs/{name}", keypairs.show, view=views.keypair, answer=answers.KeypairAnswer, query=wire.KEYPAIR),
    Route("DELETE", "/os-keypairs/{name}", keypairs.delete, query=wire.KEYPAIR, code=202, until=(2, 1)),
    Route("DELETE", "/os-keypairs/{name}", keypairs.delete, query=wire.KEYPAIR, code=204, since=(2, 2)),
    Route("GET", "/os-services", services.index, view=views.services, answer=answers.ServicesAnswer, query=wire.SERVICES),
    Route("PUT", "/os-services/{id}", services.update, body=wire.UpdateService, view=views.service, answer=answers.ServiceAnswer, since=(2, 53)),
    Route("GET", "/os-hypervisors", hypervisors.index, view=views.hypervisors, answer=answers.HypervisorsAnswer, query=wire.HYPERVISORS),
    Route("GET", "/os-hypervisors/detail", hypervisors.detail, view=views.hypervisors_detail, answer=answers.HypervisorsDetailAnswer, query=wire.HYPERVISORS),
    Route("GET", "/os-hypervisors/statistics", hypervisors.statistics, view=views.statistics, answer=answers.StatisticsAnswer, query=wire.HYPERVISORS, until=(2, 87)),
    Route("GET", "/os-hypervisors/{id}", hypervisors.show, view=views.hypervisor, answer=answers.HypervisorAnswer, query=wire.HYPERVISORS),
    Route("GET", "/os-availability-zone", availability_zones.index, view=views.zones, answer=answers.ZonesAnswer),
    Route("GET", "/os-availability-zone/detail", availability_zones.detail, view=views.zones_detail, answer=answers.ZonesAnswer),
    Route("GET", "/limits", quotas.absolute_limits, view=views.limits, answer=answers.LimitsAnswer, query=wire.LIMITS),
    Route("GET", "/os-quota-sets/{project}", quotas.show, view=views.quota, answer=answers.QuotaAnswer),
    Route("GET", "/os-quota-sets/{project}/defaults", quotas.defaults, view=views.quota, answer=answers.QuotaAnswer),
    Route("GET", "/os-quota-sets/{project}/detail", quotas.detail, view=views.quota_detail, answer=answers.QuotaDetailAnswer),
    Route("PUT", "/os-quota-sets/{project}", quotas.update, body=wire.Quota, key="quota_set", view=views.quota_set, answer=answers.QuotaAnswer),
    Route("DELETE", "/os-quota-sets/{project}", quotas.reset, code=202),
)
# fmt: on
_IMAGES = {"name": wire.Text, "marker": wire.Text, "limit": wire.NonNegativeInt}
_P = (2, 35)
_PROXIES = (
    Route("GET", "/images", proxies.images, view=views_proxies.images, answer=answers_proxies.ImagesAnswer, until=_P, query=_IMAGES),
    Route("GET", "/images/detail", proxies.images, view=views_proxies.images_detail, answer=answers_proxies.ImagesDetailAnswer, until=_P, query=_IMAGES),
    Route("GET", "/images/{id}", proxies.image, view=views_proxies.image, answer=answers_proxies.ImageAnswer, until=_P),
    Route("DELETE", "/images/{id}", proxies.delete_image, code=204, until=_P),
    Route("GET", "/os-networks", proxies.nets, view=views_proxies.nets, answer=answers_proxies.NetsAnswer, until=_P),
    Route("GET", "/os-networks/{id}", proxies.net, view=views_proxies.net, answer=answers_proxies.NetAnswer, until=_P),
    Route("GET", "/os-tenant-networks", proxies.nets, view=views_proxies.tenant_nets, answer=answers_proxies.TenantNetsAnswer, until=_P),
    Route("GET", "/os-tenant-networks/{id}", proxies.net, view=views_proxies.tenant_net, answer=answers_proxies.TenantNetAnswer, until=_P),
    Route("GET", "/os-floating-ip-pools", proxies.pools, view=views_proxies.pools, answer=answers_proxies.PoolsAnswer, until=_P),
    Route("GET", "/os-floating-ips", proxies.floating_ips, view=views_proxies.floating_ips, answer=answers_proxies.FloatingIpsAnswer, until=_P),
    Route("POST", "/os-floating-ips", proxies.create_floating_ip, body=wire_proxies.CreateFloatingIp, view=views_proxies.floating_ip, answer=answers_proxies.FloatingIpAnswer, until=_P),
    Route("GET", "/os-floating-ips/{id}", proxies.floating_ip, view=views_proxies.floating_ip, answer=answers_proxies.FloatingIpAnswer, until=_P),
    Route("DELETE", "/os-floating-ips/{id}", proxies.delete_floating_ip, code=202, until=_P),
    Route("POST", _ACTION, proxies.add_floating_ip, verb="addFloatingIp", body=wire_proxies.AddFloatingIp, code=202, until=(2, 43)),
    Route("POST", _ACTION, proxies.remove_floating_ip, verb="removeFloatingIp", body=wire_proxies.RemoveFloatingIp, code=202, until=(2, 43)),
    Route("GET", "/os-security-groups", proxies.security_groups, view=views_proxies.groups, answer=answers_proxies.GroupsAnswer, tx="none", until=_P, query={"all_tenants": wire.Text}),
    Route("POST", "/os-security-groups", proxies.create_security_group, body=wire_proxies.SecurityGroup, key="security_group", view=views_proxies.group, answer=answers_proxies.GroupAnswer, until=_P),
    Route("GET", "/os-security-groups/{id}", proxies.security_group, view=views_proxies.group, answer=answers_proxies.GroupAnswer, until=_P),
    Route("PUT", "/os-security-groups/{id}", proxies.update_security_group, body=wire_proxies.SecurityGroup, key="security_group", view=views_proxies.group, answer=answers_proxies.GroupAnswer, until=_P),
    Route("DELETE", "/os-security-groups/{id}", proxies.delete_security_group, code=202, until=_P),
    Route("POST", "/os-security-group-rules", proxies.create_rule, body=wire_proxies.GroupRule, key="security_group_rule", view=views_proxies.rule, answer=answers_proxies.RuleAnswer, until=_P),
    Route("DELETE", "/os-security-group-rules/{id}", proxies.delete_rule, code=202, until=_P),
    Route("POST", _ACTION, proxies.add_group, verb="addSecurityGroup", body=wire_proxies.SecurityGroupName, code=202),
    Route("POST", _ACTION, proxies.remove_group, verb="removeSecurityGroup", body=wire_proxies.SecurityGroupName, code=202),
)  # fmt: skip


def _under(prefix: str) -> tuple[Route, ...]:
    """The table at `/v2.1` and, for clients of before microversions, at `/v2`."""

    high = views.LOW if prefix == "/v2" else views.HIGH
    return tuple(
        dataclasses.replace(r, path=prefix + r.path, until=min(r.until, high))
        for r in (*_TABLE, *_PROXIES)
        if r.since <= high
    )


ROUTES = (
    Route("GET", "/", documents.document, view=views.versions, answer=answers.VersionsAnswer, public=True, inline=True),
    *_under("/v2.1"),
    *_under("/v2"),
)


def spelled(parts: list[str]) -> list[str]:
    """`/v1.1` is what `/v2` was called until 2012, and in catalogues for longer; Nova answered both alike."""
    return ["v2", *parts[1:]] if parts[:1] == ["v1.1"] else parts


SERVICE = Service(
    name="compute", type="compute", path="/compute", ports=(8774,), catalog="/compute/v2.1", routes=ROUTES, faults=Faults(nova, over_quota=403),
    versions=Versions(low=views.LOW, high=views.HIGH, default=views.LOW, service="compute", legacy_header="X-OpenStack-Nova-API-Version"), tenant_in_path=True,
    old_catalog="/compute/v2.1/%(project_id)s", spelled=spelled,
)  # fmt: skip
