# SPDX-License-Identifier: Apache-2.0
"""Compute's rules, by Nova's names."""

from __future__ import annotations

from virga.authority.rules import ADMIN, ANYBODY, MEMBER, READER, SELF, Rule

_P = "os_compute_api:"
SERVERS_INDEX = Rule(_P + "servers:index", READER, "List servers")
SERVERS_ALL = Rule(_P + "servers:index:get_all_tenants", ADMIN, "List the servers of all projects")
SERVERS_SHOW = Rule(_P + "servers:show", READER, "Show a server")
SERVERS_CREATE = Rule(_P + "servers:create", MEMBER, "Create a server")
SERVERS_CREATE_HOST = Rule(_P + "servers:create:forced_host", ADMIN, "Choose the host of a server")
SERVERS_UPDATE = Rule(_P + "servers:update", MEMBER, "Change a server")
SERVERS_DELETE = Rule(_P + "servers:delete", MEMBER, "Delete a server")
SERVERS_START = Rule(_P + "servers:start", MEMBER, "Start a server")
SERVERS_STOP = Rule(_P + "servers:stop", MEMBER, "Stop a server")
SERVERS_REBOOT = Rule(_P + "servers:reboot", MEMBER, "Reboot a server")
SERVERS_IMAGE = Rule(_P + "servers:create_image", MEMBER, "Make an image of a server")
SERVERS_BACKUP = Rule(_P + "os-create-backup", MEMBER, "Back up a server as an image, and forget the oldest backups")
SERVERS_LOCK = Rule(_P + "os-lock-server:lock", MEMBER, "Lock a server")
SERVERS_RESET = Rule(_P + "os-admin-actions:reset_state", ADMIN, "Set a server's state by hand")
CONSOLE_OUTPUT = Rule(_P + "os-console-output", MEMBER, "Read a server's console")
EXTENDED = Rule(_P + "os-extended-server-attributes", ADMIN, "See where a server runs")
ACTIONS = Rule(_P + "os-instance-actions:list", READER, "See what was done to a server")
FLAVORS_EDIT = Rule(_P + "os-flavor-manage:create", ADMIN, "Create, change or delete a flavor")
KEYPAIRS = Rule(_P + "os-keypairs:index", ADMIN | SELF, "See and change one's keypairs")
SERVICES = Rule(_P + "os-services:list", ADMIN, "List the services")
SERVICES_UPDATE = Rule(_P + "os-services:update", ADMIN, "Enable or disable a host")
HYPERVISORS = Rule(_P + "os-hypervisors:list", ADMIN, "List the hypervisors")
ZONES = Rule(_P + "os-availability-zone:list", ANYBODY, "List availability zones")
LIMITS = Rule(_P + "limits", ANYBODY, "Read one's limits")
QUOTAS_UPDATE = Rule(_P + "os-quota-sets:update", ADMIN, "Change a project's quota")
